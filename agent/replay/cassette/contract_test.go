package cassette

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/stt/sttest"
	"parley/tts"
	"parley/tts/tone"
	"parley/tts/ttstest"
)

var question = llm.Request{System: "You answer.", Messages: []llm.Message{{Role: llm.User, Text: "Two colors,  please."}}}

var errGone = fmt.Errorf("play: %w", provider.ErrUnavailable)

// caller is a model that asks for a tool if it is given one.
var caller = llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	if len(req.Tools) == 0 {
		return llmscript.New(llmscript.Options{Answers: []string{"red and blue"}}).Generate(ctx, req)
	}
	return func(yield func(llm.Delta, error) bool) {
		call := &llm.Call{ID: "1", Name: req.Tools[0].Name, Arguments: json.RawMessage(`{"city":"Rome"}`)}
		if ctx.Err() != nil {
			yield(llm.Delta{}, context.Cause(ctx))
			return
		}
		_ = yield(llm.Delta{Call: call}, nil) && yield(llm.Delta{End: llm.Tools}, nil)
	}
})

func colors(text string) error {
	if text != "red and blue" {
		return fmt.Errorf("said %q", text)
	}
	return nil
}

func TestRecordedKeepsTheContract(t *testing.T) {
	t.Run("model", func(t *testing.T) {
		llmtest.Run(t, llmtest.Options{
			New: func(testing.TB) llm.Model { return newMemory().sink(true).Model(caller) },
			Stuck: func(testing.TB) llm.Model {
				return newMemory().sink(true).Model(llmscript.New(llmscript.Options{First: time.Hour}))
			},
			Request: &question, Said: colors, Limits: true,
			Tools: &llm.Request{Tools: []llm.Tool{{Name: "weather"}}},
		})
	})
	t.Run("recognizer", func(t *testing.T) {
		sttest.Run(t, sttest.Options{
			New: func(testing.TB) stt.Recognizer {
				return newMemory().sink(true).Recognizer(sttscript.New(sttscript.Options{}))
			},
			Broken: func(testing.TB) stt.Recognizer { return newMemory().sink(true).Recognizer(brokenRecognizer) },
		})
	})
	t.Run("voice", func(t *testing.T) {
		ttstest.Run(t, ttstest.Options{
			New:    func(testing.TB) tts.Voice { return newMemory().sink(true).Voice(tone.Voice{}) },
			Broken: func(testing.TB) tts.Voice { return newMemory().sink(true).Voice(brokenVoice) },
		})
	})
}

var brokenRecognizer = stt.RecognizerFunc(func(context.Context, media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) { yield(stt.Result{}, errGone) }
})

// brokenVoice fails when it was given a phrase.
var brokenVoice = tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		for range text(own) {
			break
		}
		yield(tts.Audio{}, errGone)
	}
})

// TestPlayedKeepsTheContract runs the suites over what was recorded of stubs.
func TestPlayedKeepsTheContract(t *testing.T) {
	t.Run("model", func(t *testing.T) {
		tools := llm.Request{Tools: []llm.Tool{{Name: "weather", Parameters: json.RawMessage(`{"type": "object"}`)}}}
		m := newMemory()
		recorded := m.sink(true).Model(caller)
		say(t.Context(), recorded, question)
		say(t.Context(), recorded, tools)
		slow := newMemory()
		say(t.Context(), slow.sink(true).Model(caller), question)
		slow.entries = slices.Concat(slow.entries[:1], lines(`{"engine":"llm","stream":1,"delta":{"text":"late","after":500000000000}}`).entries, slow.entries[1:])
		for _, p := range []Policy{Strict, Nearest} {
			llmtest.Run(t, llmtest.Options{
				New:     func(t testing.TB) llm.Model { return m.cassette(t).Model(p) },
				Stuck:   func(t testing.TB) llm.Model { return slow.cassette(t).Model(p) },
				Request: &question, Said: colors, Tools: &tools,
			})
		}
	})
	t.Run("recognizer", func(t *testing.T) {
		// As the suite's: ten seconds into the timeline, 400 ms of silence, a second of voice, 400 ms of silence and a flush.
		var frames []stt.Audio
		for i := range 90 {
			f := media.Frame{At: 10*time.Second + time.Duration(i)*media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
			frames = append(frames, stt.Audio{Frame: f, Voice: i >= 20 && i < 70, Flush: i == 89})
		}
		m, gone := newMemory(), newMemory()
		hear(t.Context(), m.sink(true).Recognizer(sttscript.New(sttscript.Options{})), media.Of(frames...))
		hear(t.Context(), gone.sink(true).Recognizer(brokenRecognizer), media.Of(frames...))
		sttest.Run(t, sttest.Options{
			New:    func(t testing.TB) stt.Recognizer { return m.cassette(t).Recognizer() },
			Broken: func(t testing.TB) stt.Recognizer { return gone.cassette(t).Recognizer() },
		})
	})
	t.Run("voice", func(t *testing.T) {
		m, gone, deaf := newMemory(), newMemory(), newMemory()
		phrases := []string{"Good morning, how are you? ", "It is a quarter past nine.", "", " ", "\n", "…", "—!",
			"e\u0301te\u0301", "日本語です。", "👩‍👩‍👧 yes", "שלום", "a\xffb"}
		speak(t.Context(), m.sink(true).Voice(tone.Voice{}), phrases...)
		speak(t.Context(), gone.sink(true).Voice(brokenVoice), phrases...)
		broken := func(t testing.TB) tts.Voice { return gone.cassette(t).Voice(Strict, nil) }
		ttstest.Run(t, ttstest.Options{New: func(t testing.TB) tts.Voice { return m.cassette(t).Voice(Strict, nil) }, Broken: broken})
		t.Run("other", func(t *testing.T) {
			ttstest.Run(t, ttstest.Options{New: func(t testing.TB) tts.Voice { return deaf.cassette(t).Voice(Nearest, tone.Voice{}) }})
		})
	})
}
