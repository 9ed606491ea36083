package aws

import (
	"time"

	"parley/media"
)

// tape is the audio that a new stream would have to hear again, and its place on the input's timeline. Its
// samples are counted from the beginning of the call.
type tape struct {
	rate  int
	pcm   []int16
	first int64 // number of pcm[0]
	marks []mark
	lost  int64 // samples that left it before they were answered for: there was no room
}

// mark says when a sample was spoken; those behind it follow, up to the next mark.
type mark struct {
	sample int64
	at     time.Duration
}

// longest is what the tape holds at most; then the oldest goes.
const longest = 30 * time.Second

func (t *tape) end() int64 { return t.first + int64(len(t.pcm)) }

// count is how many samples last as long as d.
func (t *tape) count(d time.Duration) int64 { return int64(d * time.Duration(t.rate) / time.Second) }

// add appends a frame of the input.
func (t *tape) add(at time.Duration, pcm []int16) {
	if n := len(t.marks); n == 0 || (t.at(t.end())-at).Abs() > time.Millisecond {
		t.marks = append(t.marks, mark{t.end(), at})
	}
	t.pcm = append(t.pcm, pcm...)
	t.bound()
}

// fill appends silence that is not in the input.
func (t *tape) fill(n int64) {
	t.pcm = append(t.pcm, make([]int16, n)...)
	t.bound()
}

func (t *tape) bound() {
	if over := int64(len(t.pcm)) - t.count(longest); over > 0 {
		t.lost += t.forget(t.first + over + t.count(time.Second))
	}
}

// at is when a sample was spoken. It never goes back.
func (t *tape) at(sample int64) time.Duration {
	for i := len(t.marks) - 1; i >= 0; i-- {
		m := t.marks[i]
		if m.sample > sample && i > 0 {
			continue
		}
		at := m.at + media.Samples(int(max(0, sample-m.sample)), t.rate)
		if i+1 < len(t.marks) {
			at = min(at, max(m.at, t.marks[i+1].at))
		}
		return at
	}
	return 0
}

// forget lets go of what lies before a sample and returns how many samples that were.
func (t *tape) forget(sample int64) int64 {
	n := min(max(0, sample-t.first), int64(len(t.pcm)))
	t.pcm = append(t.pcm[:0], t.pcm[n:]...)
	t.first += n
	for len(t.marks) > 1 && t.marks[1].sample <= t.first {
		t.marks = t.marks[1:]
	}
	return n
}

// chunk is the audio from a sample on; empty if the tape does not reach so far.
func (t *tape) chunk(from int64, n int) []int16 {
	i := max(0, from-t.first)
	if i >= int64(len(t.pcm)) {
		return nil
	}
	return t.pcm[i:min(i+int64(n), int64(len(t.pcm)))]
}
