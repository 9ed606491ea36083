package rerun

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/llm"
	"parley/media"
	"parley/media/record"
	"parley/tts"
)

// log numbers events and gives them their moments, in seconds.
type log struct{ events []agent.Event }

func (l *log) add(sec float64, e agent.Event) *log {
	e.Seq, e.At = uint64(len(l.events)+1), at(sec)
	l.events = append(l.events, e)
	return l
}

func (l *log) step(sec float64, in turn.Input, out ...turn.Decision) *log {
	return l.add(sec, agent.Event{Kind: agent.Step, Step: &turn.Entry{Now: at(sec), In: in, Out: out}})
}

func (l *log) took(sec float64, t agent.Taken) *log {
	return l.add(sec, agent.Event{Kind: agent.Took, Took: &t})
}

func (l *log) ask(sec float64, reply, turn int, said ...string) *log {
	a := agent.Asked{Reply: reply}
	for _, s := range said {
		a.Messages = append(a.Messages, llm.Message{Role: llm.User, Text: "What?"}, llm.Message{Role: llm.Agent, Text: s})
	}
	return l.add(sec, agent.Event{Kind: agent.Ask, Turn: turn, Asked: &a})
}

func (l *log) said(sec float64, turn int, heard string, cut bool) *log {
	return l.add(sec, agent.Event{Kind: agent.Answer, Turn: turn, Said: &agent.Said{Heard: heard, Done: true, Interrupted: cut}})
}

func decision(k turn.DecisionKind, n int) turn.Decision { return turn.Decision{Kind: k, Turn: n} }

var tick = turn.Input{Kind: turn.Tick}

// frames are one each 20 ms from 10 ms on, with sound in the spans and in part of those that are told.
func frames(long float64, part map[int]time.Duration, voice ...span) (out []Frame) {
	for i := 0; i < int(long*50); i++ {
		f := Frame{At: time.Duration(i)*media.FrameDuration + 10*ms, Sound: part[i]}
		for _, v := range voice {
			if f.At >= v.from && f.At < v.to {
				f.Sound = media.FrameDuration
			}
		}
		out = append(out, f)
	}
	return out
}

func expect(t *testing.T, rule func(Result) []Violation, r Result, want string) {
	t.Helper()
	var got []string
	for _, v := range rule(r) {
		got = append(got, v.String())
	}
	if all := strings.Join(got, "\n"); all != strings.TrimSpace(want) {
		t.Errorf("found\n%s\nwant\n%s", all, want)
	}
}

func TestNoSoundAfterAStop(t *testing.T) {
	held := func() *log { return new(log).step(1, tick, decision(turn.Hold, 1)) }
	tests := []struct {
		name   string
		log    *log
		frames []Frame
		want   string
	}{
		{"silent at once", held(), frames(2, nil, span{0, at(1)}), ""},
		{"a fade", held(), frames(2, map[int]time.Duration{50: fade}, span{0, at(1)}), ""},
		{"more than a fade", held(), frames(2, map[int]time.Duration{50: fade + ms}, span{0, at(1)}),
			"I1 at 1.01s, event 1: a frame with 6ms of sound is sent 10ms after a stop was decided"},
		{"a fade a frame late", held(), frames(2, map[int]time.Duration{51: fade}, span{0, at(1)}),
			"I1 at 1.03s, event 1: a frame with 5ms of sound is sent 30ms after a stop was decided"},
		{"sound goes on", held(), frames(2, nil, span{0, at(1.03)}),
			"I1 at 1.01s, event 1: a frame with 20ms of sound is sent 10ms after a stop was decided"},
		{"until it resumes", held().step(1.4, tick, decision(turn.Resume, 1)), frames(2, nil, span{0, at(1)}, span{at(1.4), at(2)}), ""},
		{"before it resumes", held().step(1.4, tick, decision(turn.Resume, 1)), frames(2, nil, span{0, at(1)}, span{at(1.38), at(2)}),
			"I1 at 1.39s, event 1: a frame with 20ms of sound is sent 390ms after a stop was decided"},
		{"the next turn may sound", held().step(1.4, tick, decision(turn.Interrupt, 1), decision(turn.Commit, 2)),
			frames(2, nil, span{0, at(1)}, span{at(1.5), at(2)}), ""},
		{"the next turn begins held", new(log).step(1, tick, decision(turn.Interrupt, 1), decision(turn.Commit, 2), decision(turn.Hold, 2)),
			frames(2, nil, span{0, at(1)}, span{at(1.98), at(2)}), "I1 at 1.99s, event 1: a frame with 20ms of sound is sent 990ms after a stop was decided"},
		{"told to stop", new(log).step(1, tick, decision(turn.Interrupt, 1), turn.Decision{Kind: turn.Obey, Turn: 2, Text: "stop"}),
			frames(2, nil, span{0, at(1)}, span{at(1.98), at(2)}), "I1 at 1.99s, event 1: a frame with 20ms of sound is sent 990ms after a stop was decided"},
		{"told goodbye", new(log).step(1, tick, decision(turn.Interrupt, 1), turn.Decision{Kind: turn.Obey, Turn: 2, Text: "goodbye"}),
			frames(2, nil, span{0, at(1)}, span{at(1.1), at(2)}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			expect(t, silence, Result{Events: tt.log.events, Frames: tt.frames, Length: at(2)}, tt.want)
		})
	}
}

