package line

import (
	"time"

	"parley/media"
)

const (
	fineBits = 9
	fine     = 1 << fineBits         // parts of a sample: of so many samples one is made more or less
	slack    = 12 * time.Millisecond // more than half a frame, or a correction would call for its opposite
	still    = 128                   // −48 dBFS: below, a cut is not heard
)

// slew keeps a stream of samples on the session clock. It lets them pass as they are until the stream is off by more than half a
// frame, then makes one frame more or less of them: at once where it is still, else by reading them a little slower or
// faster, 0.2 % for ten seconds. Whole frames, because after one the packets end where frames do, and no sample waits
// for the packet after its own.
type slew struct {
	frame  int     // samples
	buf    []int16 // the samples around the place of the next
	at     int     // that place, in buf
	part   int     // and in parts of a sample after it
	left   int     // steps to be made, one for each sample that comes out
	step   int     // +1: one part forward, samples become fewer; −1: back
	zero   []int16 // a frame of silence
	out    []int16
	behind time.Duration
}

func newSlew(frame int) slew {
	return slew{
		frame: frame,
		buf:   make([]int16, 1, 2*frame), at: 1, // silence goes before
		zero: make([]int16, frame),
		out:  make([]int16, 0, 2*frame),
	}
}

// steer is told before each piece how far behind the session clock the stream is there, and takes corrections up.
// pending is how many samples wait for the rest of their frame.
func (s *slew) steer(p *piece, behind time.Duration, pending int) {
	s.behind = behind
	off := behind.Abs() >= slack
	switch {
	case (off || s.left > 0) && p.still():
		s.left, s.part = 0, 0
		pending += len(s.buf) - s.at
		behind = min(max(behind, -time.Second), time.Second) // the rest another time
		more := int(behind * time.Duration(s.frame) / media.FrameDuration)
		whole := max(0, pending+p.n+more+s.frame/2) / s.frame * s.frame
		p.n = max(0, whole-pending)
	case off && s.left == 0:
		s.left, s.step = fine*s.frame, 1
		if behind > 0 {
			s.step = -1
		}
	}
}

// pass returns the samples for the next of p, a frame of them at most. They are valid until the next call.
func (s *slew) pass(p *piece) []int16 {
	n := min(p.n, s.frame)
	sound := min(n, len(p.pcm))
	s.buf = append(append(s.buf, p.pcm[:sound]...), s.zero[sound:n]...)
	p.pcm, p.n = p.pcm[sound:], p.n-n
	s.out = s.out[:0]
	for ; s.left > 0 && s.at+2 < len(s.buf); s.left-- {
		s.out = append(s.out, between([4]int16(s.buf[s.at-1:]), float32(s.part)/fine))
		s.part += s.step
		s.at += 1 + s.part>>fineBits
		s.part &= fine - 1
	}
	if s.left == 0 {
		s.out = append(s.out, s.buf[s.at:]...)
		s.at = len(s.buf)
	}
	used := s.at - 1
	s.buf = s.buf[:copy(s.buf, s.buf[used:])]
	s.at = 1
	return s.out
}

// between is the curve through the middle two of y, at t of the way from one to the other: a cubic with the slopes that
// Catmull and Rom give it.
func between(y [4]int16, t float32) int16 {
	a, b, c, d := float32(y[0]), float32(y[1]), float32(y[2]), float32(y[3])
	v := b + t/2*(c-a+t*(2*a-5*b+4*c-d+t*(3*(b-c)+d-a)))
	return int16(min(max(v, -1<<15), 1<<15-1))
}
