package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	down := fmt.Errorf("ask: %w", ErrUnavailable)
	for _, tt := range []struct {
		name string
		told []error // nil: it worked
		open bool
	}{
		{"new", nil, false},
		{"two in a row", []error{down, down}, false},
		{"three in a row", []error{down, ErrTruncated, ErrBadRequest}, true},
		{"not in a row", []error{down, down, nil, down, down}, false},
		{"refused once", []error{ErrAuth}, true},
		{"out of quota once", []error{&Error{Class: ErrQuota}}, true},
		{"and works", []error{ErrAuth, nil}, false},
	} {
		var b Breaker
		for _, err := range tt.told {
			if err == nil {
				b.Worked()
			} else {
				b.Failed(err)
			}
		}
		if b.Closed() == tt.open {
			t.Errorf("%s: closed is %v", tt.name, b.Closed())
		}
	}
}

// Probes come in growing pauses until one succeeds, and again when the breaker opens anew.
func TestTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Breaker
		began := time.Now()
		var at []time.Duration
		works := false
		var mu sync.Mutex
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.Tend(ctx, time.Second, func(ctx context.Context) error {
				mu.Lock()
				at = append(at, time.Since(began))
				fine := works
				mu.Unlock()
				if fine {
					return nil
				}
				<-ctx.Done() // it hangs
				return fmt.Errorf("probe: %w", ErrUnavailable)
			})
		}()
		time.Sleep(time.Minute)
		b.Failed(ErrAuth)
		time.Sleep(5 * time.Minute)
		mu.Lock()
		works = true
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if !b.Closed() {
			t.Error("a probe that worked has not closed it")
		}
		if len(at) < 6 {
			t.Fatalf("probed at %v", at)
		}
		var pauses []time.Duration
		for i, a := range at {
			before := time.Minute
			if i > 0 {
				before = at[i-1] + time.Second
			}
			pauses = append(pauses, a-before)
		}
		s := time.Second
		if want := []time.Duration{5 * s, 10 * s, 20 * s, 40 * s, 60 * s, 60 * s}; !slices.Equal(pauses[:6], want) {
			t.Errorf("paused %v, want %v", pauses, want)
		}
		n := len(at)
		b.Failed(&Error{Class: ErrQuota, RetryAfter: 90 * time.Second})
		from := time.Since(began)
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		mu.Lock()
		if len(at) != n+1 || at[n]-from != 90*time.Second || !b.Closed() {
			t.Errorf("asked to wait 90 s, probed at %v after %v", at[n:], from)
		}
		cancel()
		<-done
	})
}

func TestTendLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, open := range []bool{false, true} {
			var b Breaker
			if open {
				b.Failed(ErrAuth)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				b.Tend(ctx, time.Second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			}()
			time.Sleep(5500 * time.Millisecond)
			cancel()
			began := time.Now()
			<-done
			if time.Since(began) != 0 || b.Closed() == open {
				t.Errorf("open %v: left after %v, closed %v", open, time.Since(began), b.Closed())
			}
		}
	})
}

func TestNotes(t *testing.T) {
	Tell(t.Context(), Note{}) // nobody listens
	var inner, outer []string
	ctx := Noting(t.Context(), func(n Note) { outer = append(outer, n.Provider) })
	Tell(Noting(ctx, func(n Note) { inner = append(inner, n.Provider) }), Note{Provider: "a"})
	Tell(ctx, Note{Provider: "b"})
	if !slices.Equal(inner, []string{"a"}) || !slices.Equal(outer, []string{"a", "b"}) {
		t.Errorf("inner %q, outer %q", inner, outer)
	}
}

var errGone = errors.New("gone")
