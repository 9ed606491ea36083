package failover

import (
	"context"
	"iter"
	"testing"
	"time"

	"parley/media"
	"parley/tts"
	"parley/tts/tone"
)

// A voice that takes the text and ends well without a sound of it, or gives sound that nobody can play, is left for the next.
func TestUselessVoices(t *testing.T) {
	odd := tts.Audio{Frame: media.Frame{Rate: 12347, PCM: make([]int16, 7)}}
	for name, sound := range map[string][]tts.Audio{"no sound": nil, "a rate that no resampler takes": {odd}} {
		for _, o := range []Options{{}, {Hedge: time.Millisecond}} {
			t.Run(name, func(t *testing.T) {
				useless := tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
					return func(yield func(tts.Audio, error) bool) {
						for range text(ctx) {
						}
						for _, a := range sound {
							if !yield(a, nil) {
								return
							}
						}
					}
				})
				c, err := New(o, Link{Name: "A", Voice: useless}, Link{Name: "B", Voice: tone.Voice{}})
				if err != nil {
					t.Fatal(err)
				}
				samples := 0
				for a, err := range c.Speak(t.Context(), media.Of("Good morning.")) {
					if err != nil || a.Rate != media.SpeakRate {
						t.Errorf("%v at %d Hz", err, a.Rate)
					}
					samples += len(a.PCM)
				}
				if samples == 0 {
					t.Errorf("nothing is said, although B can speak")
				}
			})
		}
	}
}
