package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/provider"
	"parley/llm"
	"parley/llm/script"
	"parley/media"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
	"parley/tts/tone"
)

type span struct{ from, to time.Duration }

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// microphone is the caller: a sound in the given spans, silence else.
func microphone(length time.Duration, voice ...span) media.Source[media.Frame] {
	return func(ctx context.Context) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			time.Sleep(3 * time.Millisecond) // no timer of the story shares a moment with the playout's
			tick := time.NewTicker(media.FrameDuration)
			defer tick.Stop()
			pcm := make([]int16, media.ListenRate/50)
			for t := time.Duration(0); t < length; t += media.FrameDuration {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				for i := range pcm {
					pcm[i] = 0
					for _, v := range voice {
						if t >= v.from && t < v.to {
							pcm[i] = 8000
						}
					}
				}
				if !yield(media.Frame{At: t, Rate: media.ListenRate, PCM: pcm}) {
					return
				}
			}
		}
	}
}

// loud is a detector that hears any sound, a score each frame.
var loud = vad.DetectorFunc(func() vad.Stream { return &loudStream{} })

type loudStream struct{ out [1]vad.Score }

func (l *loudStream) Score(f media.Frame) ([]vad.Score, error) {
	l.out[0] = vad.Score{At: f.At + f.Duration(), Level: -100}
	if f.PCM[0] != 0 {
		l.out[0].Voice, l.out[0].Level = 0.95, -20
	}
	return l.out[:], nil
}

// call is a session and what came of it.
type call struct {
	agent.Session
	mu     sync.Mutex
	events []agent.Event
	sound  []bool // frames on the line: with sound or without
	err    error
}

func newCall(lines []string, length time.Duration, voice ...span) *call {
	c := &call{}
	c.Recognizer = sttscript.New(sttscript.Options{Lines: lines})
	c.Model = script.Echo()
	c.Voice = tone.Voice{}
	c.Detector = loud
	c.In = microphone(length, voice...)
	c.Out = media.NewPlayout(media.SpeakRate, func(f media.Frame) {
		c.mu.Lock()
		defer c.mu.Unlock()
		audible := false
		for _, s := range f.PCM {
			audible = audible || s > 100 || s < -100
		}
		c.sound = append(c.sound, audible)
	})
	c.Profile.Greeting = "-"
	c.Trace = func(e agent.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}
	return c
}

func (c *call) run(t *testing.T) {
	t.Helper()
	c.err = c.Run(t.Context())
	c.repeats(t)
}

// repeats runs the log, as it comes from a record, through the core again.
func (c *call) repeats(t *testing.T) {
	t.Helper()
	if len(c.events) == 0 {
		return
	}
	log := make([]agent.Event, len(c.events))
	for i, e := range c.events {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &log[i]); err != nil {
			t.Fatal(err)
		}
		log[i].Seq, log[i].At = e.Seq, e.At
	}
	next := 0
	for i, again := range agent.Repeat(c.Profile, log) {
		if i != next {
			t.Fatalf("event %d, %s, is neither an input nor the consequence of one", next, line(log[next]))
		}
		for k, e := range again {
			if i+k >= len(log) || line(e) != line(log[i+k]) || e.Seq != log[i+k].Seq || e.At != log[i+k].At {
				t.Fatalf("event %d was %s, is %s", i+k, line(log[min(i+k, len(log)-1)]), line(e))
			}
		}
		next = i + len(again)
	}
	if next != len(log) {
		t.Errorf("of %d events %d repeat", len(log), next)
	}
}

func line(e agent.Event) string {
	b, _ := json.Marshal(e)
	return string(b)
}

func (c *call) log() (log []turn.Entry) {
	for _, e := range c.events {
		if e.Kind == agent.Step {
			log = append(log, *e.Step)
		}
	}
	return log
}

// told is everything but the steps, a line each.
func (c *call) told() string {
	var b strings.Builder
	for _, e := range c.events {
		switch e.Kind {
		case agent.State:
			fmt.Fprintf(&b, "%s\n", e.Text)
		case agent.User:
			if e.Final && e.Text != "" { // an empty one takes words back
				fmt.Fprintf(&b, "caller #%d: %s\n", e.Turn, e.Text)
			}
		case agent.Answer:
			if e.Said.Done {
				cut := ""
				if e.Said.Interrupted {
					cut = " | cut"
				}
				fmt.Fprintf(&b, "agent #%d: %s%s\n", e.Turn, e.Said.Heard, cut)
			}
		case agent.Trouble:
			fmt.Fprintf(&b, "trouble %s: %s\n", e.Code, e.Text)
		case agent.End:
			fmt.Fprintf(&b, "end: %s\n", e.Text)
		}
	}
	return b.String()
}

