package provider

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Start begins one request to a provider under ctx and gives what comes of it.
type Start[T any] func(ctx context.Context) iter.Seq2[T, error]

// Race is first's stream, or second's when that counts sooner: second is started when first has given nothing that counts
// within wait, or fails before. As soon as one counts the other is canceled, and won gets its number, 0 or 1. When both
// fail, each error goes to lost, and the later one is the stream's. The contract of a stream function holds.
func Race[T any](ctx context.Context, wait time.Duration, first, second Start[T], counts func(T) bool, won func(int), lost func(int, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		r := race[T]{counts: counts, starts: [2]Start[T]{first, second}}
		defer r.join()
		i, ok := r.decide(ctx, wait, lost)
		if !ok {
			var none T
			yield(none, context.Cause(ctx))
			return
		}
		w := r.runners[i]
		if w.err == nil {
			won(i)
		}
		for _, v := range w.early {
			if !yield(v, nil) {
				return
			}
		}
		if w.err != nil {
			var none T
			yield(none, w.err)
			return
		}
		for it := range w.items {
			if !yield(it.v, it.err) || it.err != nil {
				return
			}
		}
		if ctx.Err() != nil { // its error may have been lost on the way
			var none T
			yield(none, context.Cause(ctx))
		}
	}
}

type item[T any] struct {
	v   T
	err error
}

// runner is one request of a race.
type runner[T any] struct {
	cancel context.CancelFunc
	items  chan item[T]
	early  []T   // what came before anything counted
	err    error // it failed before anything counted
	over   bool  // it ended so, well or not
}

type race[T any] struct {
	counts  func(T) bool
	starts  [2]Start[T]
	runners [2]*runner[T]
	wg      sync.WaitGroup
}

func (r *race[T]) start(ctx context.Context, i int) {
	own, cancel := context.WithCancel(ctx)
	w := &runner[T]{cancel: cancel, items: make(chan item[T])}
	r.runners[i] = w
	r.wg.Go(func() {
		defer close(w.items)
		for v, err := range r.starts[i](own) {
			select {
			case w.items <- item[T]{v, err}:
			case <-own.Done():
				return
			}
		}
	})
}

// decide is the number of the runner whose stream goes on. False: ctx ended before.
func (r *race[T]) decide(ctx context.Context, wait time.Duration, lost func(int, error)) (int, bool) {
	r.start(ctx, 0)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		var it item[T]
		var ok bool
		i := 0
		select {
		case it, ok = <-r.channel(0):
		case it, ok = <-r.channel(1):
			i = 1
		case <-timer.C:
			if r.runners[1] == nil {
				r.start(ctx, 1)
			}
			continue
		case <-ctx.Done():
			return 0, false
		}
		if r.took(i, it, ok) {
			if other := r.runners[1-i]; other != nil {
				other.cancel()
			}
			return i, true
		}
		if w := r.runners[i]; w.over {
			if w.err == nil { // an empty answer is an answer
				return i, true
			}
			lost(i, w.err)
			if r.runners[1] == nil {
				r.start(ctx, 1)
			} else if r.runners[1-i].over {
				return i, true
			}
		}
	}
}

// channel is what a runner gives; nil, which gives nothing, if it is not on its way.
func (r *race[T]) channel(i int) <-chan item[T] {
	if w := r.runners[i]; w != nil && !w.over {
		return w.items
	}
	return nil
}

// took keeps an item, and says whether it counts.
func (r *race[T]) took(i int, it item[T], ok bool) bool {
	w := r.runners[i]
	switch {
	case !ok:
		w.over = true
	case it.err != nil:
		w.over, w.err = true, it.err
	default:
		w.early = append(w.early, it.v)
		return r.counts(it.v)
	}
	return false
}

// join ends both.
func (r *race[T]) join() {
	for _, w := range r.runners {
		if w != nil {
			w.cancel()
		}
	}
	r.wg.Wait()
}
