// Package streamtest holds the checks that the conformance suites of all three kinds of stream function
// share: sttest, llmtest and ttstest. The rules are in package stt.
package streamtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The rules' times.
const (
	median = 50 * time.Millisecond  // the end of ctx ends the loop, in the median of rounds
	hard   = 500 * time.Millisecond // and never later than this
	rounds = 20
)

var errGone = errors.New("the caller has hung up")

// Check is one named test of a suite.
type Check struct {
	Name string
	Run  func(t testing.TB)
}

// Run runs the checks as subtests of t.
func Run(t *testing.T, checks []Check) {
	for _, c := range checks {
		t.Run(c.Name, func(t *testing.T) { c.Run(t) })
	}
}

// Call is one call of a stream function, not begun, and its input, if it has one.
type Call[T any] struct {
	Stream iter.Seq2[T, error]
	Input  Watched
}

// Watched is an input that knows whether it was opened and how it was left: a [Feed].
type Watched interface {
	Opened() int
	After(t testing.TB)
}

// Subject is a stream function as the shared checks see it.
type Subject[T any] struct {
	// New makes what is tested, once a check; the function it returns begins calls on one shared value
	// with an ordinary input.
	New func(t testing.TB) func(ctx context.Context) Call[T]
	// Whole says what is wrong with the items of a call that ended without an error.
	Whole func(items []T) error
	// Held says that the input waits for ever after its items, so that no call ends by itself.
	Held bool
	// Keep copies an item that has slices; nil when a plain copy will do.
	Keep func(T) T
	// Release frees what calls rightly share, such as idle connections; nil if nothing.
	Release func()
	// Patience is how long a call may take.
	Patience time.Duration
}

// Outcome is how a loop went.
type Outcome[T any] struct {
	Items []T
	Err   error
	Late  int    // items after the error
	Panic string // what the loop panicked with
	Hung  bool   // it did not end in time
	End   time.Time
}

// Loop ranges over the call until visit, which is told the number of items so far, returns false. It
// gives up after patience and then leaves the loop behind.
func Loop[T any](c Call[T], keep func(T) T, patience time.Duration, visit func(n int) bool) Outcome[T] {
	done := make(chan Outcome[T], 1)
	go func() {
		var o Outcome[T]
		defer func() {
			if p := recover(); p != nil {
				o.Panic = fmt.Sprint(p)
			}
			o.End = time.Now()
			done <- o
		}()
		for v, err := range c.Stream {
			switch {
			case o.Err != nil:
				o.Late++
			case err != nil:
				o.Err = err
			default:
				if keep != nil {
					v = keep(v)
				}
				o.Items = append(o.Items, v)
				if !visit(len(o.Items)) {
					return
				}
			}
		}
	}()
	select {
	case o := <-done:
		return o
	case <-time.After(patience):
		return Outcome[T]{Hung: true}
	}
}

// All is a visit that stays to the end.
func All(int) bool { return true }

// Sound fails t for what no loop may do.
func (o Outcome[T]) Sound(t testing.TB) {
	t.Helper()
	if o.Hung {
		t.Fatalf("the loop did not end in time")
	}
	if o.Panic != "" {
		t.Fatalf("the loop panicked: %s", o.Panic)
	}
	if o.Late > 0 {
		t.Errorf("%d items came after the error %q, which must be the last", o.Late, o.Err)
	}
}

// Leaks fails t, when called, for goroutines that were started since it was made and are still there.
func Leaks(t testing.TB, release func()) (check func()) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	return func() {
		t.Helper()
		if release != nil {
			release()
		}
		if err := goleak.Find(before); err != nil {
			t.Errorf("goroutines left behind: %v", err)
		}
	}
}

// Checks are the checks that every kind of stream function shares.
func (s Subject[T]) Checks() []Check {
	return []Check{
		{"nothing before the loop", s.lazy},
		{"whole answer", s.whole},
		{"leave at every yield", s.leave},
		{"cancel at every yield", s.cancelAtYield},
		{"cancel while it waits", s.cancelWaiting},
		{"canceled before the loop", s.canceledBefore},
		{"concurrent calls", s.concurrent},
	}
}

func (s Subject[T]) after(t testing.TB, c Call[T]) {
	t.Helper()
	if c.Input != nil {
		c.Input.After(t)
	}
}

func (s Subject[T]) lazy(t testing.TB) {
	open := s.New(t)
	leaks := Leaks(t, s.Release)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := open(ctx)
	time.Sleep(20 * time.Millisecond)
	if c.Input != nil && c.Input.Opened() > 0 {
		t.Error("the input was opened before the loop")
	}
	leaks()
}

// whole runs a call to its end. A held call has no end of its own: there only its items are counted, by
// the other checks.
func (s Subject[T]) whole(t testing.TB) {
	if s.Held {
		return
	}
	open := s.New(t)
	leaks := Leaks(t, s.Release)
	c := open(context.Background())
	o := Loop(c, s.Keep, s.Patience, All)
	o.Sound(t)
	if o.Err != nil {
		t.Fatalf("error %v", o.Err)
	}
	if err := s.Whole(o.Items); err != nil {
		t.Error(err)
	}
	s.after(t, c)
	leaks()
}

