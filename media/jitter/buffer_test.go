package jitter

import (
	"testing"
	"time"

	"parley/media"
)

func TestStories(t *testing.T) {
	const f = 20 * ms
	for _, c := range []struct {
		name   string
		script *script
		story  string
		stats  string
		held   time.Duration // the longest that a packet was held
	}{
		{"ordered", begin(f).send(500), "P10000", "", 0},
		{"a pair out of order", begin(f).send(10).late(1).send(10), "P160 c20 P220", "lost 1 late 1", 0},
		{"out of order by two", begin(f).send(5).send(3).late(2).send(10), "P100 c20 P240", "lost 1 late 1", 0},
		{"out of order by two, again", begin(f).send(5).send(3).late(2).send(5).send(3).late(2).send(10), "P100 c20 P400", "lost 1 late 1", 20 * ms},
		{"short packets out of order", begin(5 * ms).send(10).send(4).late(3).send(10), "P120", "", 15 * ms},
		{"duplicates", begin(f).send(10).again(0).again(3).send(10), "P400", "dup 2", 0},
		{"a duplicate in a hole", begin(5 * ms).send(10).lose(1).send(2).again(0).send(20), "P50 c5 P110", "lost 1 dup 1", 15 * ms},
		{"two lost, the second only overtaken", func() *script {
			s := begin(5 * ms).send(10).lose(1).send(3)
			s.last(2).At += 12 * ms // before its own time is up, after that of the first
			s.last(1).At, s.last(0).At = s.last(1).At, s.last(0).At
			s.send(20)
			sorted(s)
			return s
		}(), "P50 c5 P115", "lost 1", 15 * ms},
		{"too late", begin(f).send(10).send(6).late(5).send(10), "P200 c20 P300", "lost 1 late 1", 0},
		{"numbers wrap", begin(f).number(64000).send(1500), "P30000", "", 0},
		{"a hole over the wrap", begin(f).number(64533).send(2).lose(2).send(2), "P40 c40 P40", "lost 2", 0},
		{"numbers restart 60 behind", begin(f).send(250).number(-60).send(250), "P10000", "restarts 1", 20 * ms},
		{"numbers restart at 0", begin(f).send(250).number(-1250).send(250), "P10000", "restarts 1", 20 * ms},
		{"numbers from 2000 to 1", begin(f).number(751).send(250).number(-2000).send(250), "P10000", "restarts 1", 20 * ms},
		{"numbers and time restart", begin(f).send(250).number(-60).jump(-1200 * ms).send(250), "P5000 _60 P4940", "ignored 3 restarts 1", 20 * ms},
		{"numbers restart, time anywhere", begin(f).send(250).number(-60).jump(-10 * time.Hour).send(250), "P5000 _60 P4940", "ignored 3 restarts 1", 20 * ms},
		{"one number too high", begin(f).send(10).number(3000).jump(time.Minute).send(1).number(-3001).jump(-time.Minute).still(-f).send(10), "P400", "ignored 1", 0},
		{"numbers go up to 3000", begin(f).number(-1000).send(250).number(3000).send(250), "P10000", "lost 3000", 0},
		{"numbers and time go up", begin(f).send(250).number(3000).jump(time.Minute).send(250), "P10000", "restarts 1", 20 * ms},
		{"time jumps +60 s", begin(f).send(250).jump(time.Minute).send(250), "P10000", "restarts 1", 0},
		{"time jumps -60 s", begin(f).send(250).jump(-time.Minute).send(250), "P10000", "restarts 1", 0},
		{"time jumps -2 s", begin(f).send(250).jump(-2 * time.Second).send(250), "P10000", "restarts 1", 0},
		{"time stands for a packet", begin(f).send(250).jump(-f).send(250), "P10000", "restarts 1", 0},
		{"time jumps with a loss", begin(f).send(250).lose(1).jump(time.Minute).send(249), "P5000 _20 P4980", "restarts 1", 20 * ms},
		{"2 s lost", begin(f).send(250).lose(100).send(150), "P5000 c60 s1940 P3000", "lost 100", 0},
		{"2 s lost, FEC", fec(begin(f)).send(250).lose(100).send(150), "P5000 c60 s1920 f20 P3000", "lost 100 recovered 1", 0},
		{"a minute lost", begin(f).send(250).lose(3000).send(250), "P5000 c60 s59940 P5000", "lost 3000", 0},
		{"2 s pause", begin(f).send(250).pause(2 * time.Second).send(149), "P5020 _2000 P2980", "", 0},
		{"2 s pause, not announced", begin(f).send(250).still(2 * time.Second).send(150), "P5000 c60 s1740 _200 P3000", "", 0},
		{"short pause, not announced", begin(f).send(250).still(150 * ms).send(150), "P5000 _150 P3000", "", 0},
		{"pause with a packet each 400 ms", begin(f).send(50).pause(380 * ms).pause(380 * ms).pause(380 * ms).send(50), "P1020 _380 P20 _380 P20 _380 P1000", "", 0},
		{"pause with a frame each 400 ms", begin(f).send(50).pause(380 * ms).send(1).still(380 * ms).send(1).still(380 * ms).send(50), "P1020 _380 P20 _380 P20 _380 P1000", "", 0},
		{"stall after a pause", begin(f).send(50).pause(380 * ms).send(2).send(9).stall(9).send(50), "P1020 _380 P1220", "", 0},
		{"stall at the beginning of a marked spurt", mark(begin(f).send(50).pause(380 * ms).send(1)).send(9).stall(9).send(50), "P1020 _380 P1200", "", 0},
		{"speech after a pause lost", begin(f).send(50).pause(300 * ms).lose(1).send(50), "P1020 _320 P1000", "lost 1", 0},
		{"speech after a pause lost, FEC", fec(begin(f)).send(50).pause(300 * ms).lose(1).send(50), "P1020 _300 f20 P1000", "lost 1 recovered 1", 0},
		{"a loss", begin(f).send(250).lose(1).send(249), "P5000 c20 P4980", "lost 1", 0},
		{"a loss, FEC", fec(begin(f)).send(250).lose(1).send(249), "P5000 f20 P4980", "lost 1 recovered 1", 0},
		{"four lost", begin(f).send(250).lose(4).send(246), "P5000 c60 s20 P4920", "lost 4", 0},
		{"two losses, FEC", fec(begin(f)).send(250).lose(2).send(248), "P5000 c20 f20 P4960", "lost 2 recovered 1", 0},
		{"3 holes of 200 ms", begin(f).send(100).lose(10).send(100).lose(10).send(100).lose(10).send(170), "P2000 c60 s140 P2000 c60 s140 P2000 c60 s140 P3400", "lost 30", 0},
		{"60 ms packets", begin(60 * ms).send(100), "P6000", "", 0},
		{"60 ms packets, a loss", begin(60 * ms).send(50).lose(1).send(49), "P3000 c60 P2940", "lost 1", 0},
		{"120 ms packets", begin(120 * ms).send(50), "P6000", "", 0},
		{"120 ms packets, a loss", begin(120 * ms).send(25).lose(1).send(24), "P3000 c60 s60 P2880", "lost 1", 0},
		{"2.5 ms packets", begin(grid).send(2000), "P5000", "", 0},
		{"2.5 ms packets, a loss", begin(grid).send(200).lose(1).send(199), "P500 c2 P497", "lost 1", 20 * ms},
		{"5 ms packets, a loss", begin(5 * ms).send(100).lose(1).send(99), "P500 c5 P495", "lost 1", 15 * ms},
		{"10 ms packets, a loss", begin(10 * ms).send(100).lose(1).send(99), "P1000 c10 P990", "lost 1", 10 * ms},
		{"the first lost", begin(f).lose(3).send(100), "P2000", "", 0},
		{"the first two swapped", begin(f).send(2).late(1).send(10), "P220", "late 1", 0},
		{"stall of 180 ms", begin(f).send(100).send(10).stall(10).send(100), "P4200", "", 0},
		{"stall of 300 ms", begin(f).send(100).send(16).stall(16).send(100), "P2000 c60 s60 P2200", "late 6", 0},
		{"stall of 1 s", begin(f).send(100).send(51).stall(51).send(100), "P2000 c60 s760 P2200", "late 41", 0},
		{"stall of 300 ms with a loss in it", begin(f).send(100).send(12).lose(1).send(3).stall(15).send(100), "P2000 c60 s60 P120 c20 P2060", "lost 1 late 6", 0},
		{"stall of 60 ms packets", begin(60 * ms).send(50).send(6).stall(6).send(50), "P3000 c60 s60 P3240", "late 2", 0},
		{"packets without payload", blank(begin(f).send(50)).send(50), "P2000", "ignored 1", 0},
		{"overtaken by packets without payload", blank(blank(begin(f).send(50).send(1))).late(2).send(50), "P2020", "ignored 2", 0},
		{"again after packets without payload", blank(blank(begin(f).send(50))).again(2).again(4).send(50), "P2000", "dup 2 ignored 2", 0},
		{"a loss before packets without payload", blank(blank(begin(f).send(50).lose(1))).send(50), "P1000 c20 P1000", "lost 1 ignored 2", 0},
		{"a hole filled after packets without payload", blank(blank(begin(5 * ms).send(10).send(2).late(1))).send(50), "P310", "ignored 2", 5 * ms},
		{"packets of unknown length", unknown(begin(f).send(50).send(3), 3).send(50), "P2060", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := c.script.in
			items, b := run(t, in, in[len(in)-1].At)
			if got := story(items); got != c.story {
				t.Errorf("story %s\nwant  %s", got, c.story)
			}
			stats := b.Stats()
			if got := stats.String(); got != c.stats {
				t.Errorf("stats: %s; want: %s", got, c.stats)
			}
			for _, it := range items {
				if it.Kind == Play && it.out-it.Packet.At > c.held {
					t.Errorf("packet %d held for %v", it.Packet.Seq, it.out-it.Packet.At)
				}
			}
			last := items[len(items)-1]
			wall := in[len(in)-1].At + c.script.d - in[0].At
			if got := last.At + last.Duration - in[0].At; (got - wall).Abs() > f {
				t.Errorf("%v of wall clock gave %v", wall, got)
			}
			if n := stats.Played + stats.Late + stats.Duplicated + stats.Overflowed + stats.Ignored + uint64(b.Len()); n != stats.Received {
				t.Errorf("%d received, %d accounted for: %+v", stats.Received, n, stats)
			}
		})
	}
}

