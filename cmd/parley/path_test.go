package main

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/internal/netsim"
	"parley/media"
	"parley/web"
)

// The caller's network is dead for a while in the middle of an answer. The agent holds, and goes on from what had
// arrived; the conversation keeps its context, the session its clock, and the caller has nothing to do.
func TestPathLostInAnAnswer(t *testing.T) {
	for _, outage := range []time.Duration{1200 * time.Millisecond, 10 * time.Second} {
		t.Run(outage.String(), func(t *testing.T) {
			t.Parallel()
			lostInAnAnswer(t, outage)
		})
	}
}

func lostInAnAnswer(t *testing.T, outage time.Duration) {
	s := start(t, "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clean, err := netsim.Named("clean")
	if err != nil {
		t.Fatal(err)
	}
	text := "call home when rain ends bring both hats good tea warm milk some corn that pale blue lamp from next door then rest"
	length := time.Duration(len("You said: "+text)) * 65 * time.Millisecond // of the answer's sound
	err = caller.Run(ctx, s.url, caller.Options{Net: &clean}, func(ctx context.Context, c *caller.Caller) error {
		typed := func(text string) time.Duration {
			msg, _ := json.Marshal(web.Command{Type: "text", Text: text})
			for !c.Post(msg) && ctx.Err() == nil { // the channel opens a little later than the call
				time.Sleep(10 * time.Millisecond)
			}
			return c.Now()
		}
		first, err := c.Answer(ctx, typed(text))
		if err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
		cut := c.Now()
		c.Relay().Cut(true)
		time.Sleep(outage)
		healed := c.Now()
		c.Relay().Cut(false)
		again, err := c.Answer(ctx, healed)
		if err != nil {
			return err
		}
		if err := c.Finished(ctx); err != nil {
			return err
		}
		heard := c.Heard(0)
		last, _ := caller.LastAudible(heard, healed, c.Now())
		before, _ := caller.LastAudible(heard, first.At, cut+time.Second)
		sound := before.At - first.At + last.At - again.At
		if sound < length || sound > length+1500*time.Millisecond {
			t.Errorf("%v of the answer were heard, its length is %v", sound, length)
		}
		if back := again.At - healed; back > 4*time.Second {
			t.Errorf("sound is back after %v", back)
		}
		t.Logf("cut after %v, sound back %v after the path, %v of sound for %v of answer", before.At-first.At, again.At-healed, sound, length)
		if got, _ := lastOf(c, "agent", func(a web.Said) bool { return a.Done }); got.Heard != "You said: "+text || got.Interrupted {
			t.Errorf("the page was told %+v", got)
		}
		for _, m := range c.Messages(0) {
			var v web.State
			if m.Type == "state" && json.Unmarshal(m.Raw, &v) == nil {
				if d := time.Duration(v.AtMS)*time.Millisecond - m.At; d < -14*time.Second || d > time.Second {
					t.Errorf("a state of %d ms came at %v", v.AtMS, m.At)
				}
			}
		}
		second, err := c.Answer(ctx, typed("And again."))
		if err != nil {
			return err
		}
		t.Logf("answered again at %v", second.At)
		return c.Finished(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The path is dead for a second in the middle of what the caller says: it is one turn.
func TestPathLostInASentence(t *testing.T) {
	s := start(t, "--stt", "script:lines=What time is it?", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clean, err := netsim.Named("clean")
	if err != nil {
		t.Fatal(err)
	}
	err = caller.Run(ctx, s.url, caller.Options{Net: &clean}, func(ctx context.Context, c *caller.Caller) error {
		time.AfterFunc(1500*time.Millisecond, func() { c.Relay().Cut(true) })
		time.AfterFunc(2700*time.Millisecond, func() { c.Relay().Cut(false) })
		said, first, err := ask(ctx, c, corpus.PinkNoise(4500*time.Millisecond, -20, 1))
		if err != nil {
			return err
		}
		if first.At < said.Last {
			t.Errorf("answered at %v, in the middle of what was said until %v", first.At, said.Last)
		}
		if got, _ := lastOf(c, "agent", func(a web.Said) bool { return true }); got.Turn != 1 || got.Interrupted {
			t.Errorf("the page was told %+v", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Keys, codecs and counters, through the whole server.
func TestPhoneCall(t *testing.T) {
	s := start(t, "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-")
	for _, codec := range []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA} {
		t.Run(string(codec), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var sound heardSound
			err := caller.Run(ctx, s.url, caller.Options{Codecs: []media.Codec{codec}, Hear: sound.hear}, func(ctx context.Context, c *caller.Caller) error {
				if c.Codec() != codec {
					t.Errorf("the call has %s", c.Codec())
				}
				for _, key := range "42#" {
					if err := c.Press(ctx, key); err != nil {
						return err
					}
				}
				first, err := c.Answer(ctx, 0)
				if err != nil {
					return err
				}
				if err := c.Finished(ctx); err != nil {
					return err
				}
				if got, _ := lastOf(c, "agent", func(a web.Said) bool { return a.Done }); got.Heard != "You said: Keys pressed: 4 2" { // a # is not read aloud
					t.Errorf("the page was told %+v", got)
				}
				if p := pitch(sound.between(first.Place+200*time.Millisecond, first.Place+time.Second)); p < 435 || p > 445 {
					t.Errorf("the answer hums at %.1f Hz", p)
				}
				res, err := http.Get(s.url + "/sessions/" + c.Session())
				if err != nil {
					return err
				}
				defer res.Body.Close()
				var asked struct{ Counters web.Counters }
				if err := json.NewDecoder(res.Body).Decode(&asked); err != nil {
					return err
				}
				told, ok := lastOf(c, "counters", func(web.Counters) bool { return true })
				for _, n := range []web.Counters{asked.Counters, told} {
					if n.Codec != string(codec) || n.Up.Received < 50 || n.Down.Sent < 20 || n.Up.Lost+n.Up.Late > 2 {
						t.Errorf("counters (told: %v): %+v", ok, n)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
