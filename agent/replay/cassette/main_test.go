package cassette

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/llm"
	"parley/media"
	"parley/media/record"
	"parley/stt"
	"parley/tts"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a bundle that lies in memory.
type memory struct {
	begun time.Time

	mu      sync.Mutex
	entries []record.Entry
	blobs   map[string][]byte
}

func newMemory() *memory { return &memory{begun: time.Now(), blobs: map[string][]byte{}} }

// sink records into m, with sound if so asked.
func (m *memory) sink(sound bool) *Sink {
	s := &Sink{
		Now: func() time.Duration { return time.Since(m.begun) },
		Line: func(now time.Duration, line []byte) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.entries = append(m.entries, record.Entry{Kind: record.Tape, Now: now, Seq: uint64(len(m.entries) + 1), Raw: append([]byte(nil), line...)})
		},
	}
	if sound {
		s.Blob = func(_ time.Duration, content []byte) (string, bool) {
			m.mu.Lock()
			defer m.mu.Unlock()
			name := fmt.Sprintf("%064x", len(m.blobs))
			m.blobs[name] = content
			return name, true
		}
	}
	return s
}

func (m *memory) log() iter.Seq2[record.Entry, error] {
	return func(yield func(record.Entry, error) bool) {
		for _, e := range m.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) blob(name string) ([]byte, error) {
	if b, ok := m.blobs[name]; ok {
		return b, nil
	}
	return nil, errors.New("no such blob")
}

// cassette is what m holds, without any trouble.
func (m *memory) cassette(t testing.TB) *Cassette {
	t.Helper()
	c, err := read(m.log(), m.blob)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines is a memory of the given lines, a second apart.
func lines(text ...string) *memory {
	m := newMemory()
	for i, l := range text {
		m.entries = append(m.entries, record.Entry{Kind: record.Tape, Now: time.Duration(i) * time.Second, Seq: uint64(i + 1), Raw: []byte(l)})
	}
	return m
}

func ask(texts ...string) (req llm.Request) {
	req.System = "You are kind."
	for i, s := range texts {
		req.Messages = append(req.Messages, llm.Message{Role: []llm.Role{llm.User, llm.Agent}[i%2], Text: s})
	}
	return req
}

// say runs a model to its end and tells what it wrote and when, in the manner of "20ms one; 30ms stop".
func say(ctx context.Context, m llm.Model, req llm.Request) (out []string) {
	begun := time.Now()
	for d, err := range m.Generate(ctx, req) {
		what := d.Text + string(d.End)
		switch {
		case err != nil:
			what = "error " + err.Error()
		case d.Usage != nil:
			what = fmt.Sprint(*d.Usage)
		case d.Call != nil:
			what = fmt.Sprintf("%s(%s)", d.Call.Name, d.Call.Arguments)
		}
		out = append(out, fmt.Sprintf("%v %s", time.Since(begun), what))
	}
	return out
}

// speak runs a voice over phrases that come one after the other and tells what came and when.
func speak(ctx context.Context, v tts.Voice, phrases ...string) (out []string, pcm []int16) {
	begun := time.Now()
	for a, err := range v.Speak(ctx, media.Of(phrases...)) {
		if err != nil {
			return append(out, fmt.Sprintf("%v error %v", time.Since(begun), err)), pcm
		}
		out = append(out, fmt.Sprintf("%v %v %d@%d %v", time.Since(begun), a.At, len(a.PCM), a.Rate, a.Words))
		pcm = append(pcm, a.PCM...)
	}
	return out, pcm
}

// audio makes frames of 20 ms from a picture, each when it is due: v is voice, . is none, F asks for a Final. It begins at a place of the
// timeline.
func audio(at time.Duration, picture string) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			begun := time.Now()
			for i, c := range picture {
				if wait(ctx, time.Until(begun.Add(time.Duration(i+1)*media.FrameDuration))) != nil {
					return
				}
				f := media.Frame{At: at + time.Duration(i)*media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320)}
				if !yield(stt.Audio{Frame: f, Voice: c == 'v', Flush: c == 'F'}) {
					return
				}
			}
		}
	}
}

// hear runs a recognizer to its end and tells what came and when.
func hear(ctx context.Context, r stt.Recognizer, in media.Source[stt.Audio]) (out []string) {
	begun := time.Now()
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			return append(out, fmt.Sprintf("%v error %v", time.Since(begun), err))
		}
		out = append(out, fmt.Sprintf("%v %v %v–%v %q", time.Since(begun), res.Kind, res.Start, res.End, res.Text))
	}
	return out
}