func (c *call) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.TrimSpace(c.told()); got != strings.TrimSpace(want) {
		t.Errorf("told:\n%s\nwant:\n%s", got, strings.TrimSpace(want))
	}
}

// decisions are the moments of a kind of decision.
func (c *call) decisions(k turn.DecisionKind) (at []time.Duration) {
	for _, e := range c.log() {
		for _, d := range e.Out {
			if d.Kind == k {
				at = append(at, e.Now)
			}
		}
	}
	return at
}

func TestQuestionAndAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"What is the time?"}, at(12), span{at(1), at(2.5)})
		c.run(t)
		c.expect(t, `
listening
caller #1: What is the time?
thinking
speaking
agent #1: You said: What is the time?
listening
end: the caller's audio ended`)
		if !errors.Is(c.err, agent.ErrAudioEnd) {
			t.Error(c.err)
		}
		lat := c.latency(t)
		wait := 850 * time.Millisecond
		if lat.Commit < wait || lat.Commit > wait+50*time.Millisecond || lat.Sent-lat.Commit > 40*time.Millisecond {
			t.Errorf("latency %+v", lat)
		}
		if lat.Token > lat.Commit || lat.Audio > lat.Commit {
			t.Errorf("nothing was thought ahead: %+v", lat)
		}
	})
}

func (c *call) latency(t *testing.T) agent.Latency {
	t.Helper()
	for _, e := range c.events {
		if e.Kind == agent.Timing {
			return *e.Latency
		}
	}
	t.Fatal("no answer was timed")
	return agent.Latency{}
}

func TestGreetingThenBargeIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"Wait, what time is it?"}, at(14), span{at(2), at(3.5)})
		c.Profile.Greeting = strings.Repeat("I can talk for a very long time. ", 20)
		c.run(t)
		hold := c.decisions(turn.Hold)
		if len(hold) != 1 || len(c.decisions(turn.Interrupt)) != 1 {
			t.Fatalf("decisions: %s", c.told())
		}
		if hold[0] > at(2)+150*time.Millisecond {
			t.Errorf("held at %v", hold[0])
		}
		after := int(hold[0]/media.FrameDuration) + 1
		for i, loud := range c.sound[after : after+50] {
			if loud {
				t.Fatalf("frame %d after the hold has sound", i+1)
			}
		}
		got := c.told()
		if !strings.Contains(got, "| cut") || !strings.Contains(got, "agent #2: You said: Wait, what time is it?") {
			t.Errorf("told:\n%s", got)
		}
		if n := len(heardOf(c, 1)); n < 25 || n > 40 { // 1.9 s of 65 ms a character
			t.Errorf("heard %d characters: %q", n, heardOf(c, 1))
		}
	})
}

func heardOf(c *call, n int) (heard string) {
	for _, e := range c.events {
		if e.Kind == agent.Answer && e.Turn == n {
			heard = e.Said.Heard
		}
	}
	return heard
}

func TestCoughDoesNotStopTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"mm-hm"}, at(11), span{at(2), at(2.3)})
		c.Profile.Greeting = "This is a sentence of some length, so that it lasts until the end."
		c.run(t)
		c.expect(t, `
listening
thinking
speaking
agent #1: This is a sentence of some length, so that it lasts until the end.
listening
end: the caller's audio ended`)
		hold, resume := c.decisions(turn.Hold), c.decisions(turn.Resume)
		if len(hold) != 1 || len(resume) != 1 || resume[0]-hold[0] > 600*time.Millisecond {
			t.Errorf("held at %v, resumed at %v", hold, resume)
		}
	})
}

// A model that never answers is given up, and the caller is told so instead of being left in silence.
func TestNoAnswerIsExcused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"What is the time?"}, at(30), span{at(1), at(2.5)})
		c.Model = llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) {
				<-ctx.Done()
				yield(llm.Delta{}, context.Cause(ctx))
			}
		})
		c.run(t)
		c.expect(t, `
listening
caller #1: What is the time?
thinking
listening
thinking
agent #1:  | cut
speaking
agent #2: Sorry, something went wrong. Please say that again.
listening
end: the caller's audio ended`)
	})
}

