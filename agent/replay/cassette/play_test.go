package cassette

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/llm"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
	"parley/tts/tone"
)

// slowVoice hums after 300 ms, and 20 ms before each further frame.
var slowVoice = tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		d := 300 * time.Millisecond
		for a, err := range (tone.Voice{}).Speak(ctx, text) {
			if err == nil {
				err = wait(ctx, d)
			}
			if d = 20 * time.Millisecond; !yield(a, err) || err != nil {
				return
			}
		}
	}
})

// slowly is a recognizer whose Finals take 250 ms.
var slowly = stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		r := sttscript.New(sttscript.Options{Lines: []string{"one two three four", "five"}})
		for res, err := range r.Recognize(ctx, in) {
			if err == nil && res.Kind == stt.Final {
				err = wait(ctx, 250*time.Millisecond)
			}
			if !yield(res, err) || err != nil {
				return
			}
		}
	}
})

func chatty() llm.Model {
	return llmscript.New(llmscript.Options{Answers: []string{"Good morning to you.", "It is nine."}, First: 200 * time.Millisecond, Gap: 30 * time.Millisecond})
}

const picture = "..vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv......F....................." + "......................................................vvvvvvvvvv......F..................."

// TestTape shows what is written of a short conversation.
func TestTape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := m.sink(true)
		hear(t.Context(), s.Recognizer(slowly), audio(time.Second, picture[:50]))
		say(t.Context(), s.Model(chatty()), ask("Good\nmorning!"))
		speak(t.Context(), s.Voice(slowVoice), "Hello.", "Bye.")
		for range s.Voice(slowVoice).Speak(t.Context(), media.Of("Cut short.")) {
			break
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 210*time.Millisecond, errors.New("the caller took the floor"))
		defer cancel()
		say(ctx, s.Model(chatty()), ask("Good morning!"))
		hear(t.Context(), s.Recognizer(brokenRecognizer), audio(0, ""))
		var b strings.Builder
		for _, e := range m.entries {
			fmt.Fprintf(&b, "%v %s\n", e.Now, e.Raw)
		}
		golden(t, "tape.golden", b.String())
	})
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant (write it anew with -update)\n%s", got, want)
	}
}

// same compares what was played with what was recorded.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s played\n%s\nand recorded was\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPlaysAsRecorded compares everything, the times among it.
func TestPlaysAsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := m.sink(true)
		r, l, v := s.Recognizer(slowly), s.Model(chatty()), s.Voice(slowVoice)
		heard := hear(t.Context(), r, audio(time.Second, picture))
		said := say(t.Context(), l, ask("Hi."))
		again := say(t.Context(), l, ask("Hi.", "Good morning to you.", "What time is it?"))
		spoken, pcm := speak(t.Context(), v, "Hello there.", "Yes, you.", "Hello there.")
		if len(heard) < 5 || len(said) < 6 || len(spoken) < 6 {
			t.Fatalf("too little was recorded: %q %q %q", heard, said, spoken)
		}
		for _, p := range []Policy{Strict, Nearest} {
			c := m.cassette(t)
			l, v := c.Model(p), c.Voice(p, nil)
			same(t, "recognizer", hear(t.Context(), c.Recognizer(), audio(time.Second, picture)), heard)
			same(t, "model", say(t.Context(), l, ask("Hi.")), said)
			same(t, "model, second turn,", say(t.Context(), l, ask("Hi.", "Good  morning to you.", "What time is it?")), again)
			out, sound := speak(t.Context(), v, "Hello there.", "Yes, you.", "Hello there.")
			same(t, "voice", out, spoken)
			if !slices.Equal(sound, pcm) {
				t.Error("the voice has other samples")
			}
			if m := c.Misses(); len(m) > 0 {
				t.Errorf("misses %+v", m)
			}
		}
	})
}

// TestFailuresPlayAsRecorded has each engine fail as it failed, with the class.
func TestFailuresPlayAsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := m.sink(true)
		r, v := s.Recognizer(brokenRecognizer), s.Voice(brokenVoice)
		gone := s.Model(llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) {
				if wait(ctx, time.Second) == nil && yield(llm.Delta{Text: "Well"}, nil) {
					yield(llm.Delta{}, errGone)
				}
			}
		}))
		heard, said := hear(t.Context(), r, audio(0, "..")), say(t.Context(), gone, ask("Hi."))
		spoken, _ := speak(t.Context(), v, "Hello.")
		c := m.cassette(t)
		same(t, "recognizer", hear(t.Context(), c.Recognizer(), audio(0, "..")), heard)
		same(t, "model", say(t.Context(), c.Model(Strict), ask("Hi.")), said)
		out, _ := speak(t.Context(), c.Voice(Strict, nil), "Hello.")
		same(t, "voice", out, spoken)
		for _, err := range c.Model(Strict).Generate(t.Context(), ask("Hi.")) {
			if err != nil && !errors.Is(err, provider.ErrUnavailable) {
				t.Errorf("%v has lost its class", err)
			}
		}
	})
}

