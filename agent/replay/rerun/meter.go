package rerun

import (
	"context"
	"iter"
	"sync"
	"time"

	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// Meters are what was measured at the engines.
type Meters struct {
	Answers int           `json:"answers"` // that the model was asked for
	Live    int           `json:"live"`    // the most of them at a time that were not canceled
	LiveAt  time.Duration `json:"liveAt"`  // when
	Cancels []Cancel      `json:"cancels,omitempty"`
	Behind  time.Duration `json:"behind"`  // the oldest audio that the recognizer was given
	Skipped time.Duration `json:"skipped"` // audio that it never got
}

// Slowest is the canceled work that took longest to end.
func (m Meters) Slowest() (slowest Cancel) {
	for _, c := range m.Cancels {
		if c.Took >= slowest.Took {
			slowest = c
		}
	}
	return slowest
}

// meter measures at the engines of one conversation.
type meter struct {
	now func() time.Duration

	mu    sync.Mutex
	found Meters
	alive map[int]func() error // of the answers that the model writes: why one was canceled
	end   time.Duration        // of the audio that the recognizer was given
}

// Cancel is work that was canceled, and how long it took to end.
type Cancel struct {
	Engine string        `json:"engine"` // "stt", "llm", "tts"
	At     time.Duration `json:"at"`
	Took   time.Duration `json:"took"`
}

// done is the figures once nothing is measured any more.
func (m *meter) done() Meters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.found
}

// watch notes when ctx ends; what it returns is called when the work under it has.
func (m *meter) watch(ctx context.Context, engine string) func() {
	var at time.Duration
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		at = m.now()
		close(told)
	})
	return func() {
		switch {
		case !stop():
			<-told
		case ctx.Err() == nil:
			return // it ended by itself
		default: // it ended before the end of ctx was told here
			at = m.now()
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.found.Cancels = append(m.found.Cancels, Cancel{Engine: engine, At: at, Took: m.now() - at})
	}
}

// watched is a stream whose end after a cancel is measured.
func watched[T any](m *meter, ctx context.Context, engine string, in iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer m.watch(ctx, engine)()
		for v, err := range in {
			if !yield(v, err) {
				return
			}
		}
	}
}

// model is next with its calls counted.
func (m *meter) model(next llm.Model) llm.Model {
	counted := llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			defer m.begin(ctx)()
			watched(m, ctx, "llm", next.Generate(ctx, req))(yield)
		}
	})
	if w, ok := next.(llm.Warmer); ok {
		return warm{counted, w}
	}
	return counted
}

type warm struct {
	llm.Model
	llm.Warmer
}

// begin counts an answer that the model begins to write.
func (m *meter) begin(ctx context.Context) (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found.Answers++
	n := m.found.Answers
	if m.alive == nil {
		m.alive = map[int]func() error{}
	}
	m.alive[n] = ctx.Err
	live := 0
	for _, canceled := range m.alive {
		if canceled() == nil {
			live++
		}
	}
	if live > m.found.Live {
		m.found.Live, m.found.LiveAt = live, m.now()
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.alive, n)
	}
}

// voice is next with its calls measured.
func (m *meter) voice(next tts.Voice) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return watched(m, ctx, "tts", next.Speak(ctx, text))
	})
}

// recognizer is next with what it is given measured.
func (m *meter) recognizer(next stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		fed := func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for a := range in(ctx) {
					m.fed(a)
					if !yield(a) {
						return
					}
				}
			}
		}
		return watched(m, ctx, "stt", next.Recognize(ctx, fed))
	})
}

// fed measures what the recognizer is given.
func (m *meter) fed(a stt.Audio) {
	if len(a.PCM) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	end := a.At + a.Duration()
	m.found.Behind = max(m.found.Behind, m.now()-end)
	if m.end > 0 {
		m.found.Skipped += max(0, a.At-m.end)
	}
	m.end = end
}