// The network is gone for eight seconds: the agent holds, says again what was sent into the void, and neither asks
// whether anybody is there nor takes the outage for the end of a turn. The log repeats, and time goes on in it.
func TestPathLostAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(nil, at(22))
		c.Profile.Greeting = "This is a sentence of some length, so that it lasts for a while, and then some more."
		c.Input = func(ctx context.Context) iter.Seq[agent.Input] {
			return func(yield func(agent.Input) bool) {
				time.Sleep(at(4))
				if yield(agent.Input{Kind: agent.PathLost, At: at(2)}) {
					time.Sleep(at(8))
					yield(agent.Input{Kind: agent.PathBack})
				}
			}
		}
		c.run(t)
		hold, resume := c.decisions(turn.Hold), c.decisions(turn.Resume)
		if len(hold) != 1 || len(resume) != 1 || hold[0].Round(10*time.Millisecond) != at(4) || resume[0].Round(10*time.Millisecond) != at(12) {
			t.Fatalf("held at %v, resumed at %v", hold, resume)
		}
		for i, loud := range c.sound {
			if place := time.Duration(i) * media.FrameDuration; loud && place > at(4.04) && place < at(11.96) {
				t.Fatalf("sound at %v, in the outage", place)
			}
		}
		var sound time.Duration
		for _, loud := range c.sound {
			if loud {
				sound += media.FrameDuration
			}
		}
		said := time.Duration(len(c.Profile.Greeting)) * 65 * time.Millisecond
		if again := sound - said; again < at(1.9) || again > at(2.5) {
			t.Errorf("%v of sound for %v of speech: 2 s were lost", sound, said)
		}
		if !strings.Contains(c.told(), c.Profile.Greeting) || strings.Contains(c.told(), "still there") {
			t.Errorf("told:\n%s", c.told())
		}
	})
}

// What was typed is answered as fast as it was answered, not since the caller last spoke.
func TestTypedLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"Hello."}, at(20), span{at(1), at(1.5)})
		c.Input = func(ctx context.Context) iter.Seq[agent.Input] {
			return func(yield func(agent.Input) bool) {
				time.Sleep(at(10))
				yield(agent.Input{Kind: agent.Typed, Text: "And now?"})
			}
		}
		c.run(t)
		var last *agent.Latency
		for _, e := range c.events {
			if e.Kind == agent.Timing {
				last = e.Latency
			}
		}
		if last == nil || last.Sent > at(1) || last.Text != 0 || last.Commit != 0 {
			t.Errorf("%+v", last)
		}
	})
}

// A turn that was taken too early and never answered is a part of the next one: its own words are taken back.
func TestUnitedTurnIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"I have entered too many.", "No identification numbers."}, at(20), span{at(1), at(2)}, span{at(3), at(4)})
		c.Model = llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) {
				time.Sleep(at(1.5)) // so late that the caller goes on before a sound
				if yield(llm.Delta{Text: "Right."}, ctx.Err()) {
					yield(llm.Delta{End: llm.Stop}, nil)
				}
			}
		})
		c.run(t)
		shown := map[int]string{}
		for _, e := range c.events {
			if e.Kind == agent.User && e.Final {
				shown[e.Turn] = e.Text
			}
		}
		if want := "I have entered too many. No identification numbers."; shown[1] != "" || !strings.HasPrefix(shown[2], want) {
			t.Errorf("shown: %v", shown)
		}
	})
}

func TestKeysAreATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(nil, at(12))
		c.Input = media.Of(agent.Input{Kind: agent.Key, Text: "4"}, agent.Input{Kind: agent.Key, Text: "2"}, agent.Input{Kind: agent.Key, Text: "#"})
		c.run(t)
		if !strings.Contains(c.told(), "Keys pressed: 4 2 #") {
			t.Errorf("told:\n%s", c.told())
		}
	})
}

// The caller pauses inside a sentence: the prepared answer leaves no trace.
func TestPauseInsideTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"I would like to order a pizza."}, at(12), span{at(1), at(2)}, span{at(2.5), at(3.5)})
		var requests []llm.Request
		echo := script.Echo()
		c.Model = llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
			requests = append(requests, req)
			return echo.Generate(ctx, req)
		})
		c.run(t)
		if n := len(c.decisions(turn.Discard)); n != 1 || len(requests) != 2 {
			t.Errorf("%d discards, %d requests", n, len(requests))
		}
		if last := requests[len(requests)-1]; len(last.Messages) != 1 {
			t.Errorf("history %+v", last.Messages)
		}
	})
}

func TestGoodbyeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"Goodbye."}, at(30), span{at(1), at(1.6)})
		c.run(t)
		if !errors.Is(c.err, agent.ErrGoodbye) || !strings.Contains(c.told(), "agent #1: Goodbye!") {
			t.Errorf("%v\n%s", c.err, c.told())
		}
	})
}

func TestInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"not heard"}, at(30), span{at(5), at(6)})
		in := make(chan agent.Input)
		c.Input = media.From(in)
		go func() {
			time.Sleep(time.Second)
			in <- agent.Input{Kind: agent.Typed, Text: "Hello by hand"}
			time.Sleep(3 * time.Second)
			in <- agent.Input{Kind: agent.Mute, On: true}
			time.Sleep(6 * time.Second)
			in <- agent.Input{Kind: "nonsense"}
			in <- agent.Input{Kind: agent.HangUp}
		}()
		c.run(t)
		c.expect(t, `
listening
caller #1: Hello by hand
thinking
speaking
agent #1: You said: Hello by hand
listening
end: the caller hung up`)
	})
}

