package failover

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/script"
)

// A voice detector stays on a little longer than the voice: a frame behind the Flush that is marked, too, is nothing to wait for.
func TestBackAfterTheVoicesTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served, begun, last := "", time.Now(), time.Duration(0)
		named := func(name string, fails bool) Link {
			return Link{Name: name, Recognizer: stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
				served += name
				last = time.Since(begun)
				if fails && served == name {
					return func(yield func(stt.Result, error) bool) { yield(stt.Result{}, provider.ErrUnavailable) }
				}
				return script.New(script.Options{}).Recognize(ctx, in)
			})}
		}
		c, err := New(Options{}, named("A", true), named("B", false))
		if err != nil {
			t.Fatal(err)
		}
		in := func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for i := range 1000 { // 20 s: a second of voice, its Flush, and one more frame of it
					f := media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
					time.Sleep(media.FrameDuration)
					if !yield(stt.Audio{Frame: f, Voice: i < 50 || i == 53, Flush: i == 52}) {
						return
					}
				}
			}
		}
		for _, err := range c.Recognize(t.Context(), in) {
			if err != nil {
				t.Error(err)
			}
		}
		if served != "ABA" || last > 11*time.Second {
			t.Errorf("listened: %s, the last since %v; A may be asked after 10 s, and nobody has spoken since the second", served, last)
		}
	})
}