func TestOnlyWhatWasHeardIsTold(t *testing.T) {
	// A greeting that was heard, then an answer of three words that was cut after the second.
	begin := func() *log {
		l := new(log).ask(0, 1, 1).said(1, 1, "Hi there.", false).ask(2, 2, 2, "Hi there.")
		l.took(2.1, agent.Taken{Kind: agent.Phrased, Reply: 2, Text: "One two three."})
		l.took(2.2, agent.Taken{Kind: agent.Sounded, Reply: 2, Long: at(3), Words: []tts.Word{
			{Text: "One", Start: 0, End: at(1)}, {Text: "two", Start: at(1), End: at(2)}, {Text: "three", Start: at(2), End: at(3)}}})
		return l.took(4, agent.Taken{Kind: agent.Cut, Reply: 2, Long: at(1.8)})
	}
	tests := []struct {
		name string
		log  *log
		want string
	}{
		{"cut", begin().ask(4, 3, 3, "Hi there.", "One two …"), ""},
		{"cut earlier", begin().ask(4, 3, 3, "Hi there.", "One …"), ""},
		{"the older one left out", begin().ask(4, 3, 3, "One two …"), ""},
		{"both in one", begin().ask(4, 3, 3, "Hi there. One two …"), ""},
		{"more than was sent", begin().ask(4, 3, 3, "Hi there.", "One two three …"),
			`I2 at 4s, event 7: the model is told that the agent said "One two three …", of which "One two three …" was not heard`},
		{"no mark", begin().ask(4, 3, 3, "Hi there.", "One two"),
			`I2 at 4s, event 7: the model is told that the agent said "One two", of which "One two" was not heard`},
		{"a mark too many", begin().ask(4, 3, 3, "Hi …"), `I2 at 4s, event 7: the model is told that the agent said "Hi …", of which "Hi …" was not heard`},
		{"the rest of it, unheard", begin().ask(4, 3, 3, "Hi there. And more."),
			`I2 at 4s, event 7: the model is told that the agent said "Hi there. And more.", of which "And more." was not heard`},
		{"twice", begin().ask(4, 3, 3, "Hi there.", "Hi there."),
			`I2 at 4s, event 7: the model is told that the agent said "Hi there.", of which "Hi there." was not heard`},
		{"its end tells more", begin().said(4.1, 2, "One two", true).ask(5, 3, 3, "Hi there.", "One two …"), ""},
		{"thrown away and asked again", begin().ask(4, 3, 3, "Hi there.").ask(4.1, 4, 3, "Hi there.").said(5, 3, "All right.", false).
			ask(6, 5, 4, "Hi there.", "All right. All right."),
			`I2 at 6s, event 10: the model is told that the agent said "All right. All right.", of which "All right." was not heard`},
		{"a voice without words", new(log).ask(0, 1, 1).took(1, agent.Taken{Kind: agent.Phrased, Reply: 1, Text: "One two three four"}).
			took(1, agent.Taken{Kind: agent.Sounded, Reply: 1, Long: at(2)}).took(2, agent.Taken{Kind: agent.Cut, Reply: 1, Long: at(1)}).
			ask(2, 2, 2, "One two …").ask(2, 3, 3, "One two three …"),
			`I2 at 2s, event 6: the model is told that the agent said "One two three …", of which "One two three …" was not heard`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, told, Result{Events: tt.log.events}, tt.want) })
	}
}

