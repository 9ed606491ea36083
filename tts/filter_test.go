package tts_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"parley/media"
	"parley/tts"
	"parley/tts/tone"
	"parley/tts/ttstest"
)

// softer halves the loudness of what passes.
func softer(in iter.Seq[media.Frame]) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		for f := range in {
			for i := range f.PCM {
				f.PCM[i] /= 2
			}
			if !yield(f) {
				return
			}
		}
	}
}

// A filter takes frames and gives frames. This one makes the agent speak at half its loudness.
func ExampleThrough() {
	loud, soft := tts.Voice(tone.Voice{}), tts.Through(tone.Voice{}, softer)
	for _, v := range []tts.Voice{loud, soft} {
		peak := int16(0)
		for a, err := range v.Speak(context.Background(), media.Of("Hello.")) {
			if err != nil {
				fmt.Println(err)
				return
			}
			for _, s := range a.PCM {
				peak = max(peak, s)
			}
		}
		fmt.Println(peak/1000, "thousand")
	}
	// Output:
	// 11 thousand
	// 5 thousand
}

func TestFilteredVoiceIsAVoice(t *testing.T) {
	ttstest.Run(t, ttstest.Options{New: func(testing.TB) tts.Voice { return tts.Through(tone.Voice{}, softer) }})
}

func TestFilterKeepsWordsAndErrors(t *testing.T) {
	broken := errors.New("broken")
	v := tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			for i := range 4 {
				if !yield(tts.Audio{Frame: media.Frame{Rate: 8000, PCM: []int16{int16(i)}}, Words: []tts.Word{{Text: fmt.Sprint(i)}}}, nil) {
					return
				}
			}
			yield(tts.Audio{}, broken)
		}
	})
	// every second frame is swallowed
	half := func(in iter.Seq[media.Frame]) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			for f := range in {
				if f.PCM[0]%2 == 1 && !yield(f) {
					return
				}
			}
		}
	}
	said, last := "", error(nil)
	for a, err := range tts.Through(v, half).Speak(t.Context(), nil) {
		for _, w := range a.Words {
			said += w.Text
		}
		said += "."
		last = err
	}
	if said != "01.23.." || last != broken {
		t.Errorf("said %q, ended with %v", said, last)
	}
}
