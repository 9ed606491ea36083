package replay_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/provider"
	"parley/llm"
	"parley/media"
	"parley/media/record"
	"parley/tts"
	"parley/tts/tone"
)

// told is a digest as people read it, times in tenths of a second.
func told(c *replay.Conversation) string {
	var b strings.Builder
	span := func(s replay.Span) string { return fmt.Sprintf("%.1f–%.1f", s.From.Seconds(), s.To.Seconds()) }
	for _, t := range c.Turns {
		fmt.Fprintf(&b, "#%d", t.N)
		for _, v := range t.Voice {
			fmt.Fprintf(&b, " %s", span(v))
		}
		if t.User != "" {
			fmt.Fprintf(&b, " %q", t.User)
		}
		if t.Reason != "" {
			fmt.Fprintf(&b, " at %.1f: %s", t.Committed.Seconds(), t.Reason)
		}
		b.WriteByte('\n')
		if t.Answer.Sent != "" {
			fmt.Fprintf(&b, "agent %s, %.1f of sound: %q", span(t.Spoken), t.Sent.Seconds(), t.Answer.Heard)
			if t.Answer.Interrupted {
				b.WriteString(" cut")
			}
			b.WriteByte('\n')
		}
		for _, h := range t.Holds {
			fmt.Fprintf(&b, "hold %s %s: %s, %s\n", span(h.Span), h.Why, h.Outcome, h.Because)
		}
		for _, a := range t.Asides {
			fmt.Fprintf(&b, "aside %s\n", span(a))
		}
		for _, w := range t.Troubles {
			fmt.Fprintf(&b, "trouble %s: %s\n", w.Code, w.Text)
		}
	}
	for _, h := range c.Holes {
		fmt.Fprintf(&b, "hole %s %s\n", span(h.Span), h.Why)
	}
	fmt.Fprintf(&b, "ended: %s\n", c.Ended)
	return b.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got, want = strings.TrimSpace(got), strings.TrimSpace(want); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// saying is a model that says a text so long after it was asked.
func saying(text string, after time.Duration, err error) llm.Model {
	return llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			time.Sleep(after)
			if err != nil {
				yield(llm.Delta{}, err)
			} else if yield(llm.Delta{Text: text}, nil) {
				yield(llm.Delta{End: llm.Stop}, nil)
			}
		}
	})
}

var quiet = agent.Profile{Greeting: "-"}

var stories = []struct {
	name string
	story
}{
	{"a question, a backchannel and a sentence", story{length: at(16), lines: []string{"What is the time, please?", "mm-hm", "Tell me more."},
		voice: []replay.Span{{From: at(3), To: at(4.5)}, {From: at(6.5), To: at(6.8)}, {From: at(10), To: at(11)}}}},
	{"an interruption", story{length: at(9), lines: []string{"Wait, what time is it?"}, voice: []replay.Span{{From: at(2), To: at(3.5)}},
		Profile: agent.Profile{Greeting: strings.Repeat("I can talk for a very long time. ", 20)}}},
	{"a turn that was taken too early is united with the next", story{length: at(9), model: saying("Right.", at(1.5), nil), Profile: quiet,
		lines: []string{"I have entered too many.", "No identification numbers.", "Right?"}, voice: []replay.Span{{From: at(1), To: at(2)}, {From: at(3), To: at(4)}}}},
	{"typed, pressed and hung up", story{length: at(30), Profile: quiet, inputs: []timed{
		{at(1), agent.Input{Kind: agent.Typed, Text: "Hello by hand"}}, {at(4), agent.Input{Kind: agent.Key, Text: "4"}},
		{at(4.5), agent.Input{Kind: agent.Key, Text: "#"}}, {at(6), agent.Input{Kind: agent.HangUp}}}}},
	{"told to stop, and goodbye", story{length: at(30), lines: []string{"Stop.", "Goodbye."}, voice: []replay.Span{{From: at(1), To: at(1.5)}, {From: at(6), To: at(6.5)}},
		Profile: agent.Profile{Greeting: strings.Repeat("I can talk for a very long time. ", 20)}}},
	{"a path that is lost and back", story{length: at(16), Profile: agent.Profile{Greeting: "This is a sentence of some length, so that it lasts for a while."},
		inputs: []timed{{at(3), agent.Input{Kind: agent.PathLost, At: at(2)}}, {at(8), agent.Input{Kind: agent.PathBack}}}}},
	{"a model that fails", story{length: at(8), Profile: quiet, lines: []string{"What is the time?"}, voice: []replay.Span{{From: at(1), To: at(2)}},
		model: saying("", 0, fmt.Errorf("status 500: %w", provider.ErrUnavailable))}},
	{"a noise before the turn, and words that nobody answered", story{length: at(8.5), Profile: quiet, lines: []string{"", "What is the time?", "And"},
		voice: []replay.Span{{From: at(1), To: at(1.3)}, {From: at(4), To: at(5)}, {From: at(8), To: at(9)}}}},
	{"the record was paused", story{length: at(12), Profile: quiet, pause: replay.Span{From: at(5), To: at(9)}, lines: []string{"One moment ago?", "My number is nine."},
		voice: []replay.Span{{From: at(1), To: at(2)}, {From: at(6), To: at(7)}}}},
	{"the record was paused in the middle of an answer", story{length: at(12), Profile: agent.Profile{Greeting: strings.Repeat("I can talk for a long time. ", 3)},
		pause: replay.Span{From: at(2), To: at(11)}}},
}