func TestEveryTurnIsAnsweredOrExplained(t *testing.T) {
	commit := func() *log { return new(log).step(1, tick, decision(turn.Commit, 2)) }
	input := func(k turn.InputKind, n int) turn.Input { return turn.Input{Kind: k, Turn: n} }
	tests := []struct {
		name string
		log  *log
		want string
	}{
		{"begun", commit().step(2, input(turn.Began, 2)), ""},
		{"another one begun", commit().step(2, input(turn.Began, 1)), "I3 at 1s, event 1: turn 2 gets no answer, and nothing is said of why"},
		{"trouble", commit().step(2, input(turn.Ended, 2)).add(2, agent.Event{Kind: agent.Trouble}), ""},
		{"interrupted", commit().step(2, tick, decision(turn.Interrupt, 2)), ""},
		{"interrupted at once", new(log).step(1, tick, decision(turn.Commit, 2), decision(turn.Interrupt, 2)), ""},
		{"the one before is interrupted", commit().step(2, tick, decision(turn.Interrupt, 1)), "I3 at 1s, event 1: turn 2 gets no answer, and nothing is said of why"},
		{"the end", commit().add(2, agent.Event{Kind: agent.End}), ""},
		{"the end much later", commit().add(60, agent.Event{Kind: agent.End}), "I3 at 1s, event 1: turn 2 gets no answer, and nothing is said of why"},
		{"held for long", commit().step(2, tick, decision(turn.Hold, 2)).step(50, tick, decision(turn.Resume, 2)).step(60, input(turn.Began, 2)), ""},
		{"held for long, then nothing", commit().step(2, tick, decision(turn.Hold, 2)).step(50, tick, decision(turn.Resume, 2)).step(71, input(turn.Began, 2)),
			"I3 at 1s, event 1: turn 2 gets no answer, and nothing is said of why"},
		{"held from the first", new(log).step(1, tick, decision(turn.Commit, 2), decision(turn.Hold, 2)).step(50, tick, decision(turn.Resume, 2)).step(60, input(turn.Began, 2)), ""},
		{"ended without a sound", commit().step(2, input(turn.Ended, 2)).add(10, agent.Event{Kind: agent.End}),
			"I3 at 1s, event 1: the answer to turn 2 ended without a sound, and nothing is said of why"},
		{"nothing", commit(), "I3 at 1s, event 1: turn 2 gets no answer, and nothing is said of why"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, answered, Result{Events: tt.log.events}, tt.want) })
	}
}

func TestOneAnswerAtATime(t *testing.T) {
	ok := new(log).step(1, tick, decision(turn.Say, 1)).step(2, turn.Input{Kind: turn.Ended, Turn: 1}).step(3, tick, decision(turn.Commit, 2)).
		step(4, tick, decision(turn.Interrupt, 2), decision(turn.Commit, 3))
	expect(t, alive, Result{Events: ok.events, Engines: Meters{Live: 2}}, "")
	bad := new(log).step(1, tick, decision(turn.Say, 1)).step(3, tick, decision(turn.Commit, 2))
	expect(t, alive, Result{Events: bad.events, Engines: Meters{Live: 3, LiveAt: at(2)}}, `
I4 at 3s, event 2: turn 2 is answered while the answer to turn 1 lives
I4 at 2s: the model writes 3 answers at a time`)
}

func TestCanceledWorkEnds(t *testing.T) {
	expect(t, canceled, Result{Engines: Meters{Cancels: []Cancel{{"llm", at(1), 50 * ms}, {"tts", at(2), 51 * ms}}}},
		"I5 at 2s: the voice takes 51ms to end after it was canceled")
}

func TestQueuesAreBounded(t *testing.T) {
	expect(t, bounded, Result{Engines: Meters{Behind: at(10), Skipped: at(3)}}, "")
	r := Result{Length: at(9), Counts: Counts{UplinkLost: 1, InputsLost: 2, RecorderLost: 3, RecordLost: 4}, Engines: Meters{Behind: at(1), Skipped: 20 * ms}}
	expect(t, bounded, r, `
I6 at 9s: the uplink's queue lost 1 packets
I6 at 9s: there was no room for 2 keys or changes of the path
I6 at 9s: the recorder's queue lost 3 packets
I6 at 9s: the record lost 4 entries
I6 at 9s: the recognizer did not get 20ms of audio, although its queue was not full`)
	expect(t, bounded, Result{Engines: Meters{Behind: at(11)}}, "I6 at 0s: the recognizer was given audio that is 11s old")
}

