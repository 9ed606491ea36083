package failover

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/provider"
	"parley/internal/provider/chain"
	"parley/tts"
)

// speech is one call to Speak.
type speech struct {
	*Chain
	*chain.Call
	yield func(tts.Audio, error) bool
	left  bool // the consumer has left the loop
	text  chain.Text
	from  place         // what is still to be said begins here
	given time.Duration // sound that was yielded
	came  chan struct{} // closed when the first phrase is there, or it is known that there is none

	mu     sync.Mutex // guards what follows, and the readings
	began  time.Time  // when came was closed; zero: not yet
	watch  *provider.Watch
	waits  bool       // it runs
	held   bool       // the consumer holds the loop
	active []*reading // of the attempt under way
	kept   int        // the number of the first phrase that may be needed again
}

// begin waits for the first phrase, which a voice will want at once: from then on a voice that does not even ask for it
// is late.
func (s *speech) begin(ctx context.Context) {
	if _, ok := s.text.Next(ctx, 0); !ok && ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Now()
	close(s.came)
	s.await()
}

func (s *speech) speak(ctx context.Context) error {
	for i := s.Next(); i >= 0; i = s.Next() {
		r, err := s.attempt(ctx, i)
		switch {
		case err == nil || s.left:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		s.from = s.reached(r)
		s.Last = s.text.Over(s.from.phrase)
		if s.Failed(ctx, r.link, err); s.Last {
			return nil // all was said
		}
	}
	return s.Err()
}

// attempt yields what voice i says from s.from on; an error says that the voice of the reading failed. It is nil also when
// the consumer left.
func (s *speech) attempt(ctx context.Context, i int) (*reading, error) {
	own, watch := provider.NewWatch(ctx, 0)
	defer watch.Stop()
	q := &request{since: time.Now(), alone: make(chan struct{}), readings: [2]*reading{s.reading(i), s.reading(i)}}
	s.mu.Lock()
	s.watch, s.waits, s.held, s.active = watch, false, false, []*reading{q.readings[0]}
	s.await()
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.watch, s.active = nil, nil
		s.mu.Unlock()
	}()
	for a, err := range s.stream(own, q) {
		s.hold(q.speaking(), true)
		if err != nil {
			var late *provider.Timeout
			if errors.As(context.Cause(own), &late) {
				err = late
			}
			return q.speaking(), err
		}
		s.given += a.Duration()
		if !s.yield(a, nil) {
			s.left = true
			return q.speaking(), nil
		}
		s.hold(q.speaking(), false)
	}
	s.Worked(q.speaking().link)
	return q.speaking(), nil
}

// request is one start, and its hedge.
type request struct {
	since    time.Time
	readings [2]*reading
	won      atomic.Int32  // which of them speaks
	alone    chan struct{} // closed when the first has failed before it was known which
}

func (q *request) speaking() *reading { return q.readings[q.won.Load()] }

// stream is what the voice of q says, or its hedge.
func (s *speech) stream(ctx context.Context, q *request) iter.Seq2[tts.Audio, error] {
	if s.o.Hedge <= 0 {
		return s.read(ctx, q.readings[0])
	}
	q.readings[1].link = s.Other(q.readings[0].link)
	start := func(n int32) provider.Start[tts.Audio] {
		return func(ctx context.Context) iter.Seq2[tts.Audio, error] {
			ctx = losing(ctx, func() bool { return q.won.Load() != n })
			return func(yield func(tts.Audio, error) bool) {
				if n == 1 && !s.joins(ctx, q) {
					return
				}
				for a, err := range s.read(ctx, q.readings[n]) {
					a.PCM, a.Words = slices.Clone(a.PCM), slices.Clone(a.Words) // a race goes on before they are used
					if !yield(a, err) {
						return
					}
				}
			}
		}
	}
	sounds := func(a tts.Audio) bool { return len(a.PCM) > 0 }
	won := func(n int) {
		q.won.Store(int32(n))
		s.drop(q.readings[1-n])
	}
	return provider.Race(ctx, s.o.Hedge, start(0), start(1), sounds, won, func(n int, err error) {
		s.drop(q.readings[n])
		if n == 0 {
			close(q.alone)
		}
		if q.readings[0].link != q.readings[1].link {
			s.Failed(ctx, q.readings[n].link, err)
		}
	})
}

// joins waits until the hedge of q is due, and has it take part. False: ctx has ended before.
func (s *speech) joins(ctx context.Context, q *request) bool {
	select {
	case <-s.came:
	case <-ctx.Done():
		return false
	}
	due := s.began.Add(s.o.Hedge)
	if q.since.After(s.began) {
		due = q.since.Add(s.o.Hedge)
	}
	late := time.NewTimer(time.Until(due))
	defer late.Stop()
	select {
	case <-late.C:
	case <-q.alone:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	s.active = append(s.active, q.readings[1])
	s.await()
	return true
}
