package rotate

import (
	"encoding/binary"
	"sync"
	"time"

	"parley/media"
)

// tape is the audio that a provider may have to be told again, and its place on the caller's timeline. A sample's
// place is the number of samples before it since the call began. Safe for concurrent use.
type tape struct {
	mu    sync.Mutex
	rate  int
	first int64  // place of the first sample that is kept
	pcm   []byte // s16le
	head  int    // of pcm, bytes that were forgotten
	marks []spot // in order
}

// spot says when a sample was spoken; those behind it follow, up to the next spot.
type spot struct {
	place int64
	at    time.Duration
}

// count is how many samples last as long as d.
func (t *tape) count(d time.Duration) int64 {
	rate := int64(t.rate)
	return int64(d/time.Second)*rate + (int64(d%time.Second)*rate+int64(time.Second)/2)/int64(time.Second)
}

// lasts is the reverse.
func (t *tape) lasts(n int64) time.Duration { return media.Samples(int(n), max(t.rate, 1)) }

// add appends a frame of the input.
func (t *tape) add(at time.Duration, pcm []int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end := t.last(); len(t.marks) == 0 || (t.when(end)-at).Abs() > time.Millisecond {
		t.marks = append(t.marks, spot{end, at})
	}
	for _, s := range pcm {
		t.pcm = binary.LittleEndian.AppendUint16(t.pcm, uint16(s))
	}
}

// fill appends n samples of silence that are not in the input.
func (t *tape) fill(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pcm = append(t.pcm, make([]byte, 2*n)...)
}

// last is the place behind the last sample. t.mu is held.
func (t *tape) last() int64 { return t.first + int64(len(t.pcm)-t.head)/2 }

// end is the place behind the last sample.
func (t *tape) end() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last()
}

// start is the place of the first sample that is kept.
func (t *tape) start() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.first
}

// at is when a sample was spoken. It never goes back.
func (t *tape) at(place int64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.when(place)
}

// when is at. t.mu is held.
func (t *tape) when(place int64) time.Duration {
	for i := len(t.marks) - 1; i >= 0; i-- {
		m := t.marks[i]
		if m.place > place && i > 0 {
			continue
		}
		at := m.at + t.lasts(max(0, place-m.place))
		if i+1 < len(t.marks) {
			at = min(at, max(m.at, t.marks[i+1].at))
		}
		return at
	}
	return 0
}

// forget drops what lies before a place.
func (t *tape) forget(before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(before, t.last()) - t.first
	if n <= 0 {
		return
	}
	t.first += n
	t.head += int(2 * n)
	if t.head > len(t.pcm)/2 {
		t.pcm = t.pcm[:copy(t.pcm, t.pcm[t.head:])]
		t.head = 0
	}
	for len(t.marks) > 1 && t.marks[1].place <= t.first {
		t.marks = t.marks[1:]
	}
}

// read copies up to len(buf) bytes from a place on, or from the first that is kept, and tells the place
// behind them.
func (t *tape) read(from int64, buf []byte) (n int, next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from = max(from, t.first)
	if from >= t.last() {
		return 0, from
	}
	n = copy(buf[:len(buf)&^1], t.pcm[t.head+int(2*(from-t.first)):])
	return n, from + int64(n/2)
}
