package cassette

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// Sink records the engines that it wraps, those of one conversation. Fill the fields before the first call. An engine that is
// wrapped keeps the contract of package stt as it did before: no goroutine is added, nothing waits but for Line and Blob, which
// must not block.
type Sink struct {
	Now func() time.Duration // the session clock
	// Line takes a line of the tape. It is called by one goroutine at a time, in the order of now; it must not keep the slice.
	Line func(now time.Duration, line []byte)
	// Blob keeps content, which is its own from then on, and returns its name, as [record.Writer.Blob] does. Any goroutine
	// calls it. Nil: sound is not kept, only how long it was.
	Blob func(now time.Duration, content []byte) (name string, ok bool)

	mu                       sync.Mutex
	hearing, thinking, spoke int // calls of each engine so far
}

// tape is where one call is recorded.
type tape struct {
	sink   *Sink
	engine string
	stream int
	since  atomic.Int64 // when the engine could go on
}

func (s *Sink) open(engine string, count *int, o opened) *tape {
	s.mu.Lock()
	*count++
	t := &tape{sink: s, engine: engine, stream: *count}
	s.mu.Unlock()
	o.V = version
	t.put(line{Open: &o})
	t.mark()
	return t
}

// put writes a line.
func (t *tape) put(l line) {
	l.Engine, l.Stream = t.engine, t.stream
	raw := l.text()
	if len(raw) > lineMost && l.Open != nil {
		l.Open = &opened{V: l.Open.V, Print: l.Open.Print}
		raw = l.text()
	}
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	t.sink.Line(t.sink.Now(), raw)
}

func (l line) text() []byte {
	raw, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return raw
}

// mark notes that the engine can go on.
func (t *tape) mark() { t.since.Store(int64(t.sink.Now())) }

// after is how long the engine has taken.
func (t *tape) after() time.Duration { return max(0, t.sink.Now()-time.Duration(t.since.Load())) }

// tee passes a stream on; each writes an item's line. It returns how the stream ended.
func tee[T any](ctx context.Context, t *tape, in iter.Seq2[T, error], yield func(T, error) bool, each func(T)) (end ended) {
	for v, err := range in {
		if err != nil {
			end = failed(err)
			end.Cut = ctx.Err() != nil
			end.After = t.after()
		} else {
			each(v)
		}
		if !yield(v, err) {
			end.Cut = end.Cut || err == nil
			return end
		}
		t.mark()
	}
	if end.Error == "" {
		end.After = t.after()
	}
	return end
}
