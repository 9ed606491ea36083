package web

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/media/rtc"
)

func TestMessage(t *testing.T) {
	for _, c := range []struct {
		event agent.Event
		want  string
	}{
		{agent.Event{Kind: agent.State, Text: "thinking", At: 1500 * time.Millisecond}, `{"type":"state","state":"thinking","atMs":1500}`},
		{agent.Event{Kind: agent.User, Turn: 2, Text: "hi", Final: true, At: time.Second}, `{"type":"user","turn":2,"text":"hi","final":true,"atMs":1000}`},
		{agent.Event{Kind: agent.Answer, Turn: 2, At: 2500 * time.Millisecond, Said: &agent.Said{Generated: "a b c", Sent: "a b", Heard: "a", Done: true, Interrupted: true}},
			`{"type":"agent","turn":2,"heard":"a","sent":"a b","generated":"a b c","done":true,"interrupted":true,"atMs":2500}`},
		{agent.Event{Kind: agent.Timing, Turn: 2, Measured: agent.Measured{Latency: &agent.Latency{Commit: time.Second, Sent: 1020500 * time.Microsecond}}},
			`{"type":"latency","turn":2,"totalMs":1020.5,"endpointMs":1000,"textMs":0,"tokenMs":0,"phraseMs":0,"audioMs":0}`},
		{agent.Event{Kind: agent.Trouble, Code: "llm", Text: "It failed."}, `{"type":"error","code":"llm","text":"It failed.","fatal":false}`},
		{agent.Event{Kind: agent.End, Err: agent.ErrGoodbye}, `{"type":"ended","reason":"The agent said goodbye."}`},
		{agent.Event{Kind: agent.Step}, ""},
	} {
		if got := string(Message(c.event)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.event.Kind, got, c.want)
		}
	}
	if got := string(Recording{By: "caller"}.Tell()); got != `{"type":"recording","on":false,"by":"caller"}` {
		t.Error(got)
	}
	if got := string(Greet(Hello{Session: "s"})); !strings.HasPrefix(got, `{"type":"hello","session":"s"`) {
		t.Error(got)
	}
}

func TestFarewell(t *testing.T) {
	for _, err := range []error{agent.ErrGoodbye, rtc.ErrVanished, rtc.ErrHostile, errors.New("secret detail"), nil} {
		if got := Farewell(err); got == "" || strings.Contains(got, "secret") {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestParseCommand(t *testing.T) {
	for msg, want := range map[string]agent.Input{
		`{"type":"text","text":" hello "}`:  {Kind: agent.Typed, Text: "hello"},
		`{"type":"mute","on":true}`:         {Kind: agent.Mute, On: true},
		`{"type":"key","key":"5"}`:          {Kind: agent.Key, Text: "5"},
		`{"type":"key","key":"D"}`:          {Kind: agent.Key, Text: "D"},
		`{"type":"hangup","extra":[1,2,3]}`: {Kind: agent.HangUp},
		`{"type":"playout","delayMs":85.5}`: {Kind: agent.Played, At: 85500 * time.Microsecond},
		`{"type":"playout","delayMs":2000}`: {Kind: agent.Played, At: 2 * time.Second},
	} {
		c, err := ParseCommand([]byte(msg))
		if got, ok := c.Input(); err != nil || !ok || got != want {
			t.Errorf("%s: %+v, %v", msg, got, err)
		}
	}
	c, err := ParseCommand([]byte(`{"type":"record","on":true}`))
	if _, ok := c.Input(); err != nil || ok || !c.On {
		t.Errorf("%+v, %v", c, err)
	}
	for _, msg := range []string{``, `null`, `[]`, `{"type":"text"}`, `{"type":"record","on":1}`, `{"type":5}`, `{"type":"sing"}`,
		`{"type":"playout","delayMs":-1}`, `{"type":"playout","delayMs":2001}`, `{"type":"playout","delayMs":"long"}`,
		`{"type":"key"}`, `{"type":"key","key":"E"}`, `{"type":"key","key":"12"}`, `{"type":"key","key":5}`,
		`{"type":"text","text":"` + strings.Repeat("x", 5000) + `"}`} {
		if got, err := ParseCommand([]byte(msg)); err == nil {
			t.Errorf("%.40s: %+v", msg, got)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add([]byte(`{"type":"text","text":"hello"}`))
	f.Add([]byte(`{"type":"mute","on":1e99}`))
	f.Add([]byte(`{"type":"key","key":"*"}`))
	f.Add([]byte(`{"type":"playout","delayMs":120}`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := ParseCommand(msg)
		in, ok := c.Input()
		if err == nil && ok == (c.Type == "record") || err != nil && ok {
			t.Errorf("%+v", c)
		}
		if err == nil && in.Kind == agent.Key && (len(in.Text) != 1 || !strings.Contains("0123456789*#ABCD", in.Text)) {
			t.Errorf("key %q", in.Text)
		}
		if err == nil && (in.At < 0 || in.At > delayLimit*time.Millisecond) {
			t.Errorf("%+v", in)
		}
		if err == nil && in.Kind == agent.Typed && (in.Text == "" || len(in.Text) > textLimit) {
			t.Errorf("%q", in.Text)
		}
	})
}

func TestPostbox(t *testing.T) {
	open := false
	var sent []string
	p := Postbox{Open: func() bool { return open }, Post: func(b []byte) bool { sent = append(sent, string(b)); return true }}
	p.Put([]byte("a"))
	p.Put([]byte("b"))
	open = true
	p.Put([]byte("c"))
	if got := strings.Join(sent, ""); got != "abc" {
		t.Errorf("sent %q", got)
	}
	open = false
	for range postboxDepth + 3 {
		p.Put([]byte("x"))
	}
	if p.dropped != 3 {
		t.Errorf("dropped %d", p.dropped)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	p.Flush(ctx)
	open = true
	p.Flush(t.Context())
	if len(sent) != 3+postboxDepth {
		t.Errorf("sent %d", len(sent))
	}
}