// Engines fail in every way; the conversation says so and goes on.
func TestEnginesFail(t *testing.T) {
	broken := fmt.Errorf("status 500: %w", provider.ErrUnavailable)
	failing := llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) { yield(llm.Delta{}, broken) }
	})
	cut := llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			_ = yield(llm.Delta{Text: "The answer is forty"}, nil) && yield(llm.Delta{}, provider.ErrTruncated)
		}
	})
	mute := tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) { yield(tts.Audio{}, broken) }
	})
	odd := tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			yield(tts.Audio{Frame: media.Frame{PCM: make([]int16, 9)}}, nil)
		}
	})
	for _, c := range []struct {
		name  string
		set   func(*call)
		wants []string
	}{
		{"model", func(c *call) { c.Model = failing }, []string{"trouble llm: The language model failed", "agent #2: Sorry"}},
		{"model stops", func(c *call) { c.Model = cut }, []string{"trouble llm: The language model stopped in the middle.", "agent #1: The answer is forty"}},
		{"voice", func(c *call) { c.Voice = mute }, []string{"trouble tts: The voice failed"}},
		{"voice without a rate", func(c *call) { c.Voice = odd }, []string{"trouble tts: The voice failed"}},
		{"recognizer", func(c *call) {
			good, n := c.Recognizer, 0
			c.Recognizer = stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
				if n++; n > 2 {
					return good.Recognize(ctx, in)
				}
				return func(yield func(stt.Result, error) bool) { yield(stt.Result{}, broken) }
			})
		}, []string{"trouble stt: The speech recognizer failed", "agent #1: You said: What is the time?"}},
		{"recognizer refuses", func(c *call) {
			c.Recognizer = stt.RecognizerFunc(func(context.Context, media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
				return func(yield func(stt.Result, error) bool) { yield(stt.Result{}, provider.ErrAuth) }
			})
		}, []string{"end: recognize speech: not authorized"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call := newCall([]string{"What is the time?"}, at(12), span{at(1), at(2.5)})
				c.set(call)
				call.run(t)
				for _, w := range c.wants {
					if !strings.Contains(call.told(), w) {
						t.Errorf("no %q in:\n%s", w, call.told())
					}
				}
			})
		})
	}
}

// Run ends soon whatever the engines wait for.
func TestRunEndsWithItsContext(t *testing.T) {
	stuck := func(ctx context.Context) { <-ctx.Done() }
	for _, after := range []time.Duration{0, at(0.5), at(1.7), at(2.62), at(2.9), at(3.4)} {
		synctest.Test(t, func(t *testing.T) {
			c := newCall([]string{"What is the time?"}, at(60), span{at(1), at(2.5)})
			c.Model = llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
				return func(yield func(llm.Delta, error) bool) {
					if yield(llm.Delta{Text: "Well, let me think about that for "}, nil) {
						stuck(ctx)
						yield(llm.Delta{}, context.Cause(ctx))
					}
				}
			})
			why := errors.New("shut down")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(after, func() { cancel(why) })
			start := time.Now()
			if err := c.Run(ctx); !errors.Is(err, why) {
				t.Errorf("canceled after %v: %v", after, err)
			}
			if d := time.Since(start) - after; d > 50*time.Millisecond {
				t.Errorf("canceled after %v: ended %v later", after, d)
			}
		})
	}
}

// Ten minutes of a conversation with an answer in each, in virtual time.
func TestLongConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var voice []span
		for s := 2.0; s < 590; s += 12 {
			voice = append(voice, span{at(s), at(s + 1.5)})
		}
		c := newCall([]string{"First question, a little long?", "Second one?", "And the third, please."}, 10*time.Minute, voice...)
		c.run(t)
		if n := len(c.decisions(turn.Commit)); n != len(voice) {
			t.Errorf("%d of %d turns answered", n, len(voice))
		}
	})
}

// The log of a call in real time, with the order that goroutines and timers gave it, repeats byte for byte.
func TestRealTimeLogRepeats(t *testing.T) {
	c := newCall([]string{"What is the time?", "Stop."}, at(6), span{at(0.5), at(1.2)}, span{at(2.6), at(3.2)})
	c.run(t) // fails if the log does not repeat
	if len(c.decisions(turn.Commit)) == 0 || len(c.decisions(turn.Hold)) == 0 || len(c.log()) < 30 {
		t.Errorf("a log of %d entries:\n%s", len(c.log()), c.told())
	}
}
