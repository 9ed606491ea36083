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

// loudspeaker is a caller whose microphone hears the agent, and what he says himself. It belongs to a bubble.
type loudspeaker struct {
	gain   int // the echo is the sound through this
	delay  time.Duration
	caller []int16

	mu   sync.Mutex
	down *resample.Resampler
	air  []int16 // what the loudspeaker has made, from the beginning of the call
}

// play takes a frame of the agent.
func (l *loudspeaker) play(f media.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pcm := f.PCM
	if len(pcm) == 0 {
		pcm = make([]int16, f.Rate/50)
	}
	l.air = l.down.Process(pcm, l.air)
}

// frame is what the microphone hears in a frame.
func (l *loudspeaker) frame(n int) []int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	pcm := make([]int16, frame)
	for i := range pcm {
		at := n*frame + i
		if at < len(l.caller) {
			pcm[i] = l.caller[at]
		}
		for k, way := range []int{0, 37, 91, 230} { // the wall, the table, the wall again
			if from := at - samples(l.delay) - way; from >= 0 && from < len(l.air) {
				pcm[i] += l.air[from] / int16(l.gain<<k)
			}
		}
		pcm[i] += int16(i*i%7) - 3
	}
	return pcm
}

func (l *loudspeaker) microphone(length time.Duration) media.Source[media.Frame] {
	return func(ctx context.Context) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			time.Sleep(3 * time.Millisecond)
			tick := time.NewTicker(media.FrameDuration)
			defer tick.Stop()
			for n := 0; n < int(length/media.FrameDuration); n++ {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				if !yield(media.Frame{At: time.Duration(n) * media.FrameDuration, Rate: media.ListenRate, PCM: l.frame(n)}) {
					return
				}
			}
		}
	}
}

// reader is a voice that reads with a person's, whatever the text is.
func reader(pcm []int16) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			for range text(ctx) {
				for i := 0; i+frame <= len(pcm); i += frame {
					a := tts.Audio{Frame: media.Frame{Rate: media.ListenRate, PCM: pcm[i : i+frame]}}
					if !yield(a, nil) {
						return
					}
				}
				return
			}
		}
	})
}

// ears recognize words in 700 ms of voice, of which 300 ms are what was before it: less holds no word.
var ears = stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		var voiced, begun time.Duration
		for a := range in(ctx) {
			if a.Voice {
				if voiced == 0 {
					begun = a.At
				}
				voiced += a.Duration()
			}
			if !a.Flush {
				continue
			}
			r := stt.Result{Kind: stt.Final, Start: begun, End: a.At}
			if voiced > 700*time.Millisecond {
				r.Text, voiced = "What time is it?", 0
			}
			if !yield(r, nil) {
				return
			}
		}
		yield(stt.Result{}, context.Cause(ctx))
	}
})

// story is a call in which the agent reads for some time.
func (l *loudspeaker) story(t *testing.T, voice []int16) (events []agent.Event) {
	l.down = resample.New(media.SpeakRate, media.ListenRate)
	s := agent.Session{Recognizer: ears, Model: script.Echo(), Voice: reader(voice), Detector: vad.Energy{},
		In: l.microphone(24 * time.Second), Out: media.NewPlayout(media.SpeakRate, l.play),
		Profile: agent.Profile{Greeting: "Once upon a time."},
		Trace:   func(e agent.Event) { events = append(events, e) }}
	_ = s.Run(t.Context()) // the audio ends
	return events
}

// The echo alone, in which a detector of sound hears a voice all the time, never interrupts: after the first pauses, in which
// the agent learns what it sounds like, there are none. A caller who speaks over it is heard at once.
func TestSession(t *testing.T) {
	agents, callers := voices(t)
	voice := sentences(agents, 2, 4, 0, 300*time.Millisecond)
	for _, l := range []*loudspeaker{
		{gain: 10, delay: 130 * time.Millisecond},
		{gain: 10, delay: 300 * time.Millisecond},
		{gain: 4, delay: 200 * time.Millisecond},
		{gain: 10, delay: 160 * time.Millisecond, caller: append(make([]int16, samples(8*time.Second)), callers[0].PCM...)},
		{gain: 4, delay: 160 * time.Millisecond, caller: append(make([]int16, samples(6*time.Second)), callers[1].PCM...)},
	} {
		synctest.Test(t, func(t *testing.T) { l.check(t, l.story(t, voice)) })
	}
}

func (l *loudspeaker) check(t *testing.T, events []agent.Event) {
	spoke := time.Duration(0) // when the caller does
	for i := range l.caller {
		if l.caller[i] != 0 {
			spoke = media.Samples(i, media.ListenRate)
			break
		}
	}
	var holds, interrupts []time.Duration
	var paused, held time.Duration
	for _, e := range events {
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			switch d.Kind {
			case turn.Hold:
				holds, held = append(holds, e.At), e.At
			case turn.Resume:
				paused += e.At - held
			case turn.Interrupt:
				interrupts = append(interrupts, e.At)
			}
		}
	}
	t.Logf("echo %d, %v: held at %v, %v in all; interrupted at %v", l.gain, l.delay, holds, paused, interrupts)
	switch {
	case spoke == 0 && (len(interrupts) > 0 || len(holds) > 3 || paused > 1500*time.Millisecond):
		t.Error("the echo was not known")
	case spoke > 0 && (len(interrupts) == 0 || interrupts[0] < spoke || interrupts[0] > spoke+1200*time.Millisecond):
		t.Error("the caller was not heard when he spoke, at", spoke)
	case spoke > 0:
		for _, h := range holds {
			if h > time.Second && h < spoke {
				t.Error("held at", h)
			}
		}
	}
	if len(events) == 0 || !strings.Contains(events[len(events)-1].Text, "ended") {
		t.Error("the call did not end with its audio")
	}
}
