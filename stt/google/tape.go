package google

import (
	"encoding/binary"
	"sync"
)

// tape is the audio that a provider may have to be told again, with its place on the caller's timeline:
// a sample's place is the number of samples before it. Safe for concurrent use.
type tape struct {
	mu   sync.Mutex
	base int64  // place of the first sample
	pcm  []byte // s16le
	head int    // of pcm, bytes that were forgotten
}

// put adds samples at a place; what lies between the end and there is silence.
func (t *tape) put(at int64, pcm []int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == len(t.pcm) && at > t.last() {
		t.base, t.head, t.pcm = at, 0, t.pcm[:0]
	}
	for t.last() < at {
		t.pcm = append(t.pcm, 0, 0)
	}
	for _, s := range pcm {
		t.pcm = binary.LittleEndian.AppendUint16(t.pcm, uint16(s))
	}
}

// last is the place behind the last sample. t.mu is held.
func (t *tape) last() int64 { return t.base + int64(len(t.pcm)-t.head)/2 }

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
	return t.base
}

// forget drops what lies before a place.
func (t *tape) forget(before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(before, t.last()) - t.base
	if n <= 0 {
		return
	}
	t.base += n
	t.head += int(2 * n)
	if t.head > len(t.pcm)/2 {
		t.pcm = t.pcm[:copy(t.pcm, t.pcm[t.head:])]
		t.head = 0
	}
}

// read copies up to len(buf) bytes from a place on, or from the first that is kept, and tells the place
// behind them.
func (t *tape) read(from int64, buf []byte) (n int, next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from = max(from, t.base)
	if from >= t.last() {
		return 0, from
	}
	n = copy(buf[:len(buf)&^1], t.pcm[t.head+int(2*(from-t.base)):])
	return n, from + int64(n/2)
}
