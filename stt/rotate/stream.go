package rotate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// burst is how much audio may be sent at once when it was held up.
const burst = 300 * time.Millisecond

// event is news of a stream: it was opened, it has replied, or it is over.
type event struct {
	s     *stream
	reply *Reply // nil: it was opened, or err
	err   error
}

// stream is one stream at the provider, fed from the tape.
type stream struct {
	cancel context.CancelFunc
	wake   chan struct{} // more is on the tape, or stop was set
	stop   atomic.Int64  // the place on the tape where it ends; negative: none yet
	sent   atomic.Int64  // the place up to which it was given to the link

	// Of the call's goroutine:
	from   int64 // the place on the tape where it begins
	ahead  int64 // the end of the tape when it was begun
	openTo int64 // the place where its open text ends
	since  time.Time
	base   int  // parts of the utterance that were settled before it
	kept   Part // and what it cannot hear again of the open one
	open   bool // the provider was reached
	heard  bool // it has replied
}

// begin opens a stream that is fed from a place of the tape on. It ends, and everything of it, with its ctx
// or after its last event.
func begin(ctx context.Context, o *Options, t *tape, from int64, events chan<- event, running *sync.WaitGroup) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{cancel: cancel, wake: make(chan struct{}, 1), from: from, openTo: from, ahead: t.end(), since: time.Now()}
	s.stop.Store(-1)
	s.sent.Store(from)
	running.Go(func() {
		defer cancel()
		s.run(ctx, o, t, func(e event) {
			e.s = s
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	})
	return s
}

func (s *stream) run(ctx context.Context, o *Options, t *tape, tell func(event)) {
	l, err := o.Open(ctx, t.rate)
	if err != nil {
		tell(event{err: err})
		return
	}
	if l.Close != nil {
		defer l.Close()
	}
	tell(event{})
	var writer sync.WaitGroup
	writer.Go(func() {
		_ = s.write(ctx, l, o, t) // Recv tells why
	})
	defer writer.Wait()
	defer s.cancel()
	for {
		r, err := l.Recv()
		if err != nil {
			tell(event{err: err})
			return
		}
		tell(event{reply: &r})
	}
}

// write sends the tape from the stream's beginning to its stop, in chunks.
func (s *stream) write(ctx context.Context, l Link, o *Options, t *tape) error {
	buf := make([]byte, 2*t.count(o.Chunk))
	n, at := 0, s.from
	p := pace{speed: time.Duration(o.Pace), free: time.Now()}
	for {
		stop := s.stop.Load()
		end := t.end()
		if stop >= 0 && stop < end {
			end = stop
		}
		for at < end {
			var got int
			room := min(len(buf)-n, int(2*(end-at)))
			got, at = t.read(at, buf[n:n+room])
			if n += got; got == 0 {
				break
			}
			if n < len(buf) {
				continue
			}
			if err := p.wait(ctx, o.Chunk); err != nil {
				return err
			}
			s.sent.Store(at) // first, for an answer may come before Send returns
			if err := l.Send(buf); err != nil {
				return err
			}
			n = 0
		}
		if stop >= 0 && at >= min(stop, end) {
			s.sent.Store(at)
			if n > 0 {
				if err := l.Send(buf[:n]); err != nil {
					return err
				}
			}
			return l.Finish()
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pace holds audio up that is sent faster than so many times as fast as it was spoken.
type pace struct {
	speed time.Duration // 0: it is not held up
	free  time.Time
}

func (p *pace) wait(ctx context.Context, chunk time.Duration) error {
	if p.speed <= 0 {
		return nil
	}
	now := time.Now()
	if d := p.free.Sub(now); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if oldest := now.Add(-burst / p.speed); p.free.Before(oldest) {
		p.free = oldest
	}
	p.free = p.free.Add(chunk / p.speed)
	return nil
}

// nudge has the stream look at the tape again.
func (s *stream) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// half ends the stream's audio at a place of the tape.
func (s *stream) half(at int64) {
	s.stop.Store(at)
	s.nudge()
}
