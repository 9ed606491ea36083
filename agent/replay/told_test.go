package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/media/record"
)

// tellTale records what a server told, and where the caller's voice was.
func tellTale(t *testing.T, voice []Span, events ...agent.Event) (*Conversation, *record.Bundle) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, err := record.New(dir, record.Manifest{ID: "c1"}, record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		begin := time.Now()
		now := func() time.Duration { return time.Since(begin) }
		go func() { done <- w.Run(ctx, now, record.Taps{}) }()
		for n := range uint64(1000) {
			time.Sleep(20 * time.Millisecond)
			value := float32(0)
			for _, v := range voice {
				if now() > v.From && now() <= v.To {
					value = 1
				}
			}
			w.Score(n+1, now(), SentVoice, now(), value)
			w.Score(n+1, now(), "voice", now(), 1) // another detector's: it is not asked
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
	b, err := record.Open(filepath.Join(dir, "c1.conv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return &Conversation{Length: 20 * time.Second, Events: events}, b
}

func TestTold(t *testing.T) {
	const s = time.Second
	state := func(at time.Duration, name string) agent.Event {
		return agent.Event{At: at, Kind: agent.State, Text: name}
	}
	user := func(at time.Duration, turn int, text string, final bool) agent.Event {
		return agent.Event{At: at, Kind: agent.User, Turn: turn, Text: text, Final: final}
	}
	said := func(at time.Duration, turn int, heard string, done, cut bool) agent.Event {
		return agent.Event{At: at, Kind: agent.Answer, Turn: turn, Said: &agent.Said{Heard: heard, Done: done, Interrupted: cut}}
	}
	timing := func(at time.Duration, turn int) agent.Event {
		return agent.Event{At: at, Kind: agent.Timing, Turn: turn, Measured: agent.Measured{Latency: &agent.Latency{Sent: s}}}
	}
	voice := []Span{{2 * s, 3 * s}, {3200 * time.Millisecond, 3400 * time.Millisecond}, {6 * s, 7 * s}, {12 * s, 13 * s}}
	for _, c := range []struct {
		name   string
		events []agent.Event
		want   string
	}{
		{"nothing", nil, ``},
		{"a greeting, a question whose answer is interrupted, an answer that goes on to the end", []agent.Event{
			state(0, "listening"), said(100*time.Millisecond, 1, "", false, false), state(200*time.Millisecond, "speaking"),
			said(300*time.Millisecond, 1, "Hello.", false, false), said(s, 1, "Hello.", true, false), state(s, "listening"),
			user(2500*time.Millisecond, 2, "What", false), user(4*s, 2, "What is it?", true), state(4*s, "thinking"),
			timing(5*s, 2), state(5*s, "speaking"), said(5500*time.Millisecond, 2, "It is", false, false),
			state(6300*time.Millisecond, "listening"), said(6310*time.Millisecond, 2, "It is", true, true),
			user(8*s, 3, "No!", true), state(8*s, "thinking"), {At: 8500 * time.Millisecond, Kind: agent.Trouble, Code: "llm", Text: "Oh."}, state(9*s, "speaking"), said(9100*time.Millisecond, 3, "Sorry.", false, false),
			{At: 20 * s, Kind: agent.End, Text: "hung up"},
		}, `
#1 "" at 100ms, voice [], spoken [200ms-1s] (800ms), "Hello.", 0 holds, asides []
#2 "What is it?" at 4s, voice [2s-3.4s], spoken [5s-6s] (1s), "It is", interrupt [6s-6.3s], asides []
#3 "No!" at 8s, voice [6s-7s], spoken [9s-20s] (11s), "Sorry.", 0 holds, asides [12s-13s], Oh.`},
		{"a turn that was taken too early is united with the next", []agent.Event{
			user(4*s, 1, "I have", true), said(5*s, 1, "", true, true), {At: 5 * s, Kind: agent.Trouble, Text: "Oh."}, user(7*s, 2, "a", false), user(7*s, 1, "", true),
			user(8*s, 2, "I have a question.", true), state(9*s, "speaking"), said(9500*time.Millisecond, 2, "Yes?", true, false), state(10*s, "listening"),
		}, `
#2 "I have a question." at 8s, voice [2s-3.4s 6s-7s], spoken [0s-0s] (0s), "Yes?", 0 holds, asides [12s-13s], Oh.`},
		{"typed before anything was said, and never answered", []agent.Event{
			{At: s, Kind: agent.Trouble, Code: "stt", Text: "Oh."}, user(1500*time.Millisecond, 1, "hello", true),
		}, `
#0 "" at 1s, voice [], spoken [0s-0s] (0s), "", 0 holds, asides [], Oh.
#1 "hello" at 1.5s, voice [], spoken [0s-0s] (0s), "", 0 holds, asides [2s-3.4s 6s-7s 12s-13s]`},
	} {
		conv, b := tellTale(t, voice, c.events...)
		if !stepless(conv.Events) {
			t.Errorf("%s: there are steps", c.name)
		}
		var got strings.Builder
		for _, turn := range told(conv, b) {
			fmt.Fprintf(&got, "\n#%d %q at %v, voice %v, spoken %v (%v), %q, ", turn.N, turn.User, turn.Committed, spans(turn.Voice...), spans(turn.Spoken), turn.Sent, turn.Answer.Heard)
			if len(turn.Holds) == 1 {
				fmt.Fprintf(&got, "%s %v", turn.Holds[0].Outcome, spans(turn.Holds[0].Span))
			} else {
				fmt.Fprintf(&got, "%d holds", len(turn.Holds))
			}
			fmt.Fprintf(&got, ", asides %v", spans(turn.Asides...))
			for _, e := range turn.Troubles {
				fmt.Fprintf(&got, ", %s", e.Text)
			}
		}
		if n := len(c.events); n > 0 && c.events[n-1].Kind == agent.End && conv.Ended != "hung up" {
			t.Errorf("%s: it ended because %q", c.name, conv.Ended)
		}
		if got.String() != c.want {
			t.Errorf("%s:%s\nwant%s", c.name, got.String(), c.want)
		}
	}
	if stepless([]agent.Event{{Kind: agent.State}, {Kind: agent.Step}}) || stepless([]agent.Event{{Kind: agent.Took}}) {
		t.Error("a log with steps is read as one without")
	}
}

func spans(all ...Span) string {
	var words []string
	for _, s := range all {
		words = append(words, fmt.Sprintf("%v-%v", s.From, s.To))
	}
	return "[" + strings.Join(words, " ") + "]"
}

// What the caller's side keeps can be read as a record's log is.
func TestToldLines(t *testing.T) {
	line, err := json.Marshal(agent.Event{Kind: agent.User, Turn: 1, Text: "hello", Final: true})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := event(record.Entry{Kind: record.Line, Now: time.Second, Raw: line}); err != nil || e.At != time.Second || e.Text != "hello" {
		t.Errorf("%+v, %v", e, err)
	}
}
