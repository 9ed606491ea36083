package fault

import (
	"context"
	"slices"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/llm"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
	"parley/tts/tone"
)

// run runs those of the shared checks that a call which fails can pass. One that fails at once gives nothing to count.
func run[T any](t *testing.T, f Fault, engine string, open func(f Fault) func(context.Context) streamtest.Call[T]) {
	t.Helper()
	if !slices.Contains(f.Engines, engine) {
		return
	}
	checks := map[string]time.Duration{"nothing before the loop": 0, "canceled before the loop": 0} // how long the fault waits
	if !f.atOnce() || engine == hears {
		checks["leave at every yield"], checks["cancel at every yield"] = 2*time.Millisecond, 2*time.Millisecond
	}
	if f.Wait > 0 {
		checks["cancel while it waits"] = time.Hour // not to end before it is canceled, however busy the computer is: it would meet the fault's own error
	}
	s := streamtest.Subject[T]{Whole: func([]T) error { return nil }, Patience: 5 * time.Second}
	s.New = func(testing.TB) func(context.Context) streamtest.Call[T] { return open(f) }
	for _, c := range s.Checks() {
		if wait, ok := checks[c.Name]; ok {
			f.Wait = min(f.Wait, wait)
			t.Run(engine+"/"+c.Name, func(t *testing.T) { c.Run(t) })
			f.Wait = time.Hour
		}
	}
}

// TestKeepsWhatItCan hits every call: the end of ctx ends it with its cause, leaving it leaves nothing behind.
func TestKeepsWhatItCan(t *testing.T) {
	for _, name := range Names() {
		if name == "401" || name == "500" {
			continue // as 429
		}
		f := named(t, name)
		f.Share = 1
		t.Run(name, func(t *testing.T) {
			run(t, f, thinks, func(f Fault) func(context.Context) streamtest.Call[llm.Delta] {
				m := f.Model(llmscript.New(llmscript.Options{Answers: []string{"one two three four five"}, Gap: time.Millisecond}))
				return func(ctx context.Context) streamtest.Call[llm.Delta] {
					return streamtest.Call[llm.Delta]{Stream: m.Generate(ctx, llm.Request{})}
				}
			})
			run(t, f, speaks, func(f Fault) func(context.Context) streamtest.Call[tts.Audio] {
				v := f.Voice(tone.Voice{})
				return func(ctx context.Context) streamtest.Call[tts.Audio] {
					in := &streamtest.Feed[string]{Items: []string{"Good morning.", "How are you?"}}
					return streamtest.Call[tts.Audio]{Stream: v.Speak(ctx, in.Source), Input: in}
				}
			})
			run(t, f, hears, func(f Fault) func(context.Context) streamtest.Call[stt.Result] {
				r := f.Recognizer(sttscript.New(sttscript.Options{}))
				return func(ctx context.Context) streamtest.Call[stt.Result] {
					in := &streamtest.Feed[stt.Audio]{Items: []stt.Audio{frame(0, false), frame(1, true), frame(200, false), frame(201, true)}}
					return streamtest.Call[stt.Result]{Stream: r.Recognize(ctx, in.Source), Input: in}
				}
			})
		})
	}
}

func frame(i int, flush bool) stt.Audio {
	f := media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
	return stt.Audio{Frame: f, Voice: true, Flush: flush}
}
