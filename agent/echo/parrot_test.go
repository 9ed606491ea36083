package echo_test

import (
	"context"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/llm/script"
	"parley/media"
	"parley/media/resample"
	"parley/stt"
	"parley/tts"
)

const (
	tale = "Once upon a time there was an old king. He had three daughters, a garden and no crown. One morning the eldest went down to the " +
		"river and found a fish made of silver. It spoke to her of a country behind the hills."
	perLetter = 60 * time.Millisecond
)

// understood is a recognizer that understands the echo of the tale: at each flush it gives what was sent of it while a voice was heard.
type understood struct {
	mu    sync.Mutex
	marks []agent.Event // how much of it was sent, when
}

func (u *understood) follow(e agent.Event) {
	if e.Took != nil && e.Took.Kind == agent.Heard && e.Took.Reply == 1 {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.marks = append(u.marks, e)
	}
}

// words are those whose middle was sent between two moments.
func (u *understood) words(from, to time.Duration) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var first, last time.Duration
	for _, e := range u.marks {
		if e.At <= from {
			first = e.Took.Long
		}
		if e.At <= to {
			last = e.Took.Long
		}
	}
	var words []string
	at := time.Duration(0)
	for w := range strings.FieldsSeq(tale) {
		if m := at + time.Duration(len(w))*perLetter/2; m >= first && (m <= last || len(words) == 0) {
			words = append(words, w)
		}
		at += time.Duration(len(w)+1) * perLetter
	}
	return strings.Join(words, " ")
}

func (u *understood) ears(delay time.Duration) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			var r stt.Result
			voiced := time.Duration(0)
			for a := range in(ctx) {
				if a.Voice {
					if voiced == 0 || a.At > r.End+time.Second {
						r.Start, voiced = a.At, 0
					}
					voiced += a.Duration()
					r.End = a.At + a.Duration()
				}
				if !a.Flush {
					continue
				}
				if r.Kind, r.Text = stt.Final, ""; voiced > 400*time.Millisecond { // less is what was before the voice
					r.Text = u.words(r.Start+300*time.Millisecond-delay, r.End-delay)
				}
				if !yield(r, nil) {
					return
				}
			}
			yield(stt.Result{}, context.Cause(ctx))
		}
	})
}

// lettered is a voice that reads with a person's, each letter as long as the next.
func lettered(pcm []int16) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			at := 0
			for phrase := range text(ctx) {
				for to := min(len(pcm), at+samples(time.Duration(len(phrase)+1)*perLetter)); at < to; at += frame {
					a := tts.Audio{Frame: media.Frame{Rate: media.ListenRate, PCM: pcm[at:min(to, at+frame)]}}
					if !yield(a, nil) {
						return
					}
				}
			}
		}
	})
}

// On a call's first answer, before the guard has learned anything, an echo whose words are understood does not interrupt the agent.
func TestUnderstoodEcho(t *testing.T) {
	agents, _ := voices(t)
	echoes := 0
	for i := range 12 {
		voice := sentences(agents, i, 4, 0, 100*time.Millisecond)
		l := &loudspeaker{gain: []int{4, 10}[i%2], delay: time.Duration(130+i*15) * time.Millisecond}
		synctest.Test(t, func(t *testing.T) {
			l.down = resample.New(media.SpeakRate, media.ListenRate)
			var u understood
			var cuts, holds []time.Duration
			var texts []string
			s := agent.Session{Recognizer: u.ears(l.delay), Model: script.Echo(), Voice: lettered(voice), Detector: vad.Energy{},
				In: l.microphone(16 * time.Second), Out: media.NewPlayout(media.SpeakRate, l.play),
				Profile: agent.Profile{Greeting: tale},
				Trace: func(e agent.Event) {
					u.follow(e)
					if e.Step == nil {
						return
					}
					if e.Echo != nil && e.Echo.Of != "" {
						texts = append(texts, e.Echo.Text)
					}
					for _, d := range e.Step.Out {
						switch d.Kind {
						case turn.Hold:
							holds = append(holds, e.At)
						case turn.Interrupt:
							cuts = append(cuts, e.At)
						}
					}
				}}
			_ = s.Run(t.Context()) // the audio ends
			t.Logf("echo %d, %v: held at %v, interrupted at %v, echoes %q", l.gain, l.delay, holds, cuts, texts)
			if len(cuts) > 0 || len(u.marks) < 50 {
				t.Errorf("echo %d, %v: interrupted at %v", l.gain, l.delay, cuts)
			}
			echoes += len(texts)
		})
	}
	if echoes < 4 {
		t.Errorf("in 12 calls %d texts were the agent's own: this test proves nothing", echoes)
	}
}
