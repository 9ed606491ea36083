package jitter

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/media"
)

// check drives a Buffer and holds it to what must be true whatever comes.
type check struct {
	t   rapid.TB
	b   *Buffer
	now time.Duration
	end time.Duration // of the timeline so far
	any bool
}

func (c *check) push(p media.Packet) {
	c.b.Push(c.now, p)
	if c.b.Len() > capacity {
		c.t.Fatalf("holds %d packets", c.b.Len())
	}
}

func (c *check) pop() {
	for it, ok := c.b.Pop(c.now); ok; it, ok = c.b.Pop(c.now) {
		if c.any && it.At != c.end {
			c.t.Fatalf("%v follows %v", it.At, c.end)
		}
		if it.Duration <= 0 || it.Duration%grid != 0 || it.Duration > longest || it.Skip < 0 {
			c.t.Fatalf("bad item %+v", it)
		}
		if it.Kind == Conceal && it.Duration > 120*ms {
			c.t.Fatalf("conceals %v", it.Duration)
		}
		c.any, c.end = true, it.At+it.Duration
	}
	c.settled()
}

// settled is what holds when everything due has been popped.
func (c *check) settled() {
	w, ok := c.b.Wake()
	if ok != c.any || ok && w <= c.now {
		c.t.Fatalf("at %v wakes at %v, %v", c.now, w, ok)
	}
	if w > c.now+time.Hour {
		c.t.Fatalf("at %v sleeps until %v", c.now, w)
	}
	s := c.b.Stats()
	known := s.Played + s.Late + s.Duplicated + s.Overflowed + s.Ignored + uint64(c.b.Len())
	if probed := s.Received - known; probed > 1 {
		c.t.Fatalf("%d of %d received are missing: %+v", probed, s.Received, s)
	}
	if s.Depth < minDepth || s.Depth > maxDepth {
		c.t.Fatalf("depth %v", s.Depth)
	}
}

func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &check{t: t, b: New(testOptions)}
		seq, stamp := rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "stamp")
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			c.now += time.Duration(rapid.OneOf(rapid.Int64Range(0, 40), rapid.Int64Range(0, 3000)).Draw(t, "wait")) * ms / 2
			if rapid.IntRange(0, 9).Draw(t, "pop") > 0 {
				c.pop()
			}
			units := rapid.SampledFrom([]int{8, 8, 8, 8, 0, 1, 4, 24, 48}).Draw(t, "length")
			p := media.Packet{At: c.now, Payload: []byte{byte(units), byte(units & 1), 0}}
			p.Payload = p.Payload[:rapid.SampledFrom([]int{3, 3, 3, 3, 3, 1, 0}).Draw(t, "size")]
			switch rapid.IntRange(0, 19).Draw(t, "fate") {
			case 0:
				seq += uint16(rapid.IntRange(0, 200).Draw(t, "lost"))
			case 1:
				seq, stamp = rapid.Uint16().Draw(t, "seq"), rapid.Uint32().Draw(t, "stamp")
			case 2:
				stamp += rapid.Uint32().Draw(t, "jump")
			case 3:
				stamp += uint32(rapid.IntRange(-3, 3).Draw(t, "nudge"))
			}
			p.SSRC = uint32(max(0, rapid.IntRange(-20, 1).Draw(t, "ssrc")))
			off := max(0, rapid.IntRange(-12, 4).Draw(t, "overtaken"))
			p.Seq, p.Time = seq-uint16(off), stamp-uint32(off*960)
			c.push(p)
			seq++
			stamp += 960
		}
		c.pop()
		c.now += time.Hour
		c.pop()
	})
}

// From honest packets, delayed and lost at will, everything that comes in time is played once and in its place.
func TestHonestSender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := begin(20 * ms)
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
				s.lose(rapid.IntRange(1, 20).Draw(t, "n"))
			}
			s.send(1).last(0).At += time.Duration(rapid.IntRange(0, 60).Draw(t, "delay")) * ms
		}
		sorted(s)
		items, b := run(t, s.in, s.last(0).At+300*ms)
		for _, it := range items {
			if it.Kind != Play {
				continue
			}
			moved := it.At - it.Skip - items[0].At
			first := items[0].Packet
			if want := time.Duration(int16(it.Packet.Seq-first.Seq)) * 20 * ms; moved != want {
				t.Fatalf("packet %d is at %v, not %v", it.Packet.Seq-first.Seq, moved, want)
			}
		}
		if st := b.Stats(); st.Restarts+st.Ignored+st.Overflowed > 0 {
			t.Fatalf("stats %v", st)
		}
	})
}

// FuzzBuffer reads packets of eight bytes: wait, flags, number, time, payload.
func FuzzBuffer(f *testing.F) {
	f.Add([]byte{20, 0, 0, 1, 0, 1, 8, 3, 20, 0, 0, 2, 0, 2, 8, 3, 20, 0, 0, 4, 0, 4, 8, 3})
	f.Add([]byte{20, 0, 0, 1, 0, 1, 8, 1, 200, 1, 255, 2, 255, 2, 48, 3, 20, 128, 255, 4, 255, 4, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &check{t: t, b: New(testOptions)}
		for ; len(data) >= 8; data = data[8:] {
			c.now += time.Duration(data[0]) * ms
			c.push(media.Packet{
				At:      c.now - time.Duration(data[1]>>4)*ms,
				SSRC:    uint32(data[1] & 1),
				Seq:     uint16(data[2])<<8 | uint16(data[3]),
				Time:    (uint32(data[4])<<8 | uint32(data[5])) * 480 << (data[1] >> 1 & 7),
				Payload: []byte{data[6] % 49, data[6] & 1, 0, 0}[:data[7]&3],
			})
			if data[7]&4 == 0 {
				c.pop()
			}
		}
		c.now += time.Minute
		c.pop()
	})
}

// feed pushes and pops n packets of a line that loses one in fifty.
func feed(b *Buffer, p media.Packet, n int) media.Packet {
	for range n {
		p.At += 20 * ms
		p.Seq++
		p.Time += 960
		if p.Seq%50 == 0 {
			continue
		}
		b.Push(p.At, p)
		for _, ok := b.Pop(p.At); ok; _, ok = b.Pop(p.At) {
		}
		_, _ = b.Wake()
	}
	return p
}

func TestNoAllocations(t *testing.T) {
	b := New(testOptions)
	p := media.Packet{Payload: payload(20*ms, false)}
	if n := testing.AllocsPerRun(100, func() { p = feed(b, p, 100) }); n != 0 {
		t.Errorf("%v allocations in 100 packets", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	b.ReportAllocs()
	feed(New(testOptions), media.Packet{Payload: payload(20*ms, false)}, b.N)
}