// What becomes of the stories stands in testdata/read.txt.
func TestRead(t *testing.T) {
	var all strings.Builder
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			c := read(t, s.hold(t))
			fmt.Fprintf(&all, "%s\n\n%s\n", s.name, told(c))
			if c.ID != "c1" || c.Length.Round(at(0.1)) != min(s.length, c.Length.Round(at(0.1))) || c.Profile.Greeting != s.Profile.Greeting || len(c.Events) == 0 {
				t.Errorf("%s, %v, %+v, %d events", c.ID, c.Length, c.Profile, len(c.Events))
			}
			ordered(t, c)
		})
	}
	golden(t, "read.txt", all.String())
}

var update = flag.Bool("update-read", false, "write testdata/read.txt and testdata/read.vtt anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, string(want))
}

// ordered checks what holds of every conversation's words.
func ordered(t *testing.T, c *replay.Conversation) {
	t.Helper()
	for _, turn := range c.Turns {
		for text, words := range map[string][]replay.Word{turn.User: turn.UserWords, turn.Answer.Heard: turn.Words} {
			var all []string
			for i, w := range words {
				all = append(all, w.Text)
				if w.To < w.From || i > 0 && w.From < words[i-1].From || w.To > c.Length+media.FrameDuration {
					t.Errorf("%q is at %v, after %v", w.Text, w.Span, words[max(0, i-1)])
				}
			}
			if got := strings.Join(all, " "); got != text && len(words) > 0 {
				t.Errorf("the words are %q, the text is %q", got, text)
			}
		}
	}
}

// An older log has neither Took nor Ask: the turns are the same.
func TestReadAnOlderLog(t *testing.T) {
	s := stories[0].story
	s.stupid = true
	same(t, told(read(t, s.hold(t))), told(read(t, stories[0].hold(t))))
}

// What the record says that the agent spoke is what sounded on the line, to a frame or two.
func TestSpokenIsWhatSounded(t *testing.T) {
	for _, s := range stories {
		var heard []time.Duration
		s.heard = &heard
		c := read(t, s.hold(t))
		near := func(at time.Duration) bool {
			return slices.ContainsFunc(heard, func(h time.Duration) bool { return (h - at).Abs() <= 2*media.FrameDuration })
		}
		for _, turn := range c.Turns {
			if turn.Spoken != (replay.Span{}) && (!near(turn.Spoken.From) || !near(turn.Spoken.To)) {
				t.Errorf("%s: nothing sounded at the edges of %v", s.name, turn.Spoken)
			}
		}
		for _, h := range heard {
			if s.pause.To > 0 && h >= s.pause.From {
				continue // the answer began in the pause: the record does not know of it
			}
			if !slices.ContainsFunc(c.Turns, func(t replay.Turn) bool {
				return t.Spoken.From-2*media.FrameDuration <= h && h <= t.Spoken.To+2*media.FrameDuration
			}) {
				t.Errorf("%s: a sound at %v, in no answer", s.name, h)
			}
		}
	}
}

// The recognizer's own times are those of the caller's words, whatever marks it puts to them.
func TestWordTimesOfTheRecognizer(t *testing.T) {
	s := stories[0].story
	s.timed = true
	c := read(t, s.hold(t))
	words := c.Turns[1].UserWords
	if len(words) != 5 || words[0].Text != "What" || words[4].Text != "please?" {
		t.Fatalf("%+v", words)
	}
	for i, w := range words {
		if from := words[0].From + time.Duration(i)*at(0.1); w.Guessed || w.From != from || w.To != from+at(0.09) {
			t.Errorf("%+v, want it at %v", w, from)
		}
	}
	if off := words[0].From - at(3); off.Abs() > at(0.35) { // the recognizer begins with the pre-roll
		t.Errorf("the first is at %v", words[0].From)
	}
	var b strings.Builder
	if err := c.WebVTT(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "read.vtt", b.String())
}

