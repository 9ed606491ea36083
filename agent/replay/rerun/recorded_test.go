package rerun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/media"
	"parley/media/record"
	"parley/tts/tone"
)

// recorded holds a conversation and opens its record.
func recorded(t *testing.T, stage func(testing.TB) Stage) (Result, *record.Bundle) {
	t.Helper()
	var r Result
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		s.Dir = dir
		var err error
		if r, err = s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		holds(t, r)
	})
	b, err := record.Open(r.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, b
}

// decisions are what was decided, without moments.
func decisions(r Result) (all []string) {
	for _, e := range r.Events {
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			all = append(all, d.String())
		}
	}
	return all
}

func TestRecordedAndHeldAgain(t *testing.T) {
	typing := func(t testing.TB) Stage {
		s := barged(t)
		s.Inputs = []Timed{
			{at(21), agent.Input{Kind: agent.Typed, Text: "And in writing?"}}, {at(24), agent.Input{Kind: agent.HangUp}},
		}
		return s
	}
	was, b := recorded(t, typing)
	synctest.Test(t, func(t *testing.T) {
		s, trouble, err := Recorded(b, nil)
		if err != nil || trouble != nil {
			t.Fatal(trouble, err)
		}
		if s.Profile.Greeting != barged(t).Profile.Greeting || len(s.Inputs) != 2 || s.Engines.Finisher != nil {
			t.Errorf("stage %+v", s)
		}
		s.ID, s.Dir = "again", filepath.Dir(was.Bundle)
		r, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		holds(t, r)
		if a, b := decisions(was), decisions(r); !reflect.DeepEqual(a, b) {
			t.Errorf("decided\n%s\nand again\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		for n := range 5 {
			if a, b := said(was, n), said(r, n); a != b {
				t.Errorf("turn %d: said %+v, again %+v", n, a, b)
			}
		}
		if len(r.Misses) > 0 {
			t.Errorf("missed %+v", r.Misses)
		}
		if d := r.Length - was.Length; d.Abs() > media.FrameDuration {
			t.Errorf("it lasted %v, then %v", was.Length, r.Length)
		}
	})
}

// Through a network the voice is detected anew, and what the log tells of the path does not count.
func TestRecordedThroughANetwork(t *testing.T) {
	_, b := recorded(t, func(t testing.TB) Stage {
		s := asked(t)
		s.Inputs = []Timed{{at(9), agent.Input{Kind: agent.PathLost}}, {at(9.5), agent.Input{Kind: agent.PathBack}}, {at(10), agent.Input{Kind: agent.Mute, On: true}}}
		return s
	})
	synctest.Test(t, func(t *testing.T) {
		s, trouble, err := Recorded(b, tone.Voice{})
		if err != nil || trouble != nil {
			t.Fatal(trouble, err)
		}
		s = s.Through(Network{Seed: 1}, vad.Energy{})
		if len(s.Inputs) != 1 || s.Inputs[0].Kind != agent.Mute {
			t.Errorf("inputs %+v", s.Inputs)
		}
		s.Profile.Greeting = "Good morning."
		r := run(t, s)
		holds(t, r)
		if got := said(r, 2).Heard; got != "You said: What is the time?" {
			t.Errorf("said %q", got)
		}
		if len(r.Misses) == 0 || r.Misses[0].Engine != "tts" {
			t.Errorf("the greeting is another: missed %+v", r.Misses)
		}
	})
}

func TestInputsOfALog(t *testing.T) {
	came := func(in agent.Input) agent.Event {
		return agent.Event{Kind: agent.Took, Took: &agent.Taken{Kind: agent.Came, Input: &in}}
	}
	old := func(in turn.Input) agent.Event { return agent.Event{Kind: agent.Step, Step: &turn.Entry{In: in}} }
	caused := old(turn.Input{Kind: turn.Typed, Text: "Hi"})
	caused.Cause = 1
	key := agent.Input{Kind: agent.Key, Text: "5"}
	l := new(log).add(1, came(agent.Input{Kind: agent.Typed, Text: "Hi"})).add(1, caused).add(2, came(key)).add(3.05, came(key)).
		add(4, old(turn.Input{Kind: turn.Muted, On: true})).add(5, old(turn.Input{Kind: turn.Score})).add(6, old(turn.Input{Kind: turn.PathLost, At: at(5)})).
		add(7, agent.Event{Kind: agent.End, Text: agent.ErrHungUp.Error()})
	got := inputs(l.events, []time.Duration{at(3)})
	want := []Timed{
		{at(1), agent.Input{Kind: agent.Typed, Text: "Hi"}}, {at(2), key}, {at(4), agent.Input{Kind: agent.Mute, On: true}},
		{at(6), agent.Input{Kind: agent.PathLost, At: at(5)}}, {at(7), agent.Input{Kind: agent.HangUp}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Nothing to hold again is an error that says so; a hole in the log is told of.
func TestRecordsThatAreNotWhole(t *testing.T) {
	r, _ := recorded(t, asked)
	spoiled := func(name string, change func([]byte) []byte) *record.Bundle {
		t.Helper()
		to := t.TempDir()
		if err := os.CopyFS(to, os.DirFS(r.Bundle)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(to, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), change(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := record.Open(to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	if s, trouble, err := Recorded(spoiled("log", half), nil); err != nil || trouble == nil || len(s.Up) == 0 {
		t.Errorf("half a log: %v, %v", trouble, err)
	}
	if s, trouble, err := Recorded(spoiled("packets", half), nil); err != nil || trouble == nil || len(s.Up) == 0 || len(s.Up) > 599 {
		t.Errorf("half of the packets: %v, %v", trouble, err)
	}
	if _, _, err := Recorded(spoiled("packets", func(b []byte) []byte { return b[:30] }), nil); err == nil || !strings.Contains(err.Error(), "no packets") {
		t.Errorf("no packets: %v", err)
	}
	if _, _, err := Recorded(spoiled("log", func([]byte) []byte { return nil }), nil); err == nil {
		t.Error("no log, and no error")
	}
	bad := spoiled("manifest.json", func(b []byte) []byte {
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		m["config"] = 5
		out, _ := json.Marshal(m)
		return out
	})
	if _, trouble, err := Recorded(bad, nil); err != nil || trouble == nil || !strings.Contains(trouble.Error(), "configuration") {
		t.Errorf("another configuration: %v, %v", trouble, err)
	}
}
