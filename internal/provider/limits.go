package provider

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Limits are how long a stage waits for its provider. They do not run while its consumer holds the loop.
// Zero is no limit.
type Limits struct {
	Connect time.Duration // to reach it
	First   time.Duration // from the request to the first item
	Gap     time.Duration // from one item to the next
	Total   time.Duration // all waiting of a call together
}

// Or returns l with d's values where l has zero.
func (l Limits) Or(d Limits) Limits {
	or := func(a, b time.Duration) time.Duration {
		if a == 0 {
			return b
		}
		return a
	}
	return Limits{or(l.Connect, d.Connect), or(l.First, d.First), or(l.Gap, d.Gap), or(l.Total, d.Total)}
}

// Timeout is the error of a limit that was reached. It is ErrUnavailable.
type Timeout struct {
	What  string // what was awaited
	After time.Duration
}

// Error says what did not come, and in which time.
func (t *Timeout) Error() string {
	return fmt.Sprintf("%v: no %s within %v", ErrUnavailable, t.What, t.After)
}

// Unwrap is ErrUnavailable.
func (t *Timeout) Unwrap() error { return ErrUnavailable }

// Watch ends the ctx of one call to a provider when it has waited too long; the ctx's cause is then a
// [*Timeout]. Not safe for concurrent use.
type Watch struct {
	cancel context.CancelCauseFunc
	total  time.Duration

	mu    sync.Mutex
	timer *time.Timer // one for all waits; nil before the first that has a limit
	late  Timeout     // of this wait
	due   time.Time   // when it comes to it; zero: never
	spent time.Duration
	since time.Time // the beginning of this wait; zero while resting
}

// NewWatch returns the ctx for a call and its watch, at rest. All waits together may last total; zero is
// no limit. Stop must be called.
func NewWatch(ctx context.Context, total time.Duration) (context.Context, *Watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &Watch{cancel: cancel, total: total}
}

// Await begins to wait for what, for at most d (zero is no limit). A wait that was begun before ends.
func (w *Watch) Await(what string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest()
	w.since = time.Now()
	w.late = Timeout{What: what, After: d}
	if left := w.total - w.spent; w.total > 0 && (d == 0 || left < d) {
		w.late, d = Timeout{What: "end of the answer", After: w.total}, max(left, 1)
	}
	if d <= 0 {
		return
	}
	w.due = w.since.Add(d)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.expire)
		return
	}
	w.timer.Reset(d)
}

// expire may come from a wait that is over: then this one is not due.
func (w *Watch) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.due.IsZero() && !time.Now().Before(w.due) {
		late := w.late
		w.cancel(&late)
	}
}

// Rest ends the wait: the provider has delivered.
func (w *Watch) Rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest()
}

func (w *Watch) rest() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if !w.since.IsZero() {
		w.spent += time.Since(w.since)
		w.since, w.due = time.Time{}, time.Time{}
	}
}

// Stop ends the wait and the ctx. It may be called more than once.
func (w *Watch) Stop() {
	w.Rest()
	w.cancel(nil)
}