// count is how many items a call has: of a held one, how many come before it waits.
func (s Subject[T]) count(t testing.TB, open func(context.Context) Call[T]) int {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	n, last := 0, time.Now()
	if s.Held {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for { // until nothing has come for a while
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				mu.Lock()
				quiet := n > 0 && time.Since(last) > 300*time.Millisecond
				mu.Unlock()
				if quiet {
					cancel()
					return
				}
			}
		}()
	}
	o := Loop(open(ctx), s.Keep, s.Patience, func(i int) bool {
		mu.Lock()
		n, last = i, time.Now()
		mu.Unlock()
		return true
	})
	o.Sound(t)
	if len(o.Items) == 0 {
		t.Fatalf("no items came (error %v)", o.Err)
	}
	return len(o.Items)
}

// points are up to rounds places among n items, the first and the last among them.
func points(n int) (at []int) {
	for i := range min(n, rounds) {
		at = append(at, 1+i*(n-1)/max(min(n, rounds)-1, 1))
	}
	return at
}

func (s Subject[T]) leave(t testing.TB) {
	open := s.New(t)
	n := s.count(t, open)
	leaks := Leaks(t, s.Release)
	for _, k := range points(n) {
		var left time.Time
		c := open(context.Background())
		o := Loop(c, s.Keep, s.Patience, func(i int) bool {
			left = time.Now()
			return i < k
		})
		o.Sound(t)
		if d := o.End.Sub(left); len(o.Items) == k && d > hard {
			t.Errorf("left at item %d: the loop ended only after %v", k, d)
		}
		s.after(t, c)
	}
	leaks()
}

func (s Subject[T]) cancelAtYield(t testing.TB) {
	open := s.New(t)
	at := points(s.count(t, open))
	leaks := Leaks(t, s.Release)
	var times []time.Duration
	for i := range rounds {
		k := at[i%len(at)]
		ctx, cancel := context.WithCancelCause(context.Background())
		var canceled time.Time
		c := open(ctx)
		o := Loop(c, s.Keep, s.Patience, func(n int) bool {
			if n == k {
				canceled = time.Now()
				cancel(errGone)
			}
			return true
		})
		cancel(nil)
		o.Sound(t)
		if canceled.IsZero() {
			continue // fewer items than before
		}
		times = append(times, o.End.Sub(canceled))
		s.causeIs(t, o, fmt.Sprintf("canceled at item %d", k))
		s.after(t, c)
	}
	quick(t, times)
	leaks()
}

// causeIs accepts, beside the cause, a whole answer: it was there before the end of ctx.
func (s Subject[T]) causeIs(t testing.TB, o Outcome[T], when string) {
	t.Helper()
	if o.Err == nil && !s.Held && s.Whole(o.Items) == nil {
		return
	}
	if !errors.Is(o.Err, errGone) {
		t.Errorf("%s: error %v, want the cause %q", when, o.Err, errGone)
	}
}

func quick(t testing.TB, times []time.Duration) {
	t.Helper()
	if len(times) == 0 {
		t.Fatal("no call lived long enough to be canceled")
	}
	slices.Sort(times)
	if m := times[len(times)/2]; m > median {
		t.Errorf("the end of ctx ended the loop in %v (median of %d), want at most %v", m, len(times), median)
	}
	if m := times[len(times)-1]; m > hard {
		t.Errorf("the end of ctx ended the loop in %v at worst, want at most %v", m, hard)
	}
}

// cancelWaiting cancels from outside, at times spread over a call.
func (s Subject[T]) cancelWaiting(t testing.TB) {
	open := s.New(t)
	leaks := Leaks(t, s.Release)
	var times []time.Duration
	for i := range rounds {
		ctx, cancel := context.WithCancelCause(context.Background())
		canceled := make(chan time.Time, 1)
		timer := time.AfterFunc(time.Duration(i)*5*time.Millisecond, func() {
			canceled <- time.Now()
			cancel(errGone)
		})
		c := open(ctx)
		o := Loop(c, s.Keep, s.Patience, All)
		o.Sound(t)
		if timer.Stop() {
			cancel(nil)
			continue // it ended before
		}
		times = append(times, max(o.End.Sub(<-canceled), 0))
		s.causeIs(t, o, "canceled from outside")
		s.after(t, c)
	}
	if len(times) > 0 {
		quick(t, times)
	}
	leaks()
}

func (s Subject[T]) canceledBefore(t testing.TB) {
	open := s.New(t)
	leaks := Leaks(t, s.Release)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errGone)
	begun := time.Now()
	o := Loop(open(ctx), s.Keep, s.Patience, All)
	o.Sound(t)
	if !errors.Is(o.Err, errGone) {
		t.Errorf("error %v, want the cause %q", o.Err, errGone)
	}
	if d := o.End.Sub(begun); d > hard {
		t.Errorf("a loop under a canceled ctx took %v", d)
	}
	leaks()
}

func (s Subject[T]) concurrent(t testing.TB) {
	if s.Held {
		return
	}
	open := s.New(t)
	leaks := Leaks(t, s.Release)
	var wg sync.WaitGroup
	outcomes := make([]Outcome[T], 4)
	for i := range outcomes {
		c := open(context.Background())
		wg.Go(func() { outcomes[i] = Loop(c, s.Keep, 2*s.Patience, All) })
	}
	wg.Wait()
	for _, o := range outcomes {
		o.Sound(t)
		if o.Err != nil {
			t.Errorf("one of four calls at once failed: %v", o.Err)
		} else if err := s.Whole(o.Items); err != nil {
			t.Errorf("one of four calls at once: %v", err)
		}
	}
	leaks()
}
