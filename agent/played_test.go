package agent_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/media"
	"parley/tts"
)

// story is what the agent says, in words of 160 to 440 ms, with pauses after every seventh.
var story = strings.Fields(strings.Repeat("once upon a time there was a king who had three daughters and no crown ", 5))

// reader is a voice of words of known length.
var reader = tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		n, at := 0, time.Duration(0)
		for phrase := range text(ctx) {
			for _, w := range strings.Fields(phrase) {
				word, long := wordAt(n, w, at)
				pcm := make([]int16, int(long*media.SpeakRate/time.Second))
				for i := range pcm {
					pcm[i] = 5000
				}
				f := media.Frame{At: at, Rate: media.SpeakRate, PCM: pcm}
				if !yield(tts.Audio{Frame: f, Words: []tts.Word{word}}, nil) {
					return
				}
				n, at = n+1, at+long
			}
		}
	}
})

// wordAt is the place of the n-th word, and how long it sounds with the pause after it.
func wordAt(n int, text string, at time.Duration) (w tts.Word, long time.Duration) {
	long = time.Duration(160+40*(n*5%8)) * time.Millisecond
	w = tts.Word{Text: text, Start: at, End: at + long}
	if n%7 == 6 {
		long += 300 * time.Millisecond
	}
	return w, long
}

// after sends inputs at their times.
func after(inputs ...timedInput) media.Source[agent.Input] {
	return func(ctx context.Context) iter.Seq[agent.Input] {
		return func(yield func(agent.Input) bool) {
			now := time.Duration(0)
			for _, in := range inputs {
				time.Sleep(in.at - now)
				if now = in.at; !yield(in.Input) {
					return
				}
			}
		}
	}
}

type timedInput struct {
	at time.Duration
	agent.Input
}

// cutOff has the story interrupted at a moment, by voice or in writing, while the loudspeaker lags. It gives how many of its
// words the agent takes for heard, and how many had been played by then: as the frames on the line tell, played a lag later.
func cutOff(t *testing.T, when, lag time.Duration, written bool, reports ...timedInput) (heard, played int) {
	t.Helper()
	var voice []span
	inputs := reports
	if written {
		inputs = append(inputs, timedInput{when, agent.Input{Kind: agent.Typed, Text: "And now?"}})
	} else {
		voice = []span{{when, when + at(1.5)}}
	}
	c := newCall([]string{"Wait, what time is it?"}, when+at(6), voice...)
	c.Voice = reader
	c.Input = after(inputs...)
	c.Profile.Greeting = strings.Join(story, " ") + "."
	c.run(t) // its log, too, repeats
	cut := c.decisions(turn.Interrupt)
	if len(cut) == 0 {
		t.Fatalf("not interrupted at %v:\n%s", when, c.told())
	}
	var sound time.Duration
	for i, loud := range c.sound {
		if loud && time.Duration(i+1)*media.FrameDuration+lag <= cut[0] {
			sound += media.FrameDuration
		}
	}
	place := time.Duration(0)
	for n, text := range story {
		w, long := wordAt(n, text, place)
		if (w.Start+w.End)/2 <= sound {
			played = n + 1
		}
		place += long
	}
	text := heardOf(c, 1)
	if !strings.HasPrefix(c.Profile.Greeting, text) {
		t.Fatalf("heard %q", text)
	}
	return len(strings.Fields(text)), played
}

func report(when, lag time.Duration) timedInput {
	return timedInput{when, agent.Input{Kind: agent.Played, At: lag}}
}

// What an agent takes for heard is what the caller's loudspeaker had played when it was cut off: at 50 places, with lags of
// nothing to 1.5 s that are told with an error of up to 30 ms.
func TestHeardIsWhatWasPlayed(t *testing.T) {
	differs := 0
	for i := range 50 {
		when := at(2.1) + time.Duration(i)*170*time.Millisecond
		lag := time.Duration(i*7%16) * 100 * time.Millisecond
		told := max(0, lag+time.Duration(i%7-3)*10*time.Millisecond)
		written := i%2 == 0
		t.Run(fmt.Sprintf("%v, lag %v, written %v", when, lag, written), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				heard, played := cutOff(t, when, lag, written, report(at(0.5), 2*told), report(at(1), told))
				if heard < played-1 || heard > played+1 {
					t.Errorf("%d words are taken for heard, %d were played", heard, played)
				}
				unaware, _ := cutOff(t, when, lag, written)
				if unaware < heard {
					t.Errorf("%d words without reports, %d with them", unaware, heard)
				}
				if unaware > played+1 {
					differs++
				}
			})
		})
	}
	if differs < 15 {
		t.Errorf("the reports matter in %d of 50 cuts: this test would not notice if they were not used", differs)
	}
}

// A lag longer than the answer leaves nothing that was heard, and one that is no lag changes nothing.
func TestLagOutOfBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if heard, _ := cutOff(t, at(3), 0, true, report(at(1), time.Hour)); heard != 0 {
			t.Errorf("%d words were heard an hour before", heard)
		}
		plain, _ := cutOff(t, at(3), 0, true)
		if heard, _ := cutOff(t, at(3), 0, true, report(at(1), -time.Hour)); heard != plain || plain == 0 {
			t.Errorf("%d words with a lag of less than nothing, %d without", heard, plain)
		}
	})
}

// While the line was held the player has caught up: what was sent before counts, however long the lag is.
func TestHeldLineIsCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lag := 200 * time.Millisecond // the machine hears a voice for longer before it interrupts
		heard, played := cutOff(t, at(4), lag, false, report(at(1), lag))
		plain, _ := cutOff(t, at(4), lag, false)
		if heard != plain || heard < played-1 || heard > played+1 {
			t.Errorf("%d words heard, %d played, %d without reports", heard, played, plain)
		}
	})
}
