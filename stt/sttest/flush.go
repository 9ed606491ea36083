package sttest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/stt"
)

// heard runs a call that ends by itself and returns its results; each is also given to see, if not nil.
func (o Options) heard(t testing.TB, f *streamtest.Feed[stt.Audio], see func(stt.Result)) []stt.Result {
	t.Helper()
	r := o.New(t)
	leaks := streamtest.Leaks(t, o.Release)
	kept := func(res stt.Result) stt.Result {
		if see != nil {
			see(res)
		}
		return keep(res)
	}
	c := streamtest.Call[stt.Result]{Stream: r.Recognize(context.Background(), f.Source), Input: f}
	out := streamtest.Loop(c, kept, 2*o.Patience, streamtest.All)
	out.Sound(t)
	if out.Err != nil {
		t.Fatalf("error %v", out.Err)
	}
	f.After(t)
	leaks()
	return out.Items
}

// flushes asks three times in one input, a third time for no samples at all, and gives no more audio
// until the Final is there.
func (o Options) flushes(t testing.TB) {
	first := o.utterance(base, true)
	again := still(last(first), quiet)
	again[len(again)-1].Flush = true
	gap := still(last(again), 2*time.Second)
	second := o.utterance(last(gap), true)
	bare := stt.Audio{Frame: media.Frame{At: last(second), Rate: media.ListenRate}, Flush: true}
	frames := slices.Concat(first, again, gap, second, []stt.Audio{bare})

	var mu sync.Mutex
	finals, asked := []stt.Result{}, []time.Duration{}
	came := make(chan struct{}, len(frames))
	f := o.feed(frames)
	pace := f.Gate
	late := false
	f.Gate = func(ctx context.Context, next int) {
		if pace != nil {
			pace(ctx, next)
		}
		if next == 0 || !frames[next-1].Flush {
			return
		}
		mu.Lock()
		asked = append(asked, frames[next-1].At)
		mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
		case <-time.After(o.Patience):
			mu.Lock()
			late = true
			mu.Unlock()
		}
	}
	items := o.heard(t, f, func(r stt.Result) {
		if r.Kind == stt.Final {
			mu.Lock()
			finals = append(finals, r)
			mu.Unlock()
			select {
			case came <- struct{}{}:
			default: // more than were asked for: sane says so
			}
		}
	})
	mu.Lock()
	defer mu.Unlock()
	asked = append(asked, bare.At)
	if late {
		t.Error("no Final came for a flush before the input went on")
	}
	if err := sane(items, 4, something); err != nil {
		t.Fatal(err)
	}
	for i, r := range finals {
		if r.End < asked[i] {
			t.Errorf("Final %d ends at %v, before its flush at %v", i, r.End, asked[i])
		}
	}
}

func last(frames []stt.Audio) time.Duration {
	f := frames[len(frames)-1]
	return f.At + f.Duration()
}

func (o Options) silence(t testing.TB) {
	frames := still(base, quiet)
	frames[len(frames)-1].Flush = true
	items := o.heard(t, o.feed(frames), nil)
	finals := 0
	for _, r := range items {
		if err := possible(r); err != nil {
			t.Error(err)
		}
		if r.Kind == stt.Final {
			finals++
		}
		if r.Text != "" {
			t.Errorf("text %q of silence", r.Text)
		}
	}
	if finals != 1 {
		t.Errorf("%d Finals for a flush in silence, want one without text", finals)
	}
}

// unflushed ends the input after speech: that means finish and flush.
func (o Options) unflushed(t testing.TB) {
	items := o.heard(t, o.feed(o.utterance(base, false)), nil)
	if err := sane(items, 1, o.Heard); err != nil {
		t.Error(err)
	}
}

func (o Options) empty(t testing.TB) {
	for _, r := range o.heard(t, o.feed(nil), nil) {
		if r.Text != "" {
			t.Errorf("text %q of nothing", r.Text)
		}
	}
}

func (o Options) broken(t testing.TB) {
	if o.Broken == nil {
		return
	}
	r := o.Broken(t)
	leaks := streamtest.Leaks(t, o.Release)
	f := o.feed(o.utterance(base, true))
	f.Hold = true
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := streamtest.Call[stt.Result]{Stream: r.Recognize(ctx, f.Source), Input: f}
	out := streamtest.Loop(c, keep, o.Patience, streamtest.All)
	out.Sound(t)
	if out.Err == nil || errors.Is(out.Err, context.Canceled) {
		t.Errorf("error %v of a provider that failed", out.Err)
	}
	f.After(t)
	leaks()
}
