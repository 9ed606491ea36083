package chain

import (
	"context"
	"iter"
	"sync"
)

// Text is a caller's phrases as several readers see them: they are opened once, read no sooner than somebody wants the
// next one, and kept until they are forgotten. The zero value is ready. Safe for concurrent use.
type Text struct {
	mu      sync.Mutex
	phrases []string
	first   int // number of phrases[0]
	wanted  int // how many were asked for
	ended   bool
	news    chan struct{} // closed at the next change; nil: nobody waits for it
}

// Read reads the phrases of in until their end or that of ctx.
func (t *Text) Read(ctx context.Context, in func(context.Context) iter.Seq[string]) {
	more := func() bool { return t.wanted > t.last() }
	if !t.await(ctx, more) {
		return
	}
	for p := range in(ctx) {
		t.change(func() { t.phrases = append(t.phrases, p) })
		if !t.await(ctx, more) {
			return
		}
	}
	if ctx.Err() == nil {
		t.change(func() { t.ended = true })
	}
}

// Next is the i-th phrase, counted from 0, for which it waits. False: there is none, or ctx has ended.
func (t *Text) Next(ctx context.Context, i int) (string, bool) {
	t.change(func() { t.wanted = max(t.wanted, i+1) })
	if !t.await(ctx, func() bool { return t.ended || i < t.last() }) {
		return "", false
	}
	return t.At(i)
}

// At is the i-th phrase, if it was read and not forgotten.
func (t *Text) At(i int) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i < t.first || i >= t.last() {
		return "", false
	}
	return t.phrases[i-t.first], true
}

// Over is whether it is known that there is no i-th phrase.
func (t *Text) Over(i int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended && i >= t.last()
}

// Forget lets go of the phrases before the i-th.
func (t *Text) Forget(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := min(i, t.last()) - t.first; n > 0 {
		t.phrases, t.first = t.phrases[n:], t.first+n
	}
}

// last is the number behind the last phrase. t.mu is held.
func (t *Text) last() int { return t.first + len(t.phrases) }

// change makes a change and wakes all who wait for one.
func (t *Text) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// await waits until ok, which is asked under t.mu; false when ctx ended before.
func (t *Text) await(ctx context.Context, ok func() bool) bool {
	for {
		t.mu.Lock()
		done := ok()
		if !done && t.news == nil {
			t.news = make(chan struct{})
		}
		news := t.news
		t.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}
