package tts

import (
	"context"
	"iter"
	"testing"

	"parley/media"
)

func TestVoiceFunc(t *testing.T) {
	var v Voice = VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[Audio, error] {
		return func(yield func(Audio, error) bool) {
			for s := range text(ctx) {
				if !yield(Audio{Words: []Word{{Text: s}}}, nil) {
					return
				}
			}
		}
	})
	var got string
	for a := range v.Speak(t.Context(), media.Of("a", "b")) {
		got += a.Words[0].Text
	}
	if got != "ab" {
		t.Errorf("got %q", got)
	}
}
