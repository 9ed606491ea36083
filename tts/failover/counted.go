package failover

import (
	"context"
	"iter"
	"sync/atomic"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// lost is the key of a context.
type lost struct{}

// losing is ctx for a call that is lost if so: nobody heard it.
func losing(ctx context.Context, so func() bool) context.Context {
	return context.WithValue(ctx, lost{}, so)
}

// counted is a voice that tells at the end of each call how many characters it was given.
func counted(name string, v tts.Voice) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			var n atomic.Int64 // the voice may read in a goroutine of its own
			defer func() {
				if n.Load() == 0 {
					return
				}
				u := provider.Usage{Characters: int(n.Load())}
				if so, ok := ctx.Value(lost{}).(func() bool); ok {
					u.Lost = so()
				}
				provider.Tell(ctx, provider.Note{Stage: "tts", Provider: name, Used: &u})
			}()
			v.Speak(ctx, func(ctx context.Context) iter.Seq[string] {
				return func(yield func(string) bool) {
					for p := range text(ctx) {
						n.Add(int64(utf8.RuneCountInString(p)))
						if !yield(p) {
							return
						}
					}
				}
			})(yield)
		}
	})
}