func fec(s *script) *script { s.fec = true; return s }

func mark(s *script) *script { s.last(0).Marker = true; return s }

func blank(s *script) *script {
	s.send(1).last(0).Payload = nil
	s.at -= s.d
	s.time -= units(s.d)
	return s
}

func unknown(s *script, n int) *script {
	for i := range n {
		s.last(i).Payload = make([]byte, 40)
	}
	return s
}

func TestSSRCChange(t *testing.T) {
	s := begin(20 * ms).send(100)
	s.number(9000).jump(time.Hour).send(100)
	for i := range s.in[100:] {
		s.in[100+i].SSRC = 8
	}
	items, b := run(t, s.in, s.last(0).At)
	if got := story(items); got != "P4000" || b.Stats().Restarts != 1 {
		t.Errorf("story %s, stats %v", got, b.Stats())
	}
	// A stray of a third stream changes nothing.
	stray := media.Packet{At: s.at, SSRC: 9, Payload: payload(20*ms, false)}
	b.Push(s.at, stray)
	b.Push(s.at, media.Packet{At: s.at, Seq: s.seq, Time: s.time, SSRC: 8, Payload: payload(20*ms, false)})
	if it, ok := b.Pop(s.at); !ok || it.Packet.SSRC != 8 || b.Stats().Ignored != 1 {
		t.Errorf("after a stray: %+v, %v", it, b.Stats())
	}
}

