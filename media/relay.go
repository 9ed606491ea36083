package media

import (
	"context"
	"iter"
	"sync"
)

// Policy says which item a full tap loses.
type Policy uint8

// The policies of a full tap.
const (
	DropNewest Policy = iota // keep what is queued: for recorders, which then know one hole
	DropOldest               // keep up with the source: for listeners
)

// Relay copies a stream to any number of taps. The zero value is ready. Send never blocks: a tap that
// falls behind loses items and counts them. Safe for concurrent use; items are shared between taps and
// must not be changed.
type Relay[T any] struct {
	mu     sync.Mutex
	taps   []*Tap[T]
	n      uint64 // items sent
	closed bool
	idle   chan struct{} // closed when the last tap has left
	idled  bool
}

// Tap is one reader's place in a Relay.
type Tap[T any] struct {
	relay *Relay[T]
	full  Policy
	wake  chan struct{} // has room for one: an item or the end is there

	mu      sync.Mutex
	ring    []numbered[T]
	head, n int
	dropped uint64
	ended   bool
}

type numbered[T any] struct {
	seq uint64
	v   T
}

// Send gives v to every tap.
func (r *Relay[T]) Send(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for _, t := range r.taps {
		t.put(numbered[T]{r.n, v})
	}
	r.n++
}

// Tap joins now and holds up to depth items that its reader has not taken yet. A tap of a closed relay
// is at its end. It panics if depth is not positive.
func (r *Relay[T]) Tap(depth int, full Policy) *Tap[T] {
	if depth <= 0 {
		panic("media: a tap needs a positive depth")
	}
	t := &Tap[T]{relay: r, full: full, wake: make(chan struct{}, 1), ring: make([]numbered[T], depth)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		t.end()
		return t
	}
	r.taps = append(r.taps, t)
	return t
}

// Idle is closed when the last tap has left, or when the relay is closed: a source that was made for its
// taps stops then. A relay that never had a tap is not idle.
func (r *Relay[T]) Idle() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idleLocked()
}

func (r *Relay[T]) idleLocked() chan struct{} {
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	return r.idle
}

func (r *Relay[T]) rest() {
	if !r.idled {
		r.idled = true
		close(r.idleLocked())
	}
}

// Close ends every loop after the items it still holds. It may be called more than once.
func (r *Relay[T]) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, t := range r.taps {
		t.end()
	}
	r.taps = nil
	r.rest()
}

func (r *Relay[T]) leave(t *Tap[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, o := range r.taps {
		if o == t {
			r.taps = append(r.taps[:i], r.taps[i+1:]...)
			if len(r.taps) == 0 {
				r.rest()
			}
			return
		}
	}
}

func (t *Tap[T]) put(v numbered[T]) {
	t.mu.Lock()
	switch {
	case t.n < len(t.ring):
		t.ring[(t.head+t.n)%len(t.ring)] = v
		t.n++
	case t.full == DropOldest:
		t.ring[t.head] = v
		t.head = (t.head + 1) % len(t.ring)
		t.dropped++
	default:
		t.dropped++
	}
	t.mu.Unlock()
	t.signal()
}

func (t *Tap[T]) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.signal()
}

func (t *Tap[T]) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Tap[T]) take() (v numbered[T], ok, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		return v, false, t.ended
	}
	v = t.ring[t.head]
	t.ring[t.head] = numbered[T]{} // let the item go
	t.head = (t.head + 1) % len(t.ring)
	t.n--
	return v, true, false
}

// All yields the items and their numbers, counted from the relay's first: a jump is what was dropped,
// and where. It ends when the relay is closed and nothing is left, or when ctx is done. Leaving the loop
// leaves the relay.
func (t *Tap[T]) All(ctx context.Context) iter.Seq2[uint64, T] {
	return func(yield func(uint64, T) bool) {
		defer t.Close()
		for {
			v, ok, ended := t.take()
			if ok {
				if !yield(v.seq, v.v) {
					return
				}
				continue
			}
			if ended {
				return
			}
			select {
			case <-t.wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Ready receives when an item may be waiting or the relay has ended; then call Next until it has none.
// It is for a reader that waits for other things too; use All otherwise.
func (t *Tap[T]) Ready() <-chan struct{} { return t.wake }

// Next takes an item without waiting. open is false once the relay is closed and nothing is left.
func (t *Tap[T]) Next() (v T, ok, open bool) {
	n, ok, ended := t.take()
	return n.v, ok, !ended
}

// Poll takes an item and its number (see All) without waiting. It is for a reader that comes by from time to time.
func (t *Tap[T]) Poll() (n uint64, v T, ok bool) {
	i, ok, _ := t.take()
	return i.seq, i.v, ok
}

// Dropped is how many items this tap has lost.
func (t *Tap[T]) Dropped() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped
}

// Close leaves the relay and drops what is queued. A loop over All ends. It may be called more than
// once.
func (t *Tap[T]) Close() {
	t.relay.leave(t)
	t.mu.Lock()
	t.n, t.ended = 0, true
	clear(t.ring)
	t.mu.Unlock()
	t.signal()
}
