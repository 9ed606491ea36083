package failover

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/stt"
)

// What a tape holds at most. When it is full the oldest is lost if it was heard and no Flush waits for its Final; else the
// input waits.
const (
	longest    = 30 * time.Second
	mostFrames = 6000
	lead       = time.Second // of silence that nobody has flushed are kept, for a voice may begin in it
	tail       = 5           // frames right behind a Flush whose voice is taken for the end of what was flushed: a detector stays on a little longer
)

// tape is the audio since the last Final, and what is owed for it. The recognizer under way reads it in one goroutine, the
// input is put on it by another, and results are noted by a third. Frames are numbered from 0.
type tape struct {
	mu     sync.Mutex
	ring   ring
	first  int  // number of the first frame that is kept
	read   int  // number of the next one for the recognizer
	ended  bool // the input
	length time.Duration
	voiced int   // frames with a voice
	asked  []int // numbers of those with a Flush that was not answered
	spent  int   // number of the last frame whose voice may be the end of what was flushed
	tails  []int // numbers of those frames: they are not among voiced
	lost   int   // frames with a voice that were lost

	clock clock
	idle  func() bool   // is called while nothing is owed; true: it has ended the attempt
	news  chan struct{} // there is more to read
	room  chan struct{} // there may be room
}

func newTape(first time.Duration) *tape {
	return &tape{clock: clock{limit: first}, news: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// begin begins an attempt, which hears all of the tape.
func (t *tape) begin(watch *provider.Watch, idle func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read, t.idle = t.first, idle
	t.clock.begin(watch, t.length)
	t.clock.run(t.owed())
	signal(t.news)
}

// stop ends the attempt.
func (t *tape) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock.begin(nil, 0)
	t.idle = nil
}

// owed is what the recognizer owes: a Final, or at least to read on, or to come to an end; empty: nothing. t.mu is held.
func (t *tape) owed() string {
	switch {
	case len(t.asked) > 0:
		return "Final for a Flush"
	case t.full() && t.first == t.read:
		return "reading of the audio"
	case t.ended:
		return "end of the text"
	}
	return ""
}

func (t *tape) full() bool { return t.length >= longest || t.ring.n >= mostFrames }

// put adds a copy of a frame. False: ctx ended before there was room.
func (t *tape) put(ctx context.Context, a stt.Audio) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.full() && !t.shorten() {
		t.clock.run(t.owed())
		t.mu.Unlock()
		select {
		case <-t.room:
		case <-ctx.Done():
		}
		t.mu.Lock()
		if ctx.Err() != nil {
			return false
		}
	}
	t.ring.push(a)
	t.length += a.Duration()
	n := t.first + t.ring.n - 1
	switch {
	case !a.Voice && !a.Flush:
		t.spent = 0
	case a.Voice && n <= t.spent:
		t.tails = append(t.tails, n)
	case a.Voice:
		t.voiced++
	}
	if a.Flush {
		t.asked = append(t.asked, n)
		t.spent = n + tail
	}
	t.rest()
	t.clock.run(t.owed())
	signal(t.news)
	return true
}

// shorten makes room by the loss of the oldest frame, if that may be lost. t.mu is held.
func (t *tape) shorten() bool {
	if len(t.asked) > 0 || t.first == t.read {
		return false
	}
	if t.ring.at(0).Voice {
		t.lost++
	}
	t.drop()
	return true
}

// rest is called when something has changed: while there is nothing to be recognized only the last second is kept, and the
// attempt may end. t.mu is held.
func (t *tape) rest() {
	for t.voiced == 0 && len(t.asked) == 0 && t.length > lead && t.first < t.read {
		t.drop()
	}
	if t.voiced == 0 && len(t.asked) == 0 && t.idle != nil && t.idle() {
		t.idle = nil
	}
}

// drop lets go of the first frame. t.mu is held.
func (t *tape) drop() {
	a := t.ring.at(0)
	t.length -= a.Duration()
	switch {
	case len(t.tails) > 0 && t.tails[0] == t.first:
		t.tails = append(t.tails[:0], t.tails[1:]...)
	case a.Voice:
		t.voiced--
	}
	t.ring.drop()
	t.first++
	signal(t.room)
}

// end is told that the input has ended.
func (t *tape) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.clock.run(t.owed())
	signal(t.news)
}

// over is whether the recognizer was told of the input's end and owes nothing.
func (t *tape) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended && t.read == t.first+t.ring.n && len(t.asked) == 0
}

// next copies the next frame into pcm, for which it waits; false at the end of the input or of ctx.
func (t *tape) next(ctx context.Context, pcm []int16) (stt.Audio, bool) {
	for ctx.Err() == nil {
		t.mu.Lock()
		if t.read < t.first+t.ring.n {
			a := *t.ring.at(t.read - t.first)
			a.PCM = append(pcm[:0], a.PCM...)
			if len(t.asked) == 0 || t.read <= t.asked[0] {
				t.clock.again() // it goes on
			}
			t.read++
			t.rest()
			signal(t.room)
			t.clock.run(t.owed())
			t.mu.Unlock()
			return a, true
		}
		ended := t.ended
		t.mu.Unlock()
		if ended {
			signal(t.news) // also whoever reads after this
			return stt.Audio{}, false
		}
		select {
		case <-t.news:
		case <-ctx.Done():
		}
	}
	return stt.Audio{}, false
}

// final takes note of a Final and says whether it answers a Flush: the oldest one, if that was heard.
func (t *tape) final(end time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.asked) > 0 && t.asked[0] < t.read && t.ring.at(t.asked[0]-t.first).At <= end {
		n := t.asked[0]
		t.asked = append(t.asked[:0], t.asked[1:]...)
		for t.first <= n {
			t.drop()
		}
		t.clock.caughtUp()
		t.clock.run(t.owed())
		return true
	}
	for t.first < t.read && (len(t.asked) == 0 || t.first < t.asked[0]) { // one that nobody asked for
		if a := t.ring.at(0); a.At+a.Duration() > end {
			break
		}
		t.drop()
	}
	return false
}

// hold is told when the consumer takes the loop and when it gives it back.
func (t *tape) hold(held bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clock.held = held
	t.rest()
	t.clock.run(t.owed())
}

// report logs what was lost.
func (t *tape) report(log *slog.Logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost > 0 {
		log.Warn("speech without a Final was longer than what is kept: had the recognizer failed, it would have been lost", "frames", t.lost)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
