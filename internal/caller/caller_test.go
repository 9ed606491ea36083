package caller

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/caller/callertest"
	"parley/internal/wav"
	"parley/media/rtc"
)

const ms = time.Millisecond

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("the test took too long"))
	t.Cleanup(cancel)
	return ctx
}

// between fails the test if a measured time is out of bounds that leave room for a busy machine.
func between(t *testing.T, what string, got, least, most time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("%s: %v, want %v to %v", what, got, least, most)
	}
}

func TestConversation(t *testing.T) {
	url := callertest.Agent{Answer: 1500 * ms}.Start(t)
	var heard Recording
	var messages atomic.Int64
	o := Options{Hear: heard.Hear, Message: func(Message) { messages.Add(1) }}
	var first, second Turn
	var answered Packet
	err := Run(limited(t), url, o, func(ctx context.Context, c *Caller) error {
		said, err := c.Say(ctx, callertest.Tone(500*ms))
		if err != nil {
			return err
		}
		between(t, "time said", said.Last-said.First, 400*ms, 700*ms)
		if answered, err = c.Answer(ctx, said.Last); err != nil {
			return err
		}
		if err := c.Until(ctx, answered.At+400*ms); err != nil {
			return err
		}
		cut, err := c.Say(ctx, callertest.Tone(600*ms)) // interrupts
		if err != nil {
			return err
		}
		if _, err := c.Answer(ctx, cut.Last); err != nil {
			return err
		}
		first = Measure(c.Heard(0), said, cut.First)
		if err := c.Finished(ctx); err != nil {
			return err
		}
		second = Measure(c.Heard(0), cut, c.Now())
		if m := c.Messages(0); len(m) < 3 || m[0].Type != "state" {
			t.Errorf("messages %+v", m)
		}
		if c.Session() != "s1" {
			t.Errorf("session %q", c.Session())
		}
		if sent := c.Sent(0); len(sent) < 100 {
			t.Errorf("%d packets sent", len(sent))
		}
		if s := c.Stats(); s.Received < 100 || s.Lost != 0 || s.Invalid != 0 || s.Restarts != 0 {
			t.Errorf("%+v", s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	between(t, "response", first.Response, callertest.Wait-20*ms, callertest.Wait+300*ms)
	between(t, "stop", second.Stop, 0, 300*ms)
	between(t, "second response", second.Response, callertest.Wait-20*ms, callertest.Wait+300*ms)
	if first.Stop >= 0 || first.Kept || second.Kept {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if messages.Load() < 3 {
		t.Errorf("%d messages", messages.Load())
	}
	if l := wav.Level(heard.Between(answered.Place+40*ms, answered.Place+200*ms)); l < -23 || l > -17 {
		t.Errorf("the answer was placed at %.1f dBFS", l)
	}
}

func TestFinishedWithoutMessages(t *testing.T) {
	url := callertest.Agent{Answer: 300 * ms, NoState: true}.Start(t)
	err := Run(limited(t), url, Options{}, func(ctx context.Context, c *Caller) error {
		said, err := c.Say(ctx, callertest.Tone(200*ms))
		if err != nil {
			return err
		}
		first, err := c.Answer(ctx, said.Last)
		if err != nil {
			return err
		}
		err = c.Finished(ctx)
		between(t, "finished", c.Now()-first.At, 280*ms+quietUntold, 10*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLosses(t *testing.T) {
	url := callertest.Agent{Answer: 400 * ms, Lose: 10}.Start(t)
	err := Run(limited(t), url, Options{}, func(ctx context.Context, c *Caller) error {
		c.Lose(1)
		said, err := c.Say(ctx, callertest.Tone(400*ms))
		if err != nil {
			return err
		}
		if _, err := c.Answer(ctx, said.Last); err != nil {
			return err
		}
		if err := c.Finished(ctx); err != nil {
			return err
		}
		s := c.Stats()
		if share := float64(s.Lost) / float64(s.Lost+s.Received); share < 0.07 || share > 0.13 {
			t.Errorf("of 10 %% lost packets %.1f %% were noticed: %+v", 100*share, s)
		}
		if n, sent := c.call.Stats().Sent, len(c.Sent(0)); sent-int(n) < 1 || sent-int(n) > 3 {
			t.Errorf("of %d packets %d were sent, one should be lost", sent, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSayEndsWithContext(t *testing.T) {
	url := callertest.Agent{Deaf: true}.Start(t)
	over := errors.New("over")
	err := Run(limited(t), url, Options{}, func(ctx context.Context, c *Caller) error {
		short, cancel := context.WithTimeoutCause(ctx, 200*ms, over)
		defer cancel()
		start := c.Now()
		if _, err := c.Say(short, callertest.Tone(5*time.Second)); !errors.Is(err, over) {
			t.Errorf("%v", err)
		}
		between(t, "cut", c.Now()-start, 150*ms, time.Second)
		if err := c.Until(ctx, c.Now()+200*ms); err != nil {
			return err
		}
		if _, loud := FirstAudible(c.Sent(c.Now()-100*ms), 0); loud {
			t.Error("it was still said after its context had ended")
		}
		if _, err := c.Answer(short, 0); !errors.Is(err, over) {
			t.Errorf("%v", err)
		}
		if _, err := c.Expect(short, "ended", 0); !errors.Is(err, over) {
			t.Errorf("%v", err)
		}
		said, err := c.Say(ctx, make([]int16, 3200))
		if said != (Said{}) {
			t.Errorf("silence was audible: %+v", said)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServerHangsUp(t *testing.T) {
	url := callertest.Agent{HangUp: 400 * ms}.Start(t)
	err := Run(limited(t), url, Options{}, func(ctx context.Context, c *Caller) error {
		_, err := c.Answer(ctx, 0)
		return err
	})
	if !errors.Is(err, rtc.ErrHangup) {
		t.Errorf("%v", err)
	}
}

func TestNoCall(t *testing.T) {
	never := func(context.Context, *Caller) error { return errors.New("the script ran") }
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name, url string
		ctx       context.Context
		is        error
		want      string
	}{
		{"busy", serve(t, 503, "All lines are\nbusy."), t.Context(), ErrRefused, "503 Service Unavailable to http"},
		{"busy, its words", serve(t, 503, "All lines are\nbusy."), t.Context(), ErrRefused, "All lines are busy."},
		{"another site", serve(t, 200, "<html>"), t.Context(), ErrRefused, "no answer in JSON but <html>"},
		{"nothing", serve(t, 200, ""), t.Context(), ErrRefused, "(nothing)"},
		{"an endless error", serve(t, 500, strings.Repeat("x", 1000)), t.Context(), ErrRefused, "x…"},
		{"an answer that is none", serve(t, 200, `{"type":"answer","sdp":"v=0"}`), t.Context(), rtc.ErrAnswer, ""},
		{"nobody there", "http://127.0.0.1:1", t.Context(), nil, "refused"},
		{"no URL", "http://", t.Context(), nil, "not like http://host:port"},
		{"a file", "file:///x", t.Context(), nil, "not like http://host:port"},
		{"rubbish", "http://[::1", t.Context(), nil, "read the server's URL"},
		{"canceled", serve(t, 200, ""), canceled, context.Canceled, ""},
	} {
		err := Run(c.ctx, c.url, Options{}, never)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

func TestOfferURL(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8080":             "http://127.0.0.1:8080/offer",
		"http://host:1/":             "http://host:1/offer",
		"https://host":               "https://host/offer",
		"https://host/api/offer?x=1": "https://host/api/offer?x=1",
	} {
		if got, err := offerURL(in); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}

func packets(at ...time.Duration) (all []Packet) {
	for _, t := range at {
		p := Packet{At: max(t, -t), Level: -20}
		if t < 0 {
			p.Level = -60
		}
		all = append(all, p)
	}
	return all
}

func TestMeasure(t *testing.T) {
	said := Said{First: 1000 * ms, Last: 1500 * ms}
	for _, c := range []struct {
		name  string
		heard []Packet // a negative time is silence
		want  Turn
	}{
		{"nothing", nil, Turn{-1, -1, false}},
		{"an answer", packets(-1500*ms, -1700*ms, 1800*ms, 1820*ms), Turn{300 * ms, -1, false}},
		{"an answer too late", packets(9000 * ms), Turn{-1, -1, false}},
		{"interrupted", packets(980*ms, 1000*ms, 1080*ms, -1100*ms, 1900*ms), Turn{400 * ms, 80 * ms, false}},
		{"it stopped by itself", packets(980*ms, -1000*ms, 1900*ms), Turn{400 * ms, 0, false}},
		{"it paused and went on", packets(980*ms, 1020*ms, -1100*ms, 1400*ms, 1900*ms), Turn{400 * ms, 400 * ms, false}},
		{"it did not stop", packets(980*ms, 1200*ms, 1490*ms, 1510*ms), Turn{-1, -1, true}},
		{"it spoke before", packets(500*ms, 900*ms, 1900*ms), Turn{400 * ms, -1, false}},
	} {
		if got := Measure(c.heard, said, 5*time.Second); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestLateness(t *testing.T) {
	got := Lateness([]Packet{{At: 105 * ms, Place: 100 * ms}, {At: 121 * ms, Place: 120 * ms}, {At: 171 * ms, Place: 140 * ms}})
	if want := []time.Duration{4 * ms, 0, 30 * ms}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if Lateness(nil) != nil {
		t.Error("lateness of nothing")
	}
}
