package ttstest

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/tts"
	"parley/tts/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// changed is a good voice with its frames changed by f, which is told the frame's number.
func changed(f func(i int, a tts.Audio) tts.Audio) tts.VoiceFunc {
	return func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			i := 0
			for a, err := range (tone.Voice{}).Speak(ctx, text) {
				if err == nil {
					a = f(i, a)
				}
				i++
				if !yield(a, err) {
					return
				}
			}
		}
	}
}

// reading is a good voice whose phrases pass through f.
func reading(f func(in iter.Seq[string], yield func(string) bool)) tts.VoiceFunc {
	return func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return tone.Voice{}.Speak(ctx, func(ctx context.Context) iter.Seq[string] {
			return func(yield func(string) bool) { f(text(ctx), yield) }
		})
	}
}

// refusing is a good voice that fails at a phrase of which refuse says so.
func refusing(refuse func(phrase string) bool) tts.VoiceFunc {
	return func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			refused := false
			v := reading(func(in iter.Seq[string], yield func(string) bool) {
				for s := range in {
					if refused = refuse(s); refused || !yield(s) {
						return
					}
				}
			})
			for a, err := range v(ctx, text) {
				if !yield(a, err) || err != nil {
					return
				}
			}
			if refused {
				yield(tts.Audio{}, errors.New("cannot say that"))
			}
		}
	}
}

// fault is a voice that breaks one rule, the check that finds it and what that check says.
type fault struct {
	name, check, says string
	v                 tts.Voice
}

func faults() []fault {
	const whole = "whole answer"
	return []fault{
		{"changes its rate", whole, "one rate a call", changed(func(i int, a tts.Audio) tts.Audio {
			a.Rate -= i
			return a
		})},
		{"has no rate", whole, "one rate a call", changed(func(_ int, a tts.Audio) tts.Audio {
			a.Rate = 0
			return a
		})},
		{"stands still", whole, "and before it came", changed(func(_ int, a tts.Audio) tts.Audio {
			a.At = 0
			return a
		})},
		{"yields empty frames", whole, "no samples", changed(func(i int, a tts.Audio) tts.Audio {
			if i == 1 {
				a.PCM = nil
			}
			return a
		})},
		{"is silent", whole, "silence", changed(func(_ int, a tts.Audio) tts.Audio {
			a.PCM = make([]int16, len(a.PCM))
			return a
		})},
		{"places words beyond its speech", whole, `word "now"`, changed(func(_ int, a tts.Audio) tts.Audio {
			a.Words = []tts.Word{{Text: "now", Start: time.Hour, End: time.Hour}}
			return a
		})},
		{"says nothing", whole, "no audio", reading(func(iter.Seq[string], func(string) bool) {})},
		{"opens the input with the caller's ctx", "leave at every yield", "not canceled when the loop has ended",
			tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
				return tone.Voice{}.Speak(ctx, func(context.Context) iter.Seq[string] { return text(ctx) })
			})},
		{"waits for the next phrase", "a phrase is spoken before the next is given", "too little came",
			reading(func(in iter.Seq[string], yield func(string) bool) {
				held := ""
				for s := range in {
					if held != "" && !yield(held) {
						return
					}
					held = s
				}
				yield(held)
			})},
		{"fails at an empty phrase", "phrases with nothing to say", "cannot say that",
			refusing(func(s string) bool { return strings.TrimSpace(s) == "" })},
		{"fails at other scripts", "any script", "cannot say that",
			refusing(func(s string) bool { return strings.Contains(s, "日") })},
		{"does not notice its provider's end", "provider fails while the input is silent", "did not end in time",
			refusing(func(string) bool { return false })},
	}
}

func TestFindsFaults(t *testing.T) {
	for _, tt := range faults() {
		t.Run(tt.name, func(t *testing.T) {
			voice := func(testing.TB) tts.Voice { return tt.v }
			o := Options{New: voice, Broken: voice, Patience: 300 * time.Millisecond}
			said := streamtest.Failures(t, checks(o), tt.check)
			if !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("%q said %q, want %q", tt.check, said, tt.says)
			}
		})
	}
}

// TestPasses shows that a good voice fails no check.
func TestPasses(t *testing.T) {
	o := Options{
		New:    func(testing.TB) tts.Voice { return tone.Voice{} },
		Broken: func(testing.TB) tts.Voice { return refusing(func(string) bool { return true }) },
	}
	for _, c := range checks(o) {
		if said := streamtest.Failures(t, checks(o), c.Name); len(said) > 0 {
			t.Errorf("%q said %q", c.Name, said)
		}
	}
}
