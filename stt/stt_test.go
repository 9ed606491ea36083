package stt

import (
	"context"
	"iter"
	"testing"

	"parley/media"
)

func TestKindString(t *testing.T) {
	for kind, want := range map[Kind]string{Onset: "onset", Partial: "partial", Final: "final", Endpoint: "endpoint", Endpoint + 1: "unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("%d is %q, want %q", kind, got, want)
		}
	}
}

func TestRecognizerFunc(t *testing.T) {
	var r Recognizer = RecognizerFunc(func(ctx context.Context, in media.Source[Audio]) iter.Seq2[Result, error] {
		return func(yield func(Result, error) bool) {
			for a := range in(ctx) {
				if !yield(Result{Kind: Final, End: a.At}, nil) {
					return
				}
			}
		}
	})
	n := 0
	for range r.Recognize(t.Context(), media.Of(Audio{}, Audio{})) {
		n++
	}
	if n != 2 {
		t.Errorf("%d results of 2 frames", n)
	}
}
