package serve

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/llm"
)

var discard = slog.New(slog.DiscardHandler)

func stepped(in turn.Input, out ...turn.Decision) agent.Event {
	return agent.Event{Kind: agent.Step, Step: &turn.Entry{In: in, Out: out}}
}

func final(text string, start int) agent.Event {
	return stepped(turn.Input{Kind: turn.Final, Text: text, Start: sec(float64(start))})
}

func committed(n int, reason string) agent.Event {
	return stepped(turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Commit, Turn: n, Reason: reason})
}

func answered(n int, heard string) agent.Event {
	return agent.Event{Kind: agent.Answer, Turn: n, Said: &agent.Said{Heard: heard, Done: true}}
}

func asked(reply int, messages ...string) agent.Event {
	a := &agent.Asked{Reply: reply}
	for _, m := range messages {
		a.Messages = append(a.Messages, llm.Message{Role: llm.User, Text: m})
	}
	return agent.Event{Kind: agent.Ask, Asked: a}
}

func wrote(reply int) agent.Event {
	return agent.Event{Kind: agent.Took, Took: &agent.Taken{Kind: agent.Wrote, Reply: reply, Text: "words"}}
}

var (
	tick = stepped(turn.Input{Kind: turn.Tick})
	key  = stepped(turn.Input{Kind: turn.Key, Text: "4"})
)

