package provider

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// leg is one runner's part: when it gives its first item, when the next ones, and how it ends.
type leg struct {
	quiet int           // items that do not count, at once
	first time.Duration // of those that count
	n     int
	err   error
}

// runs counts runners that were started and are not over.
type runs struct{ begun, open atomic.Int32 }

func (l leg) start(name string, c *runs) Start[string] {
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			c.begun.Add(1)
			c.open.Add(1)
			defer c.open.Add(-1)
			for range l.quiet {
				if !yield("…", nil) {
					return
				}
			}
			select {
			case <-time.After(l.first):
			case <-ctx.Done():
				yield("", context.Cause(ctx))
				return
			}
			for i := range l.n {
				if !yield(fmt.Sprint(name, i), nil) {
					return
				}
			}
			if l.err != nil {
				yield("", l.err)
			}
		}
	}
}

func run(ctx context.Context, wait time.Duration, a, b leg) (got []string, won int, lost []int, open int32, err error) {
	won = -1
	var c runs
	for v, e := range Race(ctx, wait, a.start("a", &c), b.start("b", &c), func(s string) bool { return s != "…" },
		func(i int) { won = i }, func(i int, _ error) { lost = append(lost, i) }) {
		if err = e; e == nil {
			got = append(got, v)
		}
	}
	return got, won, lost, c.open.Load(), err
}

// Whoever wins gives all of its stream and nobody else anything; both have ended when the loop has.
func TestRace(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) leg {
			l := leg{rapid.IntRange(0, 2).Draw(r, name+" quiet"), time.Duration(rapid.IntRange(0, 20).Draw(r, name+" first")) * 100 * time.Millisecond,
				rapid.IntRange(0, 3).Draw(r, name+" items"), nil}
			if rapid.Bool().Draw(r, name+" fails") {
				l.err = errGone
			}
			return l
		}
		a, b, wait := draw("a"), draw("b"), 450*time.Millisecond
		var bad string
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			got, won, lost, open, err := run(t.Context(), wait, a, b)
			took := time.Since(began)
			want := func(l leg, name string) (all []string) {
				all = slices.Repeat([]string{"…"}, l.quiet)
				for i := range l.n {
					all = append(all, fmt.Sprint(name, i))
				}
				return all
			}
			bAt := wait + b.first // when b has something to say, or is over
			if a.n == 0 && a.err != nil && a.first < wait {
				bAt = a.first + b.first
			}
			winner, name, at := a, "a", a.first
			if aOut := a.n == 0 && a.err != nil; aOut && !(b.n == 0 && b.err != nil && bAt <= a.first) || bAt < a.first && !(b.n == 0 && b.err != nil) {
				winner, name, at = b, "b", bAt
			}
			if a.first == bAt {
				return // either may win
			}
			if aOut, bOut := a.n == 0 && a.err != nil, b.n == 0 && b.err != nil; aOut && bOut {
				if !errors.Is(err, errGone) || won != -1 || len(lost) != 2 {
					bad = fmt.Sprintf("both fail: %q, %v, won %d, lost %v", got, err, won, lost)
				}
				return
			}
			if !slices.Equal(got, want(winner, name)) || err != winner.err || took != at || won != map[string]int{"a": 0, "b": 1}[name] {
				bad = fmt.Sprintf("got %q, %v after %v, won %d, lost %v; want %s", got, err, took, won, lost, name)
			}
			if open != 0 {
				bad = fmt.Sprintf("%d are not over", open)
			}
		})
		if bad != "" {
			r.Fatal(bad)
		}
	})
}

func TestRaceIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errGone)
		defer cancel()
		_, won, _, open, err := run(ctx, 100*time.Millisecond, leg{first: time.Hour}, leg{first: time.Hour})
		if !errors.Is(err, errGone) || won != -1 || open != 0 {
			t.Errorf("%v, won %d, %d open", err, won, open)
		}
		var c runs
		for range Race(t.Context(), time.Second, leg{n: 3}.start("a", &c), leg{}.start("b", &c), func(string) bool { return true }, func(int) {}, func(int, error) {}) {
			break
		}
		if c.begun.Load() != 1 || c.open.Load() != 0 {
			t.Errorf("%d begun, %d open", c.begun.Load(), c.open.Load())
		}
	})
}
