package jitter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"parley/media"
)

const ms = time.Millisecond

// The payloads of these tests: the length in units of 2.5 ms, whether the packet before is in it too, filling.
func payload(d time.Duration, fec bool) []byte {
	p := []byte{byte(d / grid), 0, 0, 0}
	if fec {
		p[1] = 1
	}
	return p
}

var testOptions = Options{
	Duration: func(p []byte) (time.Duration, error) {
		if p[0] == 0 {
			return 0, errors.New("no packet")
		}
		return time.Duration(p[0]) * grid, nil
	},
	HasFEC: func(p []byte) bool { return len(p) > 1 && p[1] == 1 },
}

// script is packets in the order of their arrival. Its steps change what was written before.
type script struct {
	in   []media.Packet
	d    time.Duration // of one packet
	at   time.Duration // when the next is sent, and arrives
	seq  uint16
	time uint32
	fec  bool
}

func begin(d time.Duration) *script {
	return &script{d: d, at: 1000 * ms, seq: 1000, time: 1<<32 - 48000}
}

func units(d time.Duration) uint32 { return uint32(int64(d) * 48 / int64(ms)) }

// send adds n packets, one each d.
func (s *script) send(n int) *script {
	for range n {
		s.in = append(s.in, media.Packet{At: s.at, Seq: s.seq, Time: s.time, SSRC: 7, Payload: payload(s.d, s.fec)})
		s.seq++
		s.time += units(s.d)
		s.at += s.d
	}
	return s
}

// lose leaves n packets out.
func (s *script) lose(n int) *script {
	l := len(s.in)
	s.send(n)
	s.in = s.in[:l]
	return s
}

// pause announces a pause and makes it: time goes on, numbers do not.
func (s *script) pause(d time.Duration) *script {
	s.send(1)
	s.last(0).Payload = payload(s.d, false)[:1]
	return s.still(d)
}

// still is time without packets, which the RTP clock knows.
func (s *script) still(d time.Duration) *script {
	s.at += d
	s.time += units(d)
	return s
}

func (s *script) last(n int) *media.Packet { return &s.in[len(s.in)-1-n] }

// stall delays the last n packets until now.
func (s *script) stall(n int) *script {
	for i := range n {
		s.last(i).At = s.at - s.d
	}
	return s
}

// again lets the packet n before the last arrive once more, now.
func (s *script) again(n int) *script {
	p := *s.last(n)
	p.At = s.last(0).At
	s.in = append(s.in, p)
	return s
}

// late delays the packet n before the last until after the last.
func (s *script) late(n int) *script {
	i := len(s.in) - 1 - n
	p := s.in[i]
	p.At = s.last(0).At
	s.in = append(append(s.in[:i], s.in[i+1:]...), p)
	return s
}

func (s *script) jump(d time.Duration) *script { s.time += units(d); return s }
func (s *script) number(n int) *script         { s.seq += uint16(n); return s }

// played is an item and when it came out.
type played struct {
	Item
	out time.Duration
}

// run plays packets as their reader would: at each arrival and at each Wake, until end.
func run(t rapid.TB, in []media.Packet, end time.Duration) ([]played, *Buffer) {
	t.Helper()
	b := New(testOptions)
	var out []played
	pop := func(now time.Duration) {
		for it, ok := b.Pop(now); ok; it, ok = b.Pop(now) {
			if n := len(out); n > 0 && it.At != out[n-1].At+out[n-1].Duration {
				t.Fatalf("%v after %v+%v", it.At, out[n-1].At, out[n-1].Duration)
			}
			if it.Duration <= 0 || it.Duration%grid != 0 {
				t.Fatalf("%v at %v lasts %v", it.Kind, it.At, it.Duration)
			}
			out = append(out, played{it, now})
		}
		if w, ok := b.Wake(); ok && w <= now {
			t.Fatalf("nothing to pop at %v, but wakes at %v", now, w)
		}
	}
	wake := func(until time.Duration) {
		for w, ok := b.Wake(); ok && w <= until; w, ok = b.Wake() {
			pop(w)
		}
	}
	for _, p := range in {
		wake(p.At - 1) // what comes in the same moment comes first
		b.Push(p.At, p)
		pop(p.At)
	}
	wake(end)
	return out, b
}

// story tells the items in words: equal kinds in a row are one. P play, f from FEC, c concealed, s silence in place of
// sound, _ pause.
func story(items []played) string {
	var s strings.Builder
	var kind byte
	var sum time.Duration
	flush := func() {
		if sum > 0 {
			fmt.Fprintf(&s, " %c%d", kind, sum.Milliseconds())
		}
	}
	for _, it := range items {
		k := byte('P')
		switch {
		case it.Kind == Conceal && it.Next != nil:
			k = 'f'
		case it.Kind == Conceal:
			k = 'c'
		case it.Kind == Silence && it.Lost:
			k = 's'
		case it.Kind == Silence:
			k = '_'
		}
		if k != kind {
			flush()
			kind, sum = k, 0
		}
		sum += it.Duration
	}
	flush()
	return strings.TrimSpace(s.String())
}

func (s Stats) String() string {
	var b strings.Builder
	for _, f := range []struct {
		name string
		n    uint64
	}{
		{"lost", s.Lost}, {"late", s.Late}, {"dup", s.Duplicated}, {"over", s.Overflowed},
		{"ignored", s.Ignored}, {"recovered", s.Recovered}, {"restarts", s.Restarts},
	} {
		if f.n > 0 {
			fmt.Fprintf(&b, " %s %d", f.name, f.n)
		}
	}
	return strings.TrimSpace(b.String())
}
