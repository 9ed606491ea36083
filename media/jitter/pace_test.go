package jitter

import (
	"testing"
	"time"
)

func TestDrift(t *testing.T) {
	for _, ppm := range []int{-500, 500} {
		s := begin(20 * ms).send(30000)
		for i := range s.in {
			s.in[i].At = s.in[0].At + time.Duration(i)*(20*ms+20*ms*time.Duration(ppm)/1e6)
		}
		items, b := run(t, s.in, s.last(0).At)
		if got := story(items); got != "P600000" {
			t.Errorf("%d ppm: %s", ppm, got)
		}
		for _, it := range items {
			if it.out != it.Packet.At {
				t.Fatalf("%d ppm: packet of %v held to %v", ppm, it.Packet.At, it.out)
			}
		}
		if d := b.Stats().Depth; d != minDepth {
			t.Errorf("%d ppm: depth %v", ppm, d)
		}
		// What comes next is still expected at the right time.
		w, _ := b.Wake()
		if wait := w - s.last(0).At; (wait - 20*ms - patience).Abs() > 5*ms {
			t.Errorf("%d ppm: a stall is noticed after %v", ppm, wait)
		}
	}
}

func TestDepthGrowsAndShrinks(t *testing.T) {
	s := begin(20 * ms).send(100).send(7).late(6).send(3)
	_, b := run(t, s.in, s.last(0).At)
	if d := b.Stats().Depth; d != 120*ms+headroom {
		t.Errorf("depth %v after a packet overtaken by 120 ms", d)
	}
	s.send(1000 / 20).lose(1).send(1)
	items, _ := run(t, s.in, s.last(0).At+200*ms)
	if last := items[len(items)-1]; last.out-last.Packet.At != 110*ms { // 20 ms of its wait are over when it arrives
		t.Errorf("after a loss, held for %v", last.out-last.Packet.At)
	}
	s.send(1000 / 20)
	_, b = run(t, s.in, s.last(0).At)
	if d := b.Stats().Depth; d != minDepth {
		t.Errorf("depth %v after 2 s", d)
	}
	s = begin(20 * ms).send(100).send(15).stall(15).lose(1).send(100)
	_, b = run(t, s.in, s.last(0).At)
	if d := b.Stats().Depth; d != minDepth {
		t.Errorf("depth %v after a burst in order", d)
	}
	// A path that reorders by up to 45 ms loses one packet, not more.
	s = begin(20 * ms)
	for range 20 {
		s.send(10)
		s.last(5).At += 45 * ms
	}
	sorted(s)
	_, b = run(t, s.in, s.last(0).At)
	if st := b.Stats(); st.Late > 1 {
		t.Errorf("stats of a path that reorders: %v", st)
	}
}

// After a pause the wait for speech follows the spread of what came before.
func TestPauseOnARoughLine(t *testing.T) {
	s := begin(20 * ms).send(100)
	for i := range s.in {
		s.in[i].At = max(s.in[i].At+time.Duration(i%5)*15*ms, s.in[max(i, 1)-1].At)
	}
	s.pause(300 * ms).send(10)
	n := len(s.in) - 10
	for i := range 10 {
		s.in[n+i].At += 100 * ms
	}
	items, b := run(t, s.in, s.last(0).At)
	if st := b.Stats(); st.Late != 0 || items[len(items)-1].Skip != 0 {
		t.Errorf("speech lost after a pause: %v, %s", st, story(items))
	}
}

// sorted puts packets in the order of arrival.
func sorted(s *script) {
	for i := range s.in {
		for j := i; j > 0 && s.in[j].At < s.in[j-1].At; j-- {
			s.in[j], s.in[j-1] = s.in[j-1], s.in[j]
		}
	}
}

// A route that becomes 400 ms longer costs what a stall costs and 200 ms more, once.
func TestLongerRoute(t *testing.T) {
	for _, d := range []time.Duration{20 * ms, 120 * ms} {
		s := begin(d).send(int(2 * time.Second / d))
		n := len(s.in)
		s.send(int(10 * time.Second / d))
		for i := range s.in[n:] {
			s.in[n+i].At += 400 * ms
		}
		items, b := run(t, s.in, s.last(0).At)
		var gone time.Duration
		for _, it := range items {
			if it.Kind != Play {
				gone += it.Duration
			} else if it.out != it.Packet.At {
				t.Fatalf("packet %d held", it.Packet.Seq)
			}
		}
		if gone > 800*ms {
			t.Errorf("%v: %v gone: %s", d, gone, story(items))
		}
		last := items[len(items)-1]
		if lag := s.last(0).At + d - last.At - last.Duration; lag.Abs() > d {
			t.Errorf("%v: timeline is %v behind", d, lag)
		}
		if st := b.Stats(); st.Restarts != 1 {
			t.Errorf("%v: stats %v", d, st)
		}
	}
}

// A shorter route is followed at once.
func TestShorterRoute(t *testing.T) {
	s := begin(20 * ms).send(100)
	for i := range s.in {
		s.in[i].At += 150 * ms
	}
	s.send(100)
	for i := range s.in[100:] { // what would overtake arrives with what is overtaken
		s.in[100+i].At = max(s.in[100+i].At, s.in[99].At)
	}
	items, b := run(t, s.in, s.last(0).At)
	if got := story(items); got != "P4000" || b.Stats().Depth != minDepth {
		t.Errorf("%s, stats %v", got, b.Stats())
	}
}