// A voice that is late leaves a gap in the sound; the words after it are as much later.
func TestLateVoice(t *testing.T) {
	hum := tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			for a, err := range (tone.Voice{}).Speak(ctx, text) {
				if err == nil && len(a.Words) > 0 && a.Words[0].Text == "late" {
					time.Sleep(at(2))
				}
				if !yield(a, err) {
					return
				}
			}
		}
	})
	c := read(t, story{length: at(8), tts: hum, Profile: agent.Profile{Greeting: "This one is late today."}}.hold(t))
	words := c.Turns[0].Words
	if len(words) != 5 {
		t.Fatalf("%+v", words)
	}
	if is, late := words[2], words[3]; is.To > at(1) || late.From < at(1.9) || late.From > at(2.3) || late.Guessed {
		t.Errorf("%+v then %+v", is, late)
	}
	if end := c.Turns[0].Spoken.To; end < at(2.5) || end > at(3.2) {
		t.Errorf("it ended at %v", end)
	}
}

// lines makes a bundle of a log that is written by hand.
func lines(t *testing.T, dir string, config string, all ...string) string {
	t.Helper()
	m := record.Manifest{ID: "c1"}
	if config != "" {
		m.Config = []byte(config)
	}
	w, err := record.New(dir, m, record.Options{Buffer: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range all {
		now := time.Duration(i+1) * time.Second
		if tape, ok := strings.CutPrefix(line, "tape "); ok {
			w.Tape(uint64(i+1), now, []byte(tape))
			continue
		}
		w.Log(uint64(i+1), now, []byte(line))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return at(60) }, record.Taps{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "c1.conv")
}

func TestReadWhatIsBroken(t *testing.T) {
	commit := `{"kind":"step","step":{"in":{"kind":"typed","text":"Hi"},"out":[{"kind":"commit","turn":1,"text":"Hi","reason":"typed"}]}}`
	path := lines(t, t.TempDir(), `{"Greeting":5}`, `not JSON`, commit, `{"seq":1}`, `{"kind":"step"}`, `{"kind":"agent","turn":1}`, `{"kind":"timing"}`,
		`{"kind":"took"}`, `{"kind":"ask"}`, `{"kind":"from the future","turn":1}`, `{"kind":"agent","turn":9,"said":{}}`)
	c, err := tryRead(t, path)
	if c == nil || err == nil {
		t.Fatalf("%v, %v", c, err)
	}
	for _, want := range []string{"manifest's configuration", "line 1 of the log", "line 3 of the log, at 3s: it is no event", "line 8"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if len(c.Turns) != 1 || c.Turns[0].User != "Hi" || len(c.Events) != 3 || len(c.Holes) != 2 || !c.Holes[0].Lost {
		t.Errorf("%+v, %d events, %d holes", c.Turns, len(c.Events), len(c.Holes))
	}
}

// A caller's own record has no decisions: its turns are what the server told of them.
func TestReadACallersRecord(t *testing.T) {
	c := read(t, lines(t, t.TempDir(), "", `{"kind":"user","turn":1,"text":"Hi there","final":true}`,
		`{"kind":"agent","turn":1,"said":{"Generated":"Hello.","Sent":"Hello.","Heard":"Hello.","Done":true}}`, `{"kind":"end","text":"goodbye was said"}`))
	if len(c.Turns) != 1 || c.Turns[0].User != "Hi there" || c.Turns[0].Answer.Heard != "Hello." || c.Ended != "goodbye was said" {
		t.Errorf("%+v, ended: %s", c.Turns, c.Ended)
	}
}

func TestReadDamage(t *testing.T) {
	path := stories[0].hold(t)
	log := filepath.Join(path, "log")
	whole, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(whole) / 3, len(whole) / 2, len(whole) - 30} {
		torn := append([]byte(nil), whole...)
		torn[at] ^= 0x55
		if err := os.WriteFile(log, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := tryRead(t, path)
		var damage *record.Damage
		if !errors.As(err, &damage) || damage.File != "log" || c == nil || len(c.Turns) == 0 || len(c.Holes) == 0 || !c.Holes[0].Lost {
			t.Errorf("byte %d: %v, %+v", at, err, c)
		}
	}
	if err := os.WriteFile(log, []byte("something else entirely"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := tryRead(t, path); c != nil || err == nil {
		t.Errorf("a foreign file: %v, %v", c, err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	if c, err := tryRead(t, path); c != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a log: %v, %v", c, err)
	}
}
