package streamtest

import (
	"context"
	"iter"
	"sync"
	"testing"
)

// Feed is an input that watches its reader.
type Feed[T any] struct {
	Items []T
	Hold  bool                                // after the items wait for the end of the reader's ctx
	Gate  func(ctx context.Context, next int) // is called before each item, if not nil
	Spoil func(T)                             // is called after each item, if not nil: overwrites its slices

	mu      sync.Mutex
	next    int
	opened  []context.Context
	readers int
	crowd   bool // there were two readers at once
}

// Source is the feed as an input.
func (f *Feed[T]) Source(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		f.enter(ctx)
		defer f.leave()
		for {
			i := f.place()
			if i == len(f.Items) {
				break
			}
			if f.Gate != nil {
				f.Gate(ctx, i)
			}
			if ctx.Err() != nil {
				return
			}
			f.took()
			more := yield(f.Items[i])
			if f.Spoil != nil {
				f.Spoil(f.Items[i])
			}
			if !more {
				return
			}
		}
		if f.Hold {
			<-ctx.Done()
		}
	}
}

func (f *Feed[T]) enter(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, ctx)
	f.readers++
	f.crowd = f.crowd || f.readers > 1
}

func (f *Feed[T]) leave() {
	f.mu.Lock()
	f.readers--
	f.mu.Unlock()
}

func (f *Feed[T]) place() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

func (f *Feed[T]) took() {
	f.mu.Lock()
	f.next++
	f.mu.Unlock()
}

// Opened is how many times the feed was opened.
func (f *Feed[T]) Opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.opened)
}

// After fails t if the stage, whose loop has ended, has not left the feed as rule 4 says.
func (f *Feed[T]) After(t testing.TB) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crowd {
		t.Error("the input was read by two goroutines at once")
	}
	if f.readers > 0 {
		t.Error("the loop has ended and the input is still being read")
	}
	for _, ctx := range f.opened {
		if ctx.Err() == nil {
			t.Error("the input was opened with a ctx that is not canceled when the loop has ended")
			return
		}
	}
}
