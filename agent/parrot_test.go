package agent_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent/turn"
	"parley/llm/script"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// tale is what the agent says in the tests of echo.
const tale = "Once upon a time there was an old king. He had three daughters, a garden and no crown. " +
	"One morning the eldest went down to the river and found a fish made of silver. It spoke to her of a country behind the hills."

const (
	wordSounds = 320 * time.Millisecond
	wordQuiet  = 1000 // the first word's samples
	wordLouder = 100  // each next one's
)

// parrot is a caller whose microphone hears the agent as a noise in which no sound of it can be found again; and a recognizer that understands
// it all the same. What he says himself is there from a moment on, a word every 320 ms.
type parrot struct {
	delay   time.Duration
	from    time.Duration
	own     []string
	mumbles int // every so many words it understands another

	mu   sync.Mutex
	said []string // by the voice
	sent []int    // which word of it is sent in each frame; −1: none
}

// Speak is the agent's voice: each word sounds as loud as its number tells.
func (p *parrot) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		for phrase := range text(ctx) {
			for w := range strings.FieldsSeq(phrase) {
				pcm := make([]int16, int(wordSounds*media.SpeakRate/time.Second))
				p.mu.Lock()
				for i := range pcm {
					pcm[i] = int16(wordQuiet + len(p.said)*wordLouder)
				}
				p.said = append(p.said, w)
				p.mu.Unlock()
				if !yield(tts.Audio{Frame: media.Frame{Rate: media.SpeakRate, PCM: pcm}}, nil) {
					return
				}
			}
		}
	}
}

func (p *parrot) play(f media.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := -1
	if len(f.PCM) > 0 {
		n = (int(f.PCM[len(f.PCM)/2]) - wordQuiet) / wordLouder
	}
	p.sent = append(p.sent, n)
}

// word is what is heard at a moment: empty if nothing is, and a number that tells it from the next.
func (p *parrot) word(at time.Duration) (string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := int((at - p.from) / wordSounds); p.from > 0 && at >= p.from && n < len(p.own) {
		return p.own[n], -n - 1
	}
	i := int((at - p.delay) / media.FrameDuration)
	if i < 0 || i >= len(p.sent) || p.sent[i] < 0 {
		return "", 0
	}
	n := p.sent[i]
	if p.mumbles > 0 && n%p.mumbles == p.mumbles-1 {
		return "mumble", n + 1
	}
	return p.said[n], n + 1
}

func (p *parrot) microphone(length time.Duration) media.Source[media.Frame] {
	return func(ctx context.Context) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			time.Sleep(3 * time.Millisecond)
			rnd := rand.New(rand.NewPCG(1, 2))
			tick := time.NewTicker(media.FrameDuration)
			defer tick.Stop()
			for at := time.Duration(0); at < length; at += media.FrameDuration {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				pcm := make([]int16, media.ListenRate/50)
				if w, _ := p.word(at); w != "" {
					for i := range pcm {
						pcm[i] = int16(1 + rnd.IntN(2000))
					}
				}
				if !yield(media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}) {
					return
				}
			}
		}
	}
}

// ears give at each flush the words of the utterance, which is over when nothing was heard for 300 ms.
func (p *parrot) ears() stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			var r stt.Result
			var words []string
			last := 0
			for a := range in(ctx) {
				if w, n := p.word(a.At); a.Voice && w != "" && len(a.PCM) > 0 {
					if a.At > r.End+300*time.Millisecond {
						r, words, last = stt.Result{Start: a.At}, nil, 0
					}
					if n != last {
						words, last = append(words, w), n
					}
					r.End = a.At + a.Duration()
				}
				if a.Flush && !yield(stt.Result{Kind: stt.Final, Text: strings.Join(words, " "), Start: r.Start, End: a.At}, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				yield(stt.Result{}, context.Cause(ctx))
			}
		}
	})
}

// calls has the agent tell its story to such a caller.
func (p *parrot) calls(t *testing.T, length time.Duration) *call {
	c := newCall(nil, 0)
	c.Voice, c.Model = p, script.Echo()
	c.In, c.Recognizer = p.microphone(length), p.ears()
	c.Out = media.NewPlayout(media.SpeakRate, p.play)
	c.Profile.Greeting = tale
	c.Profile.Turn.Silence.CheckIn, c.Profile.Turn.Silence.GiveUp = -1, -1
	c.Profile.Turn.Interrupt.Rewind = 20 * time.Millisecond // a word that is said twice is understood twice
	c.run(t)
	return c
}

// echoes are the texts that were taken for an echo.
func (c *call) echoes() (texts []string) {
	for _, e := range c.events {
		if e.Echo != nil && e.Echo.Of != "" {
			texts = append(texts, e.Echo.Text)
		}
	}
	return texts
}

// The agent's own words, come back through a loudspeaker of which the guard can learn nothing, do not interrupt it.
func TestParrot(t *testing.T) {
	for _, p := range []*parrot{
		{delay: 30 * time.Millisecond}, {delay: 200 * time.Millisecond}, {delay: 400 * time.Millisecond}, {delay: 100 * time.Millisecond, mumbles: 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := p.calls(t, at(120))
			cut, texts := c.decisions(turn.Interrupt), c.echoes()
			t.Logf("delay %v, errors %d: %d echoes: %q", p.delay, p.mumbles, len(texts), texts[:min(len(texts), 6)])
			if len(cut) > 0 || len(texts) < 5 {
				t.Errorf("delay %v: interrupted at %v; echoes %q", p.delay, cut, texts)
			}
			if got := heardOf(c, 1); got != c.Profile.Greeting {
				t.Errorf("delay %v: heard %q", p.delay, got)
			}
		})
	}
}

// A caller who speaks over this echo interrupts the agent, and only his words are answered.
func TestCallerOverParrot(t *testing.T) {
	for _, own := range []string{"Tell me another story.", "The king?", "No wait.", "Once more please."} {
		p := &parrot{delay: 150 * time.Millisecond, from: at(8), own: strings.Fields(own)}
		synctest.Test(t, func(t *testing.T) {
			c := p.calls(t, at(12))
			cut := c.decisions(turn.Interrupt)
			if len(cut) == 0 || cut[0] < p.from || cut[0] > p.from+at(1.6) {
				t.Errorf("%q at %v interrupted at %v; echoes %q\n%s", own, p.from, cut, c.echoes(), c.told())
			}
			if command := own == "No wait."; !command && !strings.Contains(c.told(), "caller #2: "+own+"\n") {
				t.Errorf("%q: told:\n%s", own, c.told())
			}
		})
	}
}

// A caller without a loudspeaker may repeat the agent's words: once it was quiet while the agent spoke they are his.
func TestRepeatedWithoutEcho(t *testing.T) {
	for _, own := range []string{"an old king", "daughters", "He had three daughters"} {
		p := &parrot{delay: time.Hour, from: at(4.5), own: strings.Fields(own)}
		synctest.Test(t, func(t *testing.T) {
			c := p.calls(t, at(9))
			if cut := c.decisions(turn.Interrupt); len(cut) == 0 || cut[0] > p.from+at(1) {
				t.Errorf("%q at %v interrupted at %v", own, p.from, cut)
			}
			if !strings.Contains(c.told(), "caller #2: "+own+"\n") {
				t.Errorf("%q: told:\n%s", own, c.told())
			}
		})
	}
}
