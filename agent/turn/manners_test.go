package turn_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"parley/agent/turn"
)

// manners are what a person would expect of any conversation: one question a silence, one excuse for what was not understood, and
// time for a caller who asks for it.
type manners struct {
	config turn.Config
	sign   bool          // the caller has made a sound, or used the keyboard, since the last question
	words  bool          // something was understood since the last excuse
	order  bool          // and since the last order
	voice  time.Duration // how long a voice was heard, since the last decision about one
	time   time.Duration // when the caller asked for time; negative: not, or it is over
}

func newManners(c turn.Config) *manners {
	return &manners{config: c.WithDefaults(), sign: true, words: true, time: -1}
}

// take checks a step and says what is wrong with it.
func (r *manners) take(e turn.Entry) string {
	switch in := e.In; in.Kind {
	case turn.Score:
		r.sign = r.sign || in.Voice >= r.config.Voice.Start
		if in.Voice >= r.config.Voice.Stop {
			r.voice += turn.LongestHop
		}
	case turn.Partial, turn.Final, turn.Typed, turn.Key:
		if strings.ContainsFunc(in.Text, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) || in.Kind == turn.Key }) {
			r.sign, r.words, r.order, r.time = true, true, true, -1
		}
	case turn.Muted:
		r.sign = true
	}
	for i, d := range e.Out {
		if wrong := r.decide(e.Now, d); wrong != "" {
			return fmt.Sprintf("at %v, %s: %v: %s", e.Now, e.In.Kind, d, wrong)
		}
		if slices.Contains(e.Out[:i], d) {
			return fmt.Sprintf("at %v, %s: %v: twice", e.Now, e.In.Kind, d)
		}
	}
	return ""
}

func (r *manners) decide(now time.Duration, d turn.Decision) string {
	switch {
	case d.Kind == turn.CheckIn && !r.sign:
		return "it has asked in this silence"
	case (d.Kind == turn.CheckIn || d.Kind == turn.GiveUp) && r.time >= 0 && now-r.time < r.config.Silence.Asked:
		return fmt.Sprintf("the caller asked for time at %v", r.time)
	case d.Reason == turn.Unheard && (d.Kind != turn.Say || d.Text != ""):
		return "it is no excuse"
	case d.Reason == turn.Unheard && !r.words:
		return "it has said so before"
	case d.Reason == turn.Unheard && r.time >= 0:
		return "the caller asked for time, and spoke with somebody else"
	case d.Reason == turn.Unheard && r.voice < time.Second:
		return "nobody has spoken for that long"
	case d.Kind == turn.Obey && !r.order:
		return "it was obeyed before"
	}
	switch {
	case d.Kind == turn.CheckIn:
		r.sign = false
	case d.Reason == turn.Unheard:
		r.words, r.voice = false, 0
	case d.Kind == turn.Obey && d.Text == "wait":
		r.sign, r.order, r.time = true, false, now
	case d.Kind == turn.Obey:
		r.order = false
	}
	return ""
}

// play is a story of what people do: they speak, are understood or not, cough, murmur, type, press keys, and rest.
func play(t *rapid.T) string {
	var b strings.Builder
	ms := func(label string, low, high int) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Millisecond
	}
	fmt.Fprintf(&b, "recognizer takes %v\nagent takes %v\ngreet 0s %q\n", ms("recognizer", 20, 2500), ms("agent", 20, 3000), "Hello, how can I help you?")
	var at time.Duration
	for range rapid.IntRange(1, 12).Draw(t, "events") {
		at += ms("rest", 20, 4000)
		switch rapid.SampledFrom([]string{"say", "say", "say", "babble", "cough", "murmur", "type", "key", "rest"}).Draw(t, "what") {
		case "say":
			long := ms("long", 200, 2500)
			text := rapid.SampledFrom([]string{"Hold on.", "One moment, please.", "Stop.", "Mm-hm.", "What time is it?", "I would like to",
				"My number is", "N", "five five", "Hello?", "Thank you."}).Draw(t, "text")
			fmt.Fprintf(&b, "voice %v %v\nwords %v %q\n", at, long, at, text)
			at += long
		case "babble":
			long := ms("long", 1000, 3000)
			fmt.Fprintf(&b, "voice %v %v\n", at, long)
			at += long
		case "cough":
			fmt.Fprintf(&b, "voice %v 250ms\n", at)
			at += 250 * time.Millisecond
		case "murmur":
			fmt.Fprintf(&b, "murmur %v 2s\n", at)
			at += 2 * time.Second
		case "type":
			fmt.Fprintf(&b, "type %v %q\n", at, rapid.SampledFrom([]string{"Hold on", "anna@example.org", "stop"}).Draw(t, "typed"))
		case "key":
			fmt.Fprintf(&b, "key %v %q\n", at, rapid.SampledFrom([]string{"5", "#"}).Draw(t, "key"))
		default:
			at += ms("longer", 0, 70000)
		}
	}
	fmt.Fprintf(&b, "end %v\n", at+ms("end", 0, 100000))
	return b.String()
}