// Signals in place of sound: their numbers are not missing, and what is silent meanwhile is a pause.
func TestSignal(t *testing.T) {
	b := New(testOptions)
	b.Signal(0, media.Packet{Seq: 1}) // before any sound
	s := begin(20 * ms).send(50)
	var items []played
	pop := func(now time.Duration) {
		for it, ok := b.Pop(now); ok; it, ok = b.Pop(now) {
			items = append(items, played{it, now})
		}
	}
	for _, p := range s.in {
		b.Push(p.At, p)
		pop(p.At)
	}
	for i := range 40 { // 800 ms, and a tenth of them lost
		if s.seq++; i%10 == 5 {
			continue
		}
		at := s.at + time.Duration(i)*20*ms
		b.Signal(at, media.Packet{At: at, Seq: s.seq - 1, Time: s.time, SSRC: 7, Payload: []byte{1, 2, 3, 4}})
		pop(at)
	}
	b.Signal(s.at+800*ms, media.Packet{At: s.at, Seq: s.seq, SSRC: 9}) // of another
	n := len(s.in)
	for _, p := range s.still(800 * ms).send(50).in[n:] {
		b.Push(p.At, p)
		pop(p.At)
	}
	if got := story(items); got != "P1000 _800 P1000" {
		t.Errorf("story %s", got)
	}
	if st := b.Stats(); st.Lost != 4 || st.Ignored != 38 || st.Concealed+st.Silenced != 0 || st.Paused != 800*ms {
		t.Errorf("stats %+v", st)
	}
	if d := b.Delay(); d != 0 {
		t.Errorf("delay %v", d)
	}
}

