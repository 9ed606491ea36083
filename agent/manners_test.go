package agent_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent/turn"
	"parley/llm"
	"parley/llm/script"
	"parley/media"
	"parley/stt"
)

// A caller of whose words nothing could be made is told so, in the profile's own words, and once. The model knows of it.
func TestUnheardIsExcused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"", "", "What is the time?"}, at(25), span{at(1), at(2.5)}, span{at(8), at(9.5)}, span{at(14), at(15)})
		c.Profile.Pardon = "Come again?"
		var asked []llm.Message
		c.Model = llm.ModelFunc(func(ctx context.Context, r llm.Request) iter.Seq2[llm.Delta, error] {
			asked = r.Messages
			return script.Echo().Generate(ctx, r)
		})
		c.run(t)
		c.expect(t, `
listening
thinking
speaking
agent #1: Come again?
listening
caller #2: What is the time?
thinking
speaking
agent #2: You said: What is the time?
listening
end: the caller's audio ended`)
		if len(asked) != 2 || asked[0].Text != "Come again?" {
			t.Errorf("the model was told %v", asked)
		}
	})
}

// "Hold on" cuts the answer, goes to no model, and is followed by a minute of silence.
func TestHoldOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall([]string{"Hold on.", "I am back."}, at(100), span{at(2), at(2.6)}, span{at(80), at(81)})
		c.Profile.Greeting = strings.Repeat("I can talk for a very long time. ", 20)
		c.run(t)
		if asks := c.decisions(turn.CheckIn); len(asks) < 1 || asks[0] < at(60) || asks[0] > at(66) {
			t.Errorf("it asks at %v", asks)
		}
		if told := c.told(); strings.Contains(told, "You said: Hold on") || !strings.Contains(told, "You said: I am back.") {
			t.Errorf("told:\n%s", told)
		}
	})
}

// A cough between the question and its answer delays the answer by no more than it takes to know what it was, and the time is told
// from the question on.
func TestCoughBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(nil, at(9), span{at(1), at(2)}, span{at(2.5), at(2.7)})
		c.Recognizer = deaf("What is the time?")
		c.run(t)
		if ask, cut := c.decisions(turn.Think), c.decisions(turn.Discard); len(ask) != 1 || len(cut) != 0 {
			t.Errorf("prepared at %v, discarded at %v", ask, cut)
		}
		if lat := c.latency(t); lat.Commit < 850*time.Millisecond || lat.Commit > time.Second {
			t.Errorf("latency %+v", lat)
		}
	})
}

// deaf is a recognizer that hears a text in the first voice, and nothing in what comes later.
func deaf(text string) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			own, cancel := context.WithCancel(ctx)
			defer cancel()
			heard := stt.Result{Kind: stt.Final}
			for a := range in(own) {
				if a.Voice && heard.Text == "" {
					heard.Start, heard.Text = a.At, text
				}
				if heard.End = a.At + a.Duration(); a.Flush && !yield(heard, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				yield(stt.Result{}, context.Cause(ctx))
			}
		}
	})
}