// Each story is events that come after a pause that ended at 10 s, in which turn 3 was committed. What is kept of them is
// in the second line: y or n for each.
func TestDiscretion(t *testing.T) {
	for name, c := range map[string]struct {
		events []agent.Event
		want   string
	}{
		"a turn after it":              {[]agent.Event{tick, committed(4, ""), answered(4, "yes"), tick, committed(5, ""), answered(5, "yes")}, "nnnyyy"},
		"the answer of one before it":  {[]agent.Event{answered(3, "yes"), tick, committed(4, ""), tick}, "nnnn"},
		"one before it answered late":  {[]agent.Event{committed(4, ""), answered(3, "yes"), tick, answered(4, "yes"), tick}, "nnnny"},
		"nothing was heard":            {[]agent.Event{committed(4, ""), answered(4, ""), tick, committed(5, ""), answered(5, "yes"), tick}, "nnnnny"},
		"words of the agent's own":     {[]agent.Event{stepped(turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.CheckIn, Turn: 4}), answered(4, "Still there?"), tick}, "nnn"},
		"a key waits":                  {[]agent.Event{key, committed(4, ""), answered(4, "yes"), tick, committed(5, turn.Written), answered(5, "keys"), tick}, "nnnnnny"},
		"what is typed is no key":      {[]agent.Event{key, stepped(turn.Input{Kind: turn.Typed}, turn.Decision{Kind: turn.Commit, Turn: 4, Reason: turn.Written}), answered(4, "yes"), tick}, "nnnn"},
		"a late result while waiting":  {[]agent.Event{committed(4, ""), final("secret", 9), answered(4, "yes"), tick, committed(5, ""), answered(5, "yes"), tick}, "nnnnnny"},
		"a late result after the wait": {[]agent.Event{committed(4, ""), answered(4, "yes"), final("new", 11), final("secret", 9), tick, committed(5, ""), answered(5, "yes"), tick}, "nnynnnny"},
		"a late result without words":  {[]agent.Event{committed(4, ""), answered(4, "yes"), final("", 9), tick}, "nnyy"},
		"late words once more":         {[]agent.Event{final("secret", 9), committed(4, ""), answered(4, "yes"), final("secret", 9), tick, final("secrets", 9), tick}, "nnnnynn"},
		"late words once more that decide": {[]agent.Event{final("secret", 9), committed(4, ""), answered(4, "yes"),
			stepped(turn.Input{Kind: turn.Final, Text: "secret", Start: sec(9)}, turn.Decision{Kind: turn.Commit, Turn: 5}), tick}, "nnnnn"},
		"a late result that commits": {[]agent.Event{stepped(turn.Input{Kind: turn.Final, Text: "secret", Start: sec(9)}, turn.Decision{Kind: turn.Commit, Turn: 4}),
			answered(4, "yes"), tick}, "nny"},
		"an answer cut by a turn": {[]agent.Event{committed(4, ""), committed(5, turn.Written), answered(4, "yes"), asked(9), wrote(9), answered(5, "yes"), tick}, "nnnnnny"},
		"answers of before":       {[]agent.Event{asked(7), committed(4, ""), asked(8), answered(4, "yes"), wrote(7), wrote(8), asked(9), wrote(9)}, "nnnnnnyy"},
		"turns of before": {[]agent.Event{committed(4, ""), answered(4, "yes"), answered(3, "secret"), answered(4, "secret"), {Kind: agent.User, Turn: 4, Text: "secret"},
			{Kind: agent.User, Turn: 5, Text: "new"}}, "nnnnny"},
		"a thought of the next": {[]agent.Event{committed(4, ""), stepped(turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Think, Turn: 5}), answered(4, "yes"), answered(5, "no")}, "nnny"},
	} {
		var d discretion
		d.event(asked(6))
		d.pause()
		if _, ok := d.event(committed(3, "")); ok {
			t.Errorf("%s: kept in the pause", name)
		}
		d.resume(10 * time.Second)
		got := ""
		for _, e := range c.events {
			if _, ok := d.event(e); ok {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestWithheld(t *testing.T) {
	var d discretion
	e := asked(1, "hello", "secret")
	if kept, ok := d.event(e); !ok || len(kept.Asked.Messages) != 2 || !d.tape([]byte("not JSON")) {
		t.Errorf("without a pause: %+v", kept.Asked)
	}
	d.pause()
	d.resume(sec(10))
	d.event(committed(2, ""))
	d.event(answered(2, "yes"))
	e = asked(2, "hello", "secret", "more")
	kept, ok := d.event(e)
	if got := fmt.Sprint(kept.Asked.Messages); !ok || !strings.Contains(got, "withheld") || !strings.Contains(got, "3 messages") || strings.Contains(got, "secret") {
		t.Errorf("%s", got)
	}
	if e.Asked.Messages[1].Text != "secret" {
		t.Error("the conversation's own messages were changed")
	}
	if kept, _ := d.event(asked(3)); len(kept.Asked.Messages) != 0 {
		t.Errorf("%v were withheld of none", kept.Asked.Messages)
	}
}

func TestTapesOfBefore(t *testing.T) {
	var d discretion
	rolls := func() {
		d.event(committed(d.turn+1, ""))
		d.event(answered(d.turn, "yes"))
	}
	keeps := func(when string, lines map[string]bool) {
		t.Helper()
		for line, want := range lines {
			if got := d.tape([]byte(line)); got != want {
				t.Errorf("%s: %s: %v", when, line, got)
			}
		}
	}
	keeps("before", map[string]bool{`{"engine":"llm","stream":1,"open":{}}`: true, `{"engine":"llm","stream":1,"delta":{}}`: true})
	d.pause()
	keeps("in it", map[string]bool{`{"engine":"llm","stream":1,"end":{}}`: false, `{"engine":"llm","stream":2,"open":{}}`: false})
	d.resume(sec(10))
	keeps("waiting", map[string]bool{`{"engine":"llm","stream":2,"delta":{}}`: false, `{"engine":"tts","stream":2,"open":{}}`: false})
	rolls()
	keeps("after", map[string]bool{
		`{"engine":"llm","stream":1,"end":{}}`: false, `{"engine":"llm","stream":2,"end":{}}`: false, `{"engine":"tts","stream":2,"spoken":{}}`: false,
		`{"engine":"stt","stream":1,"flush":1}`:                                  false,
		`{"engine":"stt","stream":1,"result":{"text":"a","start":9000000000}}`:   false,
		`{"engine":"stt","stream":1,"result":{"text":"a","start":10000000000}}`:  true,
		`{"engine":"stt","stream":1,"result":{"text":"a","start":"1000000000"}}`: false,
		`nonsense`: false, `null`: false, `[]`: false,
	})
	keeps("opened", map[string]bool{`{"engine":"llm","stream":3,"open":{"v":1}}`: true})
	keeps("of one opened", map[string]bool{`{"engine":"llm","stream":3,"delta":{}}`: true, `{"engine":"tts","stream":3,"sound":{}}`: false})
	d.pause()
	d.resume(sec(20))
	rolls()
	keeps("after another", map[string]bool{`{"engine":"llm","stream":3,"delta":{}}`: false})
}
