package rerun

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/internal/netsim"
	"parley/internal/provider"
	"parley/llm"
	"parley/llm/script"
	"parley/media"
	"parley/tts"
)

// barged is a caller who interrupts the greeting, says "mm-hm" into the answer, and asks again.
func barged(t testing.TB) Stage {
	return Stage{
		ID: "barged", Up: caller(t, "", at(26), span{at(2), at(3.5)}, span{at(5.2), at(5.6)}, span{at(16), at(17.5)}),
		Engines: stubs("Wait, what time is it?", "Mm-hm.", "And tomorrow?"),
		Profile: agent.Profile{Greeting: strings.Repeat("I can talk for a very long time. ", 20)}, Length: at(26),
	}
}

func TestStories(t *testing.T) {
	tests := []struct {
		name  string
		stage func(testing.TB) Stage
		look  func(t *testing.T, r Result)
	}{
		{"interrupted", barged, func(t *testing.T, r Result) {
			if !said(r, 1).Interrupted || !strings.Contains(said(r, 2).Heard, "what time is it?") || len(decided(r, turn.Resume)) != 1 {
				t.Errorf("said %+v, then %+v; resumed at %v", said(r, 1), said(r, 2), decided(r, turn.Resume))
			}
		}},
		{"typed, muted, a key, hung up", func(t testing.TB) Stage {
			s := asked(t)
			in := func(sec float64, i agent.Input) Timed { return Timed{at(sec), i} }
			s.Inputs = []Timed{
				in(4.5, agent.Input{Kind: agent.HangUp}), in(0.2, agent.Input{Kind: agent.Mute, On: true}),
				in(3, agent.Input{Kind: agent.Typed, Text: "What is typed?"}), in(4, agent.Input{Kind: agent.Key, Text: "#"}),
			}
			return s
		}, func(t *testing.T, r Result) {
			if !errors.Is(r.End, agent.ErrHungUp) || r.Length > at(4.7) {
				t.Errorf("ended after %v for %v", r.Length, r.End)
			}
			if n := len(decided(r, turn.Commit)); n != 2 { // not what was spoken: the microphone was off
				t.Errorf("%d turns", n)
			}
		}},
		{"the path is dead for two seconds", func(t testing.TB) Stage {
			s := asked(t)
			s.Up = caller(t, "", at(14), span{at(1), at(2.5)})
			s.Length = at(14)
			s.Profile.Greeting = strings.Repeat("I can talk for a very long time. ", 20)
			s.Network = &Network{Profile: netsim.Profile{Base: 20 * ms, Outage: netsim.Outage{First: at(6), Long: at(2)}}}
			return s
		}, func(t *testing.T, r Result) {
			if r.Counts.Lost != 100 {
				t.Errorf("%d packets were lost", r.Counts.Lost)
			}
			lost, back := came(r, agent.PathLost), came(r, agent.PathBack)
			if len(lost) != 1 || lost[0] > at(6.7) || len(back) != 1 || back[0] < at(8) || back[0] > at(8.3) {
				t.Errorf("lost at %v, back at %v", lost, back)
			}
		}},
		{"bad networks", func(t testing.TB) Stage {
			s := barged(t)
			p, err := netsim.Named("lte-edge")
			if err != nil {
				t.Fatal(err)
			}
			s.Network = &Network{Profile: p, Seed: 7}
			return s
		}, func(t *testing.T, r Result) {
			if r.Counts.Lost == 0 || r.Heard.Received == r.Heard.Sent || r.Heard.Missed == 0 || r.Heard.Longest < 20*ms {
				t.Errorf("counts %+v, heard %+v", r.Counts, r.Heard)
			}
		}},
		{"the model fails once", func(t testing.TB) Stage {
			s := asked(t)
			s.Engines.Model = failing(s.Engines.Model, 1)
			return s
		}, func(t *testing.T, r Result) {
			all := Recoveries(r)
			if len(all) != 1 || all[0].Code != "llm" || !all[0].Spoke || !all[0].Silent || all[0].Took > 200*ms {
				t.Errorf("recovered %+v", all)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s := tt.stage(t)
				s.Dir = dir
				r, err := s.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				holds(t, r)
				tt.look(t, r)
				if r.Engines.Live > 2 {
					t.Errorf("%+v", r.Engines)
				}
			})
		})
	}
}

// decided are the moments of a kind of decision.
func decided(r Result, k turn.DecisionKind) (at []time.Duration) {
	for _, e := range r.Events {
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			if d.Kind == k {
				at = append(at, e.At)
			}
		}
	}
	return at
}

// came are the moments of a kind of input.
func came(r Result, k agent.InputKind) (at []time.Duration) {
	for _, e := range r.Events {
		if e.Took != nil && e.Took.Kind == agent.Came && e.Took.Input.Kind == k {
			at = append(at, e.At)
		}
	}
	return at
}

// failing is a model that fails the first n times.
func failing(next llm.Model, n int) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		if n--; n < 0 {
			return next.Generate(ctx, req)
		}
		return func(yield func(llm.Delta, error) bool) { yield(llm.Delta{}, provider.ErrUnavailable) }
	})
}

// A stage may be used again, and a seed loses the same packets.
func TestAgain(t *testing.T) {
	p, err := netsim.Named("burst5")
	if err != nil {
		t.Fatal(err)
	}
	heard := func(seed uint64) (texts string, lost int) {
		synctest.Test(t, func(t *testing.T) {
			s := barged(t)
			s.Network = &Network{Profile: p, Seed: seed}
			r := run(t, s)
			for turn := range 4 {
				texts += said(r, turn).Heard + "\n"
			}
			lost = r.Counts.Lost
		})
		return texts, lost
	}
	a, n := heard(1)
	b, m := heard(1)
	if a != b || n != m || n == 0 {
		t.Errorf("%d lost and said:\n%s%d lost and said:\n%s", n, a, m, b)
	}
	if _, o := heard(2); o == n {
		t.Errorf("another seed loses %d packets too", o)
	}
}

// Outside of a bubble a conversation takes its time, and ends with its context.
func TestRealTime(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	enough := errors.New("the test has seen enough")
	s := asked(t)
	s.Dir, s.Profile.Greeting = t.TempDir(), "Hello there."
	s.Engines.Model = script.New(script.Options{})
	var speaking atomic.Bool // there is something to be sent
	voice, beats := s.Engines.Voice, 0
	s.Engines.Voice = tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			voice.Speak(ctx, text)(func(a tts.Audio, err error) bool {
				speaking.Store(true)
				return yield(a, err)
			})
		}
	})
	s.Beat = func() {
		if speaking.Load() {
			beats++
		}
		if beats == 30 {
			stop(enough)
		}
	}
	r, err := s.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, r)
	if !errors.Is(r.End, enough) || r.Length < 500*ms || len(r.Sent) < 10 {
		t.Errorf("ended after %v for %v with %d packets sent", r.Length, r.End, len(r.Sent))
	}
}

func TestWrongStages(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Stage)
		want  string
	}{
		{"codec", func(s *Stage) { s.Codec = "mp3" }, "codec"},
		{"id", func(s *Stage) { s.ID = "../x" }, "an id has"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := asked(t)
			s.Dir = t.TempDir()
			tt.spoil(&s)
			if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Error(err)
			}
		})
	}
}
