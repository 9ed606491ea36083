package record

import (
	"sync"
	"time"
)

const (
	bufferMost = 4 << 20  // bytes that wait for the disk, of each file
	blobsMost  = 16 << 20 // bytes of blobs that wait for the disk
)

// queue holds the entries of one file that the disk has not taken yet, as they will lie in the next chunk. When it is
// full the newest are lost, counted, and told of by a Gap as soon as there is room.
type queue struct {
	most time.Duration // that its entries may span

	// Of the Writer, whose mutex guards them: nothing is put while it is paused, nor what is older than the last resumption.
	paused  bool
	resumed time.Duration

	mu    sync.Mutex
	raw   []byte
	code  coder
	first time.Duration
	holes [kinds]hole
	lost  uint64
	shut  bool // nothing is taken any more
}

// hole is what was lost of one kind.
type hole struct {
	n        uint64
	from, to time.Duration
	why      string
}

const whyFull = "the disk did not keep up"

// put takes an entry. It copies what it keeps.
func (q *queue) put(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(q.raw) + len(e.Raw) + len(e.Packet.Payload) + len(e.Name)
	switch {
	case q.shut:
		q.lost++
	case len(e.Raw) > lineMost:
		q.lose(e, "an entry was too long")
	case size > bufferMost || len(q.raw) > 0 && e.Now-q.first > q.most:
		q.lose(e, whyFull)
	default:
		q.tell()
		q.add(e)
	}
}

func (q *queue) add(e *Entry) {
	if len(q.raw) == 0 {
		q.first = e.Now
	}
	q.raw = q.code.append(q.raw, e)
}

func (q *queue) lose(e *Entry, why string) {
	q.lost++
	if int(e.Kind) >= len(q.holes) {
		return
	}
	h := &q.holes[e.Kind]
	if h.n == 0 {
		h.from, h.why = e.Now, why
	}
	h.n++
	h.to = e.Now
}

// drop counts an entry that could not even be offered.
func (q *queue) drop(e *Entry, why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(e, why)
}

// tell writes of every hole.
func (q *queue) tell() {
	for k := range q.holes {
		h := &q.holes[k]
		if h.n > 0 {
			q.add(&Entry{Kind: Gap, Of: Kind(k), Now: h.to, At: h.from, Count: h.n, Name: h.why})
			*h = hole{}
		}
	}
}

// take moves what waits to into, which may be nil. last: there will be no more.
func (q *queue) take(into []byte, last bool) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last {
		q.tell()
		q.shut = true
	}
	got := q.raw
	q.raw = into[:0]
	q.code = coder{body: q.code.body}
	return got
}

func (q *queue) dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}
