package rtc

import (
	"errors"
	"testing"
	"time"
)

// TestWatch runs the timers through stories: each moment is what is known from a second on.
func TestWatch(t *testing.T) {
	type moment struct {
		at       int // seconds
		peer     peer
		receives bool // from here on RTP comes in
		sends    bool // from here on RTP goes out
		reports  bool // from here on the peer reports
		alive    bool // from here on there are signs of life by another way
	}
	limits, err := Timeouts{}.orDefault()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		story []moment
		end   int // seconds; zero: not within two minutes
		want  error
		warns int
	}{
		{"never connects", []moment{{at: 0}}, 15, ErrNeverConnected, 0},
		{"handshake fails", []moment{{at: 0}, {at: 4, peer: failed}}, 4, ErrNeverConnected, 0},
		{"closed before it connects", []moment{{at: 0}, {at: 4, peer: closed}}, 4, ErrNeverConnected, 0},
		{"network lost before it connects", []moment{{at: 0}, {at: 4, peer: down}}, 15, ErrNeverConnected, 0},
		{"a good call", []moment{{at: 0}, {1, up, true, true, true, false}}, 0, nil, 0},
		{"goodbye", []moment{{at: 0}, {1, up, true, true, true, false}, {50, closed, false, true, false, false}}, 50, ErrHangup, 0},
		{"vanishes", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, false}}, 65, ErrVanished, 0},
		{"comes back", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, false}, {58, up, true, true, true, false}}, 0, nil, 0},
		{"comes back by way of connecting", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, false}, {52, connecting, false, true, false, false}}, 65, ErrVanished, 0},
		{"vanishes after signs of life", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, true}, {70, down, false, true, false, false}}, 85, ErrVanished, 0},
		{"comes back after signs of life", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, true}, {70, up, true, true, true, true}}, 0, nil, 0},
		{"comes back after a restart", []moment{{1, up, true, true, true, false}, {50, down, false, true, false, true}, {68, connecting, false, true, false, true}, {70, up, true, true, true, true}}, 0, nil, 0},
		{"says it is alive for ever", []moment{{1, up, true, true, true, true}, {50, down, false, true, false, true}}, 110, ErrVanished, 0},
		{"says it is alive, and never connects", []moment{{0, connecting, false, false, false, true}}, 15, ErrNeverConnected, 0},
		{"breaks", []moment{{1, up, true, true, true, false}, {50, failed, false, true, false, false}}, 50, ErrVanished, 0},
		{"sends nothing", []moment{{1, up, false, true, true, false}}, 31, ErrNoMedia, 0},
		{"stops sending", []moment{{1, up, true, true, true, false}, {50, up, false, true, true, false}}, 79, ErrNoMedia, 0},
		{"network and sound lost at different times", []moment{{1, up, true, true, true, false}, {40, up, false, true, true, false}, {60, down, false, true, true, false}, {65, up, false, true, true, false}}, 95, ErrNoMedia, 0},
		{"restarts for ever, and sends nothing", []moment{{1, up, false, true, true, true}, {20, down, false, true, true, true}, {25, up, false, true, true, true},
			{45, down, false, true, true, true}, {50, up, false, true, true, true}, {70, down, false, true, true, true}, {75, up, false, true, true, true}}, 91, ErrNoMedia, 0},
		{"does not receive", []moment{{1, up, true, true, false, false}}, 16, ErrNotReceived, 1},
		{"stops receiving", []moment{{1, up, true, true, true, false}, {50, up, true, true, false, false}}, 60, ErrNotReceived, 1},
		{"receives again", []moment{{1, up, true, true, true, false}, {50, up, true, true, false, false}, {60, up, true, true, true, false}, {70, up, true, true, false, false}}, 80, ErrNotReceived, 2},
		{"we do not send", []moment{{1, up, true, false, false, false}}, 0, nil, 0},
		{"we begin to send late", []moment{{1, up, true, false, false, false}, {40, up, true, true, false, false}}, 55, ErrNotReceived, 1},
		{"we send with breaks", []moment{{1, up, true, true, false, false}, {10, up, true, false, false, false}, {20, up, true, true, false, false}}, 35, ErrNotReceived, 2},
		{"a report a while", []moment{{1, up, true, true, false, false}, {8, up, true, true, true, false}}, 0, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := watch{limits: limits}
			var v vitals
			var m moment
			warns := 0
			for now := time.Duration(0); now < 2*time.Minute; now += 100 * time.Millisecond {
				for _, o := range c.story {
					if time.Duration(o.at)*time.Second <= now {
						m = o
					}
				}
				v.peer = m.peer
				if m.receives {
					v.received = now
				}
				if m.sends {
					v.sent = now
				}
				if m.alive {
					v.alive = now
				}
				if m.reports && now%(5*time.Second) == 0 {
					v.reported = now
				}
				e, err := w.step(now, v)
				if e == unheard {
					warns++
				}
				if err == nil {
					continue
				}
				if at := now.Round(time.Second); !errors.Is(err, c.want) || (at-time.Duration(c.end)*time.Second).Abs() > time.Second {
					t.Errorf("ended with %v at %v; want %v at %d s", err, now, c.want, c.end)
				}
				if warns != c.warns {
					t.Errorf("%d warnings, want %d", warns, c.warns)
				}
				return
			}
			if c.want != nil {
				t.Errorf("did not end; want %v at %d s", c.want, c.end)
			}
			if warns != c.warns {
				t.Errorf("%d warnings, want %d", warns, c.warns)
			}
		})
	}
}

// TestWatchPath: the loss of a path and its return are told once each, and the first connection is neither.
func TestWatchPath(t *testing.T) {
	limits, err := Timeouts{}.orDefault()
	if err != nil {
		t.Fatal(err)
	}
	w := watch{limits: limits}
	for i, c := range []struct {
		peer peer
		want event
	}{
		{connecting, nothing}, {down, nothing}, {up, nothing}, {up, nothing}, {down, lost}, {down, nothing}, {connecting, nothing},
		{up, back}, {up, nothing}, {connecting, lost}, {up, back},
	} {
		now := time.Duration(i) * time.Second
		if e, err := w.step(now, vitals{peer: c.peer, received: now}); e != c.want || err != nil {
			t.Errorf("step %d: %v, %v; want %v", i, e, err, c.want)
		}
	}
}