// In any story the agent keeps the rules and has manners, and what is typed is answered.
func TestAnyStoryHasManners(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		log, out := tell(t, play(rt))
		r, m := rules{}, newManners(turn.Config{})
		typed := map[string]int{}
		for _, e := range log {
			r.take(rt, e)
			if wrong := m.take(e); wrong != "" {
				rt.Fatalf("%s\n%s", wrong, out)
			}
			if e.In.Kind == turn.Typed && strings.Contains(e.In.Text, "@") {
				typed["typed"]++
			}
			for _, d := range e.Out {
				if d.Kind == turn.Commit {
					typed["answered"] += strings.Count(d.Text, "@")
				}
			}
		}
		last := log[len(log)-1].Now
		for _, e := range log {
			if e.In.Kind == turn.Typed && e.Now > last-5*time.Second {
				return // perhaps it still waits
			}
		}
		if typed["typed"] > typed["answered"] {
			rt.Fatalf("of %d texts typed %d are answered\n%s", typed["typed"], typed["answered"], out)
		}
	})
}

// What is dictated, and what only ends as if it were.
func TestDictated(t *testing.T) {
	for text, want := range map[string]bool{
		"N":                                   true,
		"N.":                                  true,
		"A":                                   true,
		"020":                                 true,
		"555-1234.":                           true,
		"N-A-T":                               true,
		"It's N":                              true,
		"Yes, it's 0 2 0.":                    true,
		"My name is A":                        true,
		"My number is":                        true,
		"My number’s":                         true,
		"My phone number is five":             true,
		"My number is twenty two":             true,
		"The code is, um,":                    true,
		"It's spelled":                        true,
		"That's spelled N as in Nancy":        true,
		"N for Nancy, A for Anna":             true,
		"My email is":                         true,
		"My email address is anna":            true,
		"My email is anna at example":         true,
		"Call me at five five five":           true,
		"double seven":                        true,
		"":                                    false,
		"?":                                   false,
		"Five.":                               false,
		"It's five.":                          false,
		"I need five.":                        false,
		"I need 250.":                         false,
		"I need twenty five.":                 false,
		"I was born in nineteen ninety nine.": false,
		"It begins at 10:30.":                 false,
		"That makes 3.50.":                    false,
		"Is it A?":                            false,
		"Is your number five five five?":      false,
		"Take plan B.":                        false,
		"This one.":                           false,
		"One or two.":                         false,
		"At five p.m.":                        false,
		"My number is not working.":           false,
		"My number is 555 1234, thank you.":   false,
		"My email is anna@example.org.":       false,
		"My email is anna at example dot org": false,
		"It is spelled out.":                  false,
		"What time is it?":                    false,
	} {
		log, out := tell(t, fmt.Sprintf("voice 1s 1s\nwords 1s %q\nend 6s\n", text))
		_ = log
		if got := strings.Contains(out, "(spelled)"); got != want {
			t.Errorf("%q: spelled %v, want %v\n%s", text, got, want, out)
		}
	}
}

// What asks for time, and what only begins so.
func TestAsksForTime(t *testing.T) {
	for text, want := range map[string]string{
		"Hold on.": "wait", "Wait!": "wait", "Wait, wait.": "wait", "Okay, just a second, please.": "wait", "One moment.": "wait", "Hang on a sec.": "wait",
		"Give me a minute.": "wait", "Hold on for five minutes, please.": "wait", "Just one second, thanks.": "wait", "No, wait.": "wait",
		"Let me think.": "wait", "Sorry, give me just a moment.": "wait", "I need a minute.": "wait", "Just a minute!": "wait", "Pause.": "wait",
		"Stop.": "stop", "Please stop.": "stop", "Wait for me": "", "Wait, what about Mars?": "", "Please.": "", "Okay.": "", "A minute.": "",
		"Wait a minute, that is wrong.": "", "Hold the line open.": "", "Give me five.": "", "I can hold on.": "",
	} {
		_, out := tell(t, fmt.Sprintf("greet 0s \"Hello.\"\nvoice 4s 1s\nwords 4s %q\nend 8s\n", text))
		if got := strings.Contains(out, `obey #2 "`+want+`"`); got != (want != "") {
			t.Errorf("%q: want %q\n%s", text, want, out)
		}
	}
}
