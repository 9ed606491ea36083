package tts

import (
	"context"
	"iter"

	"parley/media"
)

// Through is v with all it speaks filtered: each call of Speak begins a filter anew. Words go with the next frame that
// the filter yields. It is the seam for whatever changes the agent's sound; [media.Through] is that for the caller's.
func Through(v Voice, f media.Filter) Voice {
	return VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[Audio, error] {
		return func(yield func(Audio, error) bool) {
			var words []Word
			var failure error
			spoken := func(give func(media.Frame) bool) {
				for a, err := range v.Speak(ctx, text) {
					if err != nil {
						failure = err
						return
					}
					words = append(words, a.Words...)
					if !give(a.Frame) {
						return
					}
				}
			}
			for frame := range f(spoken) {
				a := Audio{Frame: frame, Words: words}
				words = nil
				if !yield(a, nil) {
					return
				}
			}
			if failure != nil {
				yield(Audio{}, failure)
			}
		}
	})
}