func TestModelMisses(t *testing.T) {
	tests := []struct {
		name  string
		asked llm.Request
		want  string // under Nearest
		why   string
	}{
		{"white space does not count", ask("How \n are you? "), "Fine.", ""},
		{"case and punctuation", ask("how are you"), "Fine.", `messages[0].text: asked "how are you", recorded "How are you?"`},
		{"the number in order", ask("Where?"), "Fine.", `messages[0].text: asked "Where?", recorded "How are you?"`},
		{"another history", ask("Hi", "Ho", "And now?"), "Late.", `messages[0].text: asked "Hi", recorded "How are you?"`},
		{"shorter history", ask("And now?"), "Late.", `messages[0].text: asked "And now?", recorded "How are you?"`},
		{"another system", llm.Request{System: "You are rude.", Messages: ask("How are you?").Messages}, "Fine.", `system: asked "You are rude.", recorded "You are kind."`},
		{"a limit", func() llm.Request { r := ask("How are you?"); r.MaxTokens = 7; return r }(), "Fine.", `max: asked 7, recorded 0`},
		{"a tool", func() llm.Request { r := ask("How are you?"); r.Tools = []llm.Tool{{Name: "w"}}; return r }(), "Fine.", `tools[0].name: asked "w", recorded ""`},
		{"more messages", ask("How are you?", "Fine.", "And now?", "Late.", "And now?"), "Late.", `messages[3]: asked assistant "Late.", recorded none`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory()
			model := m.sink(false).Model(llmscript.New(llmscript.Options{Answers: []string{"Fine.", "Late."}}))
			say(t.Context(), model, ask("How are you?"))
			say(t.Context(), model, ask("How are you?", "Fine.", "And now?"))
			c := m.cassette(t)
			var text string
			for d := range c.Model(Nearest).Generate(t.Context(), tt.asked) {
				text += d.Text
			}
			if text != tt.want {
				t.Errorf("said %q, want %q", text, tt.want)
			}
			misses := c.Misses()
			var failed error
			for _, err := range c.Model(Strict).Generate(t.Context(), tt.asked) {
				failed = err
			}
			if tt.why == "" {
				if failed != nil || len(misses) > 0 {
					t.Errorf("misses %+v, and under Strict %v", misses, failed)
				}
				return
			}
			if len(misses) != 1 || misses[0].Why != tt.why || misses[0].Used == "" {
				t.Errorf("misses %+v, want %s", misses, tt.why)
			}
			var miss *Miss
			if !errors.As(failed, &miss) || miss.Why != tt.why || !errors.Is(failed, provider.ErrBadRequest) {
				t.Errorf("under Strict %v, want %s", failed, tt.why)
			}
		})
	}
}

// TestCutAnswers plays on where an answer was interrupted.
func TestCutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s := m.sink(true)
		model := s.Model(chatty())
		ctx, cancel := context.WithTimeout(t.Context(), 240*time.Millisecond)
		defer cancel()
		say(ctx, model, ask("Hi."))
		for range s.Voice(slowVoice).Speak(t.Context(), media.Of("Hello there.")) {
			break
		}
		c := m.cassette(t)
		same(t, "under Nearest the model", say(t.Context(), c.Model(Nearest), ask("Hi.")), []string{"200ms Good", "230ms  morning", "2.24s stop"})
		if got := say(t.Context(), c.Model(Strict), ask("Hi.")); !strings.Contains(got[len(got)-1], "cut short there by its caller") {
			t.Errorf("under Strict %q", got)
		}
		if got, _ := speak(t.Context(), c.Voice(Strict, nil), "Hello there."); !strings.Contains(got[len(got)-1], "cut short in this phrase") {
			t.Errorf("under Strict %q", got)
		}
		if got, pcm := speak(t.Context(), c.Voice(Nearest, nil), "Hello there."); len(got) != 1 || len(pcm) != 4800 {
			t.Errorf("under Nearest %q", got)
		}
		ctx, cancel = context.WithTimeoutCause(t.Context(), 250*time.Millisecond, errGone)
		defer cancel()
		if got := say(ctx, c.Model(Strict), ask("Hi.")); !strings.HasPrefix(got[len(got)-1], "250ms error play: unavailable") {
			t.Errorf("interrupted again: %q", got)
		}
		say(t.Context(), model, ask("Hi.")) // the same request again, and this time to its end
		c = m.cassette(t)
		if got := say(t.Context(), c.Model(Strict), ask("Hi.")); got[len(got)-1] != "290ms stop" {
			t.Errorf("the whole answer is not taken: %q", got)
		}
	})
}

