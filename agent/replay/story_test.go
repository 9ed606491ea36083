package replay_test

import (
	"context"
	"encoding/json"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/agent/vad"
	"parley/llm"
	"parley/llm/script"
	"parley/media"
	"parley/media/record"
	"parley/stt"
	sttscript "parley/stt/script"
	"parley/tts"
	"parley/tts/tone"
)

func at(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// story is a conversation that is held in virtual time and recorded: a script is the recognizer, an echo the model, a hum
// the voice.
type story struct {
	id     string
	length time.Duration
	lines  []string
	voice  []replay.Span // where the caller makes a sound
	inputs []timed
	model  llm.Model
	tts    tts.Voice
	agent.Profile

	timed  bool             // the recognizer tells when each word was said, and the record keeps that
	pause  replay.Span      // of the record
	heard  *[]time.Duration // the moments of frames with sound on the line
	stupid bool             // the log has no Took and no Ask, as those before they were invented
}

type timed struct {
	at time.Duration
	agent.Input
}

// hold holds it and gives the bundle's folder.
func (s story) hold(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if s.id == "" {
		s.id = "c1"
	}
	synctest.Test(t, func(t *testing.T) { s.run(t, dir) })
	return filepath.Join(dir, s.id+".conv")
}

func (s story) run(t *testing.T, dir string) {
	begin := time.Now()
	now := func() time.Duration { return time.Since(begin) }
	config, err := json.Marshal(s.Profile)
	if err != nil {
		t.Fatal(err)
	}
	w, err := record.New(dir, record.Manifest{ID: s.id, Start: begin, Config: config}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { err = w.Run(ctx, now, record.Taps{}) })
	if s.pause.To > 0 {
		time.AfterFunc(s.pause.From, func() { w.Pause(now(), "the caller said so") })
		time.AfterFunc(s.pause.To, func() { w.Resume(now()) })
	}
	session := s.session(now)
	if s.heard != nil {
		session.Out = media.NewPlayout(media.SpeakRate, func(f media.Frame) {
			if slices.ContainsFunc(f.PCM, func(v int16) bool { return v > 100 || v < -100 }) {
				*s.heard = append(*s.heard, now())
			}
		})
	}
	if s.timed {
		n := uint64(0)
		sink := &cassette.Sink{Now: now, Line: func(now time.Duration, line []byte) {
			n++
			w.Tape(n, now, line)
		}}
		session.Recognizer = sink.Recognizer(saysWhen(session.Recognizer))
	}
	session.Trace = func(e agent.Event) {
		if s.stupid && (e.Kind == agent.Took || e.Kind == agent.Ask) {
			return
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Error(err)
		}
		w.Log(e.Seq, e.At, line)
	}
	_ = session.Run(t.Context()) // why it ended is in the log
	cancel()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}
}

func (s story) session(now func() time.Duration) *agent.Session {
	c := &agent.Session{Model: s.model, Voice: s.tts, Profile: s.Profile, Now: now}
	c.Recognizer = sttscript.New(sttscript.Options{Lines: s.lines})
	if c.Model == nil {
		c.Model = script.Echo()
	}
	if c.Voice == nil {
		c.Voice = tone.Voice{}
	}
	c.Detector = vad.DetectorFunc(func() vad.Stream { return loud{} })
	c.In = s.microphone
	c.Out = media.NewPlayout(media.SpeakRate, func(media.Frame) {})
	c.Input = func(ctx context.Context) iter.Seq[agent.Input] {
		return func(yield func(agent.Input) bool) {
			for _, in := range s.inputs {
				time.Sleep(in.at - now())
				if !yield(in.Input) {
					return
				}
			}
		}
	}
	return c
}

// saysWhen is a recognizer that tells of the words of its texts that each lasts 100 ms.
func saysWhen(r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for res, err := range r.Recognize(ctx, in) {
				for i, w := range strings.Fields(res.Text) {
					at := res.Start + time.Duration(i)*100*time.Millisecond
					res.Words = append(res.Words, stt.Word{Text: strings.ToLower(strings.Trim(w, ".,?")), Start: at, End: at + 90*time.Millisecond})
				}
				if !yield(res, err) {
					return
				}
			}
		}
	})
}

// microphone is the caller: a sound in the spans, silence else.
func (s story) microphone(ctx context.Context) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		time.Sleep(3 * time.Millisecond) // no timer of the story shares a moment with the playout's
		tick := time.NewTicker(media.FrameDuration)
		defer tick.Stop()
		for at := time.Duration(0); at < s.length; at += media.FrameDuration {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			pcm := make([]int16, media.ListenRate/50)
			for _, v := range s.voice {
				for i := range pcm {
					if at >= v.From && at < v.To {
						pcm[i] = 8000
					}
				}
			}
			if !yield(media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}) {
				return
			}
		}
	}
}

// loud hears any sound, a score each frame.
type loud struct{}

func (loud) Score(f media.Frame) ([]vad.Score, error) {
	if f.PCM[0] == 0 {
		return []vad.Score{{At: f.At + f.Duration(), Level: -100}}, nil
	}
	return []vad.Score{{At: f.At + f.Duration(), Voice: 0.95, Level: -20}}, nil
}

// read reads a bundle, which must be without fault.
func read(t *testing.T, path string) *replay.Conversation {
	t.Helper()
	c, err := tryRead(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryRead(t *testing.T, path string) (*replay.Conversation, error) {
	t.Helper()
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	return replay.Read(b)
}
