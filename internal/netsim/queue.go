package netsim

import (
	"container/heap"
	"sync"
	"time"
)

// maxQueue bounds the datagrams on their way, of all clients: a second of 40 calls both ways. The newest are
// dropped, and counted.
const maxQueue = 4096

// queue holds datagrams until their time. Those of one time leave in the order they came.
type queue struct {
	wake chan struct{} // room for one: the earliest may have changed

	mu     sync.Mutex
	due    byTime
	serial uint64
	ended  bool
}

// letter is a datagram on its way.
type letter struct {
	at     time.Time
	serial uint64
	send   func() // called by the queue's goroutine
}

// add is false when there is no room.
func (q *queue) add(at time.Time, send func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.due) >= maxQueue {
		return false
	}
	heap.Push(&q.due, letter{at, q.serial, send})
	q.serial++
	q.poke()
	return true
}

// end makes run send what it holds at once, and return.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.poke()
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next takes the earliest if it is due, else says how long to wait.
func (q *queue) next(now time.Time) (send func(), wait time.Duration, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.due) == 0:
		return nil, time.Hour, q.ended
	}
	if wait := q.due[0].at.Sub(now); wait > 0 && !q.ended {
		return nil, wait, false
	}
	return heap.Pop(&q.due).(letter).send, 0, false
}

// run sends until the end.
func (q *queue) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		send, wait, ended := q.next(time.Now())
		if ended {
			return
		}
		if send != nil {
			send()
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.wake:
		}
	}
}

// byTime is a heap.
type byTime []letter

func (b byTime) Len() int { return len(b) }
func (b byTime) Less(i, j int) bool {
	if b[i].at.Equal(b[j].at) {
		return b[i].serial < b[j].serial
	}
	return b[i].at.Before(b[j].at)
}
func (b byTime) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b *byTime) Push(v any)   { *b = append(*b, v.(letter)) }
func (b *byTime) Pop() any {
	v := (*b)[len(*b)-1]
	(*b)[len(*b)-1] = letter{}
	*b = (*b)[:len(*b)-1]
	return v
}