// A loop that goes round without waiting is stopped.
func TestALoopThatSpins(t *testing.T) {
	var ended error
	s := story{end: func(why error) { ended = why }}
	add := func(at time.Duration) { s.add(agent.Event{Seq: uint64(len(s.events) + 1), At: at}) }
	for i := range 2 * spinMost { // many, but with time between them
		add(time.Duration(i) * ms)
	}
	if ended != nil {
		t.Fatal(ended)
	}
	last := s.events[len(s.events)-1].At
	for i := range spinMost + 1 {
		add(last + ms + time.Duration(i))
	}
	if ended != ErrSpins {
		t.Fatalf("ended for %v", ended)
	}
	expect(t, bounded, Result{Events: s.events, End: ErrSpins, Length: at(12)},
		"I6 at 12s, event 10001: the conversation's loop spins: it wakes again and again for something that it does not do then")
}

// A log that was changed, and a record that was, do not give themselves again.
func TestTheLogRepeats(t *testing.T) {
	var r Result
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := asked(t)
		s.Dir = dir
		r = run(t, s)
	})
	expect(t, repeats, r, "")
	var i int
	for i = range r.Events {
		if e := r.Events[i]; e.Step != nil && len(e.Step.Out) > 0 && e.Step.Out[0].Kind == turn.Commit {
			break
		}
	}
	e := r.Events[i]
	bad := *e.Step
	bad.Out = append([]turn.Decision(nil), bad.Out...)
	bad.Out[0].Text = "Something else."
	changed := r
	changed.Events = append([]agent.Event(nil), r.Events...)
	changed.Events[i].Step = &bad
	expect(t, repeats, changed, fmt.Sprintf("I8 at %v, event %d: the log's inputs do not give this event (step) again", e.At.Round(ms), e.Seq))
	changed.Events = r.Events[:len(r.Events)-1]
	if last := r.Events[len(r.Events)-1]; len(repeats(changed)) != 1 {
		t.Errorf("nobody misses the end, %+v", last)
	}

	// The record of another profile.
	path := filepath.Join(r.Bundle, "manifest.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"Greeting": "-"`, `"Greeting": "Hello."`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := repeats(r); len(got) != 1 || !strings.HasPrefix(got[0].Text, "the record's inputs do not give the recorded event") || got[0].Seq == 0 {
		t.Errorf("found %v", got)
	}
	if err := os.WriteFile(filepath.Join(r.Bundle, "log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := repeats(r); len(got) != 1 || !strings.Contains(got[0].Text, "cannot be run again") {
		t.Errorf("found %v", got)
	}
}

func TestTheRecordSums(t *testing.T) {
	r := Result{Record: &record.Report{Duration: at(2), Problems: []string{"It is torn."}}}
	r.Record.Up.Sound, r.Record.Down.Sound = at(2), at(1.9)
	expect(t, sums, r, "I9 at 2s: It is torn.\nI9 at 2s: the caller's track lasts 2s, the agent's 1.9s")
	r.Record.Problems, r.Record.Down.Sound = nil, at(1.98)
	expect(t, sums, r, "")
	expect(t, Check, Result{}, "")
	if got := Unchecked(Result{}); len(got) != 2 || !strings.HasPrefix(got[0], "I7") || !strings.HasPrefix(got[1], "I9") {
		t.Errorf("unchecked %q", got)
	}
	if got := Unchecked(r); len(got) != 1 {
		t.Errorf("unchecked %q", got)
	}
}

func TestRecoveries(t *testing.T) {
	l := new(log).add(1, agent.Event{Kind: agent.Trouble, Code: "llm", Err: os.ErrDeadlineExceeded}).add(1.8, agent.Event{Kind: agent.Trouble, Code: "stt"})
	r := Result{Events: l.events, Frames: frames(2, nil, span{at(0.5), at(1.4)}), Length: at(2)}
	got := fmt.Sprint(Recoveries(r))
	if want := "[{1s llm  (i/o timeout) true 10ms false} {1.8s stt  false 200ms true}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