func TestNothingComes(t *testing.T) {
	b := New(testOptions)
	for now := range time.Minute / time.Second {
		if it, ok := b.Pop(now * time.Second); ok {
			t.Fatalf("%+v from nothing", it)
		}
		if w, ok := b.Wake(); ok {
			t.Fatalf("wakes at %v for nothing", w)
		}
	}
	b.Push(time.Hour, media.Packet{At: time.Hour, Payload: payload(20*ms, false)})
	if it, ok := b.Pop(time.Hour); !ok || it.At != time.Hour {
		t.Errorf("first packet: %+v %v", it, ok)
	}
}

func TestWake(t *testing.T) {
	b := New(testOptions)
	s := begin(5 * ms).send(1).lose(1).send(1)
	for i, want := range []time.Duration{0, 5*ms + minDepth} { // at once; when the hole is given up
		b.Push(s.in[i].At, s.in[i])
		if w, ok := b.Wake(); !ok || w != s.in[0].At+want {
			t.Errorf("packet %d: wakes at %v, %v", i, w, ok)
		}
		b.Pop(s.in[i].At)
	}
}

func TestMisuse(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a buffer that knows no duration was made")
		}
	}()
	New(Options{})
}

func TestSingleLosses(t *testing.T) {
	s := begin(20 * ms)
	for range 10 {
		s.send(49).lose(1)
	}
	s.send(1)
	items, b := run(t, s.in, s.last(0).At)
	if st := b.Stats(); st.Lost != 10 || st.Concealed != 200*ms || st.Silenced != 0 {
		t.Errorf("stats %+v", st)
	}
	for _, it := range items {
		if it.Kind == Play && it.out != it.Packet.At {
			t.Fatalf("packet %d of %v came out at %v", it.Packet.Seq, it.Packet.At, it.out)
		}
	}
}

// A reader that stops after the last packet still has its clock moved, at most patience behind.
func TestTimeMovesOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		script *script
		lag    time.Duration
	}{
		{"in speech", begin(20 * ms).send(10), patience},
		{"in a pause", begin(20 * ms).send(10).pause(0), minDepth + margin},
	} {
		from := c.script.last(0).At
		items, _ := run(t, c.script.in, from+10*time.Second)
		last := items[len(items)-1]
		if lag := from + 10*time.Second - last.At - last.Duration; lag > c.lag {
			t.Errorf("%s: timeline is %v behind", c.name, lag)
		}
		for _, it := range items {
			if lag := it.out - it.At; lag > c.lag {
				t.Errorf("%s: %v of silence came at %v", c.name, it.At, it.out)
			}
		}
	}
}

// One who does not look for an hour gets that hour in pieces of a second.
func TestSleeper(t *testing.T) {
	b := New(testOptions)
	b.Push(0, media.Packet{Payload: payload(20*ms, false)})
	n := 0
	for _, ok := b.Pop(time.Hour); ok; _, ok = b.Pop(time.Hour) {
		n++
	}
	if n < 3600 || n > 3610 {
		t.Errorf("%d items", n)
	}
}

func TestBounded(t *testing.T) {
	s := begin(20 * ms).send(1).lose(1).send(1000)
	b := New(testOptions)
	for _, p := range s.in {
		p.At = s.in[0].At
		b.Push(p.At, p)
	}
	if b.Len() > capacity {
		t.Errorf("holds %d", b.Len())
	}
	items := 0
	for _, ok := b.Pop(s.in[0].At); ok; _, ok = b.Pop(s.in[0].At) {
		items++
	}
	if st := b.Stats(); st.Played != capacity || st.Overflowed != 1001-capacity {
		t.Errorf("%d items, stats %+v", items, st)
	}
}