// TestStandIn: an answer that was cut short before its first word goes on as the next whole one where its caller now waits longer.
func TestStandIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		model := m.sink(false).Model(chatty())
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		say(ctx, model, ask("Hi."))
		say(t.Context(), model, ask("Hi. And now?"))
		c := m.cassette(t)
		same(t, "under Nearest", say(t.Context(), c.Model(Nearest), ask("Hi.")), []string{"2.35s Good", "2.38s  morning", "2.41s  to", "2.44s  you.", "2.44s {0 0 4}", "2.44s stop"})
		if all := c.Misses(); len(all) != 1 || all[0].Used != "answer 2: Good morning to you." || !strings.Contains(all[0].Why, "cut short there by its caller") {
			t.Errorf("%+v", all)
		}
	})
}

func TestVoiceMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		speak(t.Context(), m.sink(false).Voice(slowVoice), "Yes?", "No.") // sound is not kept
		c := m.cassette(t)
		want := []string{"300ms 0s 4800@24000 [{Yes? 0s 260ms}]", "320ms 200ms 1440@24000 []"}
		got, pcm := speak(t.Context(), c.Voice(Strict, nil), "Yes?")
		same(t, "voice", got, want)
		if slices.ContainsFunc(pcm, func(v int16) bool { return v != 0 }) {
			t.Error("sound that was not kept is not silent")
		}
		if got, _ := speak(t.Context(), c.Voice(Strict, nil), "yes"); !strings.Contains(got[0], `"yes" was never said`) {
			t.Errorf("under Strict %q", got)
		}
		if got, _ := speak(t.Context(), c.Voice(Nearest, nil), "Perhaps."); !strings.Contains(got[0], `"Perhaps." was never said`) {
			t.Errorf("without another voice %q", got)
		}
		before := len(c.Misses())
		got, _ = speak(t.Context(), c.Voice(Nearest, tone.Voice{}), "YES", "Perhaps.", "No.")
		same(t, "voice", got, slices.Concat(want, []string{"320ms 260ms 4800@24000 [{Perhaps. 260ms 780ms}]", "320ms 460ms 4800@24000 []",
			"320ms 660ms 2880@24000 []", "340ms 780ms 4680@24000 [{No. 780ms 975ms}]"}))
		if misses := c.Misses()[before:]; len(misses) != 1 || misses[0].Asked != "Perhaps." || misses[0].Used == "" {
			t.Errorf("misses %+v", misses)
		}
	})
}

// TestPlaysAnyRecording makes voice, silence and flushes by chance, and the same again. A recognizer that takes no audio while it
// works makes what follows a little later than it is played: there only the order is the same.
func TestPlaysAnyRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 0))
			var b strings.Builder
			for range 12 {
				b.WriteString(strings.Repeat(string("v.v."[r.IntN(4)]), 1+r.IntN(80)))
				b.WriteString([]string{"", "F", "F....................F"}[r.IntN(3)])
			}
			for name, engine := range map[string]stt.Recognizer{"slow": slowly, "prompt": sttscript.New(sttscript.Options{Lines: []string{"a b", "c"}})} {
				m := newMemory()
				want := hear(t.Context(), m.sink(false).Recognizer(engine), audio(time.Second, b.String()))
				c := m.cassette(t)
				got := hear(t.Context(), c.Recognizer(), audio(time.Second, b.String()))
				if name == "slow" {
					for _, list := range [][]string{got, want} {
						for i := range list {
							_, list[i], _ = strings.Cut(list[i], " ")
						}
					}
				}
				if !slices.Equal(got, want) || len(c.Misses()) > 0 {
					t.Errorf("seed %d, %s, %s: misses %v", seed, name, b.String(), c.Misses())
					same(t, "recognizer", got, want)
					return
				}
			}
		}
	})
}
