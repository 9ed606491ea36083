package rtc

import (
	"errors"
	"testing"
	"time"
)

// spell is a run of equal packets: n of them, one every gap.
type spell struct {
	n    int
	gap  time.Duration
	size int
}

func TestFlood(t *testing.T) {
	const never = -1
	for _, c := range []struct {
		name     string
		messages bool
		spells   []spell
		dropped  uint64
		ends     time.Duration // when the peer is found hostile, give or take a tenth of a second; or never
	}{
		{"speech for an hour", false, []spell{{180_000, 20 * time.Millisecond, 110}}, 0, never},
		{"shortest packets at the highest rate", false, []spell{{400 * 600, 2500 * time.Microsecond, 160 + 20}}, 0, never},
		{"back from 10 s of silence", false, []spell{{100, 20 * time.Millisecond, 110}, {1, 10 * time.Second, 110}, {499, 0, 110}, {1000, 20 * time.Millisecond, 110}}, 0, never},
		{"back from 30 s of silence", false, []spell{{100, 20 * time.Millisecond, 110}, {1, 30 * time.Second, 110}, {1499, 0, 110}, {1000, 20 * time.Millisecond, 110}}, 1000, never},
		{"ten times the rate", false, []spell{{10_000, 2 * time.Millisecond, 110}}, 160, 500*time.Second/80 + patience},
		{"a hundred times the rate", false, []spell{{50_000, 200 * time.Microsecond, 110}}, 9160, 110*time.Millisecond + patience},
		{"full datagrams", false, []spell{{10_000, 5 * time.Millisecond, 1200}}, 235, 1820*time.Millisecond + patience},
		{"flooding with pauses", false, []spell{{1000, time.Millisecond, 110}, {1, time.Second, 110}, {1000, time.Millisecond, 110}}, 240, never},
		{"a busy page", true, []spell{{3000, 25 * time.Millisecond, 1000}}, 0, never},
		{"a page that was away", true, []spell{{200, 0, 1000}, {100, 25 * time.Millisecond, 1000}}, 0, never},
		{"long messages", true, []spell{{64, 0, messageLimit}, {10, 250 * time.Millisecond, messageLimit}}, 0, never},
		{"a thousand messages a second", true, []spell{{10_000, time.Millisecond, 20}}, 1900, 210*time.Millisecond + patience},
		{"a flood of long messages", true, []spell{{10_000, 50 * time.Millisecond, messageLimit}}, 32, 4*time.Second + patience},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f flood
			ends, now := time.Duration(never), time.Duration(0)
			count := f.packet
			if c.messages {
				count = f.message
			}
			for _, s := range c.spells {
				for range s.n {
					now += s.gap
					take, err := count(now, s.size)
					if take && err != nil || err != nil && !errors.Is(err, ErrHostile) {
						t.Fatalf("%v, %v", take, err)
					}
					if err != nil && ends == never {
						ends = now
						t.Log(err)
						break
					}
				}
			}
			if d := f.dropped.Load(); d < c.dropped*9/10 || d > c.dropped+c.dropped/10 {
				t.Errorf("%d dropped, want %d", d, c.dropped)
			}
			if (ends - c.ends).Abs() > 100*time.Millisecond {
				t.Errorf("hostile after %v, want %v", ends, c.ends)
			}
		})
	}
}

// TestFloodKinds: what is beyond its bounds takes nothing from the other kind, and time may come in a wrong order.
func TestFloodKinds(t *testing.T) {
	var f flood
	for i := range 1000 {
		_, _ = f.message(time.Duration(i)*time.Microsecond, 10)
	}
	if take, err := f.packet(time.Millisecond, 10); !take || err != nil {
		t.Errorf("packet: %v, %v", take, err)
	}
	if take, err := f.packet(0, 10); !take || err != nil {
		t.Errorf("packet of a slow reader: %v, %v", take, err)
	}
	if d := f.dropped.Load(); d != 800 {
		t.Errorf("%d dropped", d)
	}
}

// forget lets a test send as fast as it can.
func (f *flood) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.packets, f.messages = meter{}, meter{}
}

// BenchmarkFlood is what the bounds cost a packet.
func BenchmarkFlood(b *testing.B) {
	var f flood
	b.ReportAllocs()
	now := time.Duration(0)
	for b.Loop() {
		now += 20 * time.Millisecond
		if take, _ := f.packet(now, 110); !take {
			b.Fatal("dropped")
		}
	}
}
