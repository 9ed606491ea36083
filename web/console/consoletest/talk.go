// Package consoletest records conversations for tests of the console.
package consoletest

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"slices"
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
	"parley/media/codec"
	"parley/media/record"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

// Start is when every conversation begins.
var Start = time.Date(2026, 11, 20, 14, 3, 7, 0, time.UTC)

// span is where the caller's voice is.
type span struct{ from, to float64 }

// voice is where the caller speaks in a Talk: a question, a cough into the answer, an interruption, a question that the model
// fails at, and a last one.
var voice = []span{{3, 5.2}, {8.6, 8.9}, {18, 20.4}, {28, 29.5}, {38, 39.2}}

var lines = []string{
	"Why is the sky blue, and red in the evening?", "mm-hm", "Wait, and what about Mars?", "Can you book a table?", "Then tell me the time.",
}

var answers = map[string]string{
	lines[0]: "Sunlight is scattered by the air, and blue light far more than red. In the evening it comes a longer way, and most of the blue is gone before it reaches your eyes, so what is left is red.",
	lines[2]: "On Mars it is the other way round. The dust there scatters red light by day, and near the sun the evening sky is blue.",
	lines[4]: "It is ten past three.",
}

// Round is how long it takes until the caller says the same again.
const Round = 45 * time.Second

// Talk records a conversation of so many rounds below dir and returns the path of its bundle. It takes a hundredth of
// the time that it lasts.
func Talk(t *testing.T, dir, id string, rounds int) string {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { talk(t, dir, id, time.Duration(rounds)*Round+2*time.Second) })
	return filepath.Join(dir, id+".conv")
}

func talk(t *testing.T, dir, id string, length time.Duration) {
	p := agent.Profile{Greeting: "Hi, this is Robin. How can I help you?", Prompt: "You explain the world."}
	config, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	w, err := record.New(dir, record.Manifest{ID: id, Start: Start, Build: record.Build{Version: "v0.5.0", Revision: "0123abcd"}, Config: config, Clock: record.Clock{Source: "virtual"}}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	now := func() time.Duration { return time.Since(begin) }
	var up, down media.Relay[media.Packet]
	taps := record.Taps{Up: up.Tap(250, media.DropNewest), Down: down.Tap(250, media.DropNewest)}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := w.Run(ctx, now, taps); err != nil {
			t.Error(err)
		}
	})
	mouth, ear := newSpeech(t), newSpeech(t)
	s := agent.Session{
		Recognizer: sttscript.New(sttscript.Options{Lines: lines}), Model: model(), Voice: tone.Voice{}, Detector: loud, Profile: p, Now: now,
		In: microphone(length, func(f media.Frame) {
			switch in := f.At % Round; { // three packets are lost, and the sender pauses for a while
			case in >= 4*time.Second && in < 4060*time.Millisecond:
				mouth.skip()
			case in >= 22*time.Second && in < 26*time.Second && in%(400*time.Millisecond) != 0:
				mouth.pause()
			default:
				up.Send(mouth.packet(now(), f))
			}
		}),
		Out: media.NewPlayout(media.SpeakRate, func(f media.Frame) { down.Send(ear.packet(now(), f)) }),
		Trace: func(e agent.Event) {
			if e.Step != nil && e.Step.In.Kind == turn.Muted {
				w.Mute(e.At, e.Step.In.On)
			}
			if line, err := json.Marshal(e); err == nil {
				w.Log(e.Seq, e.At, line)
			}
		},
		Input: func(ctx context.Context) iter.Seq[agent.Input] {
			return func(yield func(agent.Input) bool) {
				time.Sleep(34 * time.Second)
				if !yield(agent.Input{Kind: agent.Mute, On: true}) {
					return
				}
				time.Sleep(2 * time.Second)
				if yield(agent.Input{Kind: agent.Mute}) {
					<-ctx.Done()
				}
			}
		},
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("the conversation has no end")
	}
	time.Sleep(100 * time.Millisecond)
	up.Close()
	down.Close()
	time.Sleep(time.Second)
	stop()
	all.Wait()
}

func model() llm.Model {
	fail := fmt.Errorf("status 503: %w", provider.ErrUnavailable)
	return llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		last := req.Messages[len(req.Messages)-1].Text
		if last == lines[3] {
			return func(yield func(llm.Delta, error) bool) { yield(llm.Delta{}, fail) }
		}
		a := answers[last]
		if a == "" {
			a = "I see: " + last
		}
		return script.New(script.Options{Answers: []string{a}, First: 240 * time.Millisecond, Gap: 30 * time.Millisecond}).Generate(ctx, req)
	})
}

// microphone yields the caller's frames at their time, after each was sent.
func microphone(length time.Duration, send func(media.Frame)) media.Source[media.Frame] {
	return func(ctx context.Context) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			time.Sleep(3 * time.Millisecond) // no timer of the story shares a moment with the playout's
			tick := time.NewTicker(media.FrameDuration)
			defer tick.Stop()
			pcm := make([]int16, media.ListenRate/50)
			for at := time.Duration(0); at < length; at += media.FrameDuration {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				clear(pcm)
				for _, v := range voice {
					if in := (at % Round).Seconds(); in >= v.from && in < v.to {
						for i := range pcm {
							pcm[i] = 8000
						}
					}
				}
				f := media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}
				send(f)
				if !yield(f) {
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

// speech makes packets of something that looks like speech: the same over and over, so that only the first are encoded.
type speech struct {
	words, silence [][]byte
	n, sounded     int // packets, the skipped ones too; those with sound
	units          uint32
}

func newSpeech(t testing.TB) *speech {
	t.Helper()
	const rate, loop = 24000, 750
	s := &speech{}
	for _, to := range []*[][]byte{&s.silence, &s.words} {
		enc, err := codec.NewOpusEncoder(rate, codec.EncoderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pcm := make([]int16, rate/50)
		for n := range loop {
			for i := range pcm {
				if to == &s.words {
					pcm[i] = sample(float64(n*len(pcm)+i) / rate)
				}
			}
			buf := make([]byte, codec.MaxPayload)
			n, err := enc.Encode(pcm, buf)
			if err != nil {
				t.Fatal(err)
			}
			*to = append(*to, buf[:n])
		}
	}
	return s
}

// sample is a vowel in syllables of different weight.
func sample(at float64) int16 {
	syllable := math.Pow(math.Abs(math.Sin(math.Pi*4.3*at)), 1.5) * (0.55 + 0.45*math.Sin(2.1*at)*math.Cos(5.7*at))
	v := 0.0
	for k := 1.0; k < 6; k++ {
		v += math.Sin(2*math.Pi*140*k*at+k) / k
	}
	return int16(9000 * syllable * v / 1.6)
}

// packet is the packet of a frame, with sound if the frame has any.
func (s *speech) packet(now time.Duration, f media.Frame) media.Packet {
	from := s.silence
	if slices.ContainsFunc(f.PCM, func(v int16) bool { return v > 100 || v < -100 }) {
		from = s.words
		s.sounded++
	}
	p := media.Packet{At: now, Seq: uint16(s.n), Time: s.units, Level: -1, Payload: from[s.sounded%len(from)]}
	s.skip()
	return p
}

// skip is a packet that is lost.
func (s *speech) skip() {
	s.n++
	s.pause()
}

// pause is a frame for which no packet is made.
func (s *speech) pause() { s.units += media.ClockRate / 50 }
