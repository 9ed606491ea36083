package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// story runs f in a bubble with a watch of the given total, and returns the cause of its ctx afterward.
func story(t *testing.T, total time.Duration, f func(ctx context.Context, w *Watch)) (cause error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, w := NewWatch(t.Context(), total)
		f(ctx, w)
		synctest.Wait()
		cause = context.Cause(ctx)
		w.Stop()
		w.Stop()
		if ctx.Err() == nil {
			t.Error("Stop did not end the ctx")
		}
	})
	return cause
}

func TestWatch(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name  string
		total time.Duration
		f     func(ctx context.Context, w *Watch)
		want  string // the cause; "" for none
	}{
		{"nothing is awaited", 0, func(context.Context, *Watch) { time.Sleep(100 * s) }, ""},
		{"in time", 0, func(_ context.Context, w *Watch) {
			w.Await("token", s)
			time.Sleep(s - 1)
			w.Rest()
			time.Sleep(100 * s)
		}, ""},
		{"too late", 0, func(_ context.Context, w *Watch) { w.Await("token", s); time.Sleep(s + 1) }, "unavailable: no token within 1s"},
		{"no limit", 0, func(_ context.Context, w *Watch) { w.Await("token", 0); time.Sleep(100 * s) }, ""},
		{"a new wait ends the old", 0, func(_ context.Context, w *Watch) {
			w.Await("token", s)
			time.Sleep(s - 1)
			w.Await("token", s)
			time.Sleep(s - 1)
		}, ""},
		{"the total counts waiting only", 3 * s, func(_ context.Context, w *Watch) {
			for range 2 {
				w.Await("token", 2*s)
				time.Sleep(s)
				w.Rest()
				time.Sleep(100 * s)
			}
		}, ""},
		{"the total is reached", 3 * s, func(_ context.Context, w *Watch) {
			for range 4 {
				w.Await("token", 2*s)
				time.Sleep(s - 1)
				w.Rest()
			}
		}, "unavailable: no end of the answer within 3s"},
		{"the total alone", 3 * s, func(_ context.Context, w *Watch) { w.Await("token", 0); time.Sleep(3*s + 1) }, "unavailable: no end of the answer within 3s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := story(t, tt.total, tt.f)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("cause %v", err)
			case tt.want != "" && (err == nil || err.Error() != tt.want || !errors.Is(err, ErrUnavailable)):
				t.Errorf("cause %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWatchKeepsTheCallersCause(t *testing.T) {
	gone := errors.New("hung up")
	ctx, cancel := context.WithCancelCause(context.Background())
	ctx, w := NewWatch(ctx, 0)
	defer w.Stop()
	w.Await("token", time.Hour)
	cancel(gone)
	if err := context.Cause(ctx); err != gone {
		t.Errorf("cause %v", err)
	}
}

func TestOr(t *testing.T) {
	got := Limits{First: 1, Total: 2}.Or(Limits{Connect: 3, First: 4, Gap: 5, Total: 6})
	if want := (Limits{Connect: 3, First: 1, Gap: 5, Total: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
