package google

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"parley/stt"
)

// chunk is how much audio a message to the provider carries.
const chunk = 100 * time.Millisecond

// link is one stream at a provider. Each function blocks for the ctx that it was opened with at most.
type link struct {
	send   func(pcm []byte) error // s16le; the slice is the caller's again afterwards
	finish func() error           // no more audio: what is still to be said comes, then io.EOF
	recv   func() (reply, error)
}

// reply is what a provider says of the audio of one stream. Times count from the stream's first sample.
type reply struct {
	settled string // what was recognized for good since the last settled text
	end     time.Duration
	words   []stt.Word // of settled; nil when not known
	open    string     // what comes behind settled, and may still change
	openEnd time.Duration
	mark    mark
	at      time.Duration // of mark
}

// last is where what it says ends; 0 if it does not tell.
func (r reply) last() time.Duration { return max(r.end, r.openEnd) }

// mark is what else a provider says of a voice.
type mark uint8

const (
	noMark mark = iota
	began       // a voice is heard
	ended       // no voice is heard anymore
	enough      // no more audio is wanted on this stream
)

// opener begins a stream at a provider.
type opener func(ctx context.Context) (link, error)

// event is news of a stream: it was opened, it has replied, or it is over.
type event struct {
	s     *stream
	reply *reply // nil: it was opened, or err
	err   error
}

// stream is one stream at the provider, fed from the tape.
type stream struct {
	cancel context.CancelFunc
	wake   chan struct{} // more is on the tape, or stop was set
	stop   atomic.Int64  // the place on the tape where it ends; negative: none yet

	// Of the call's goroutine:
	from  int64 // the place on the tape where it begins
	ahead int64 // the end of the tape when it was begun
	since time.Time
	base  int  // texts of the utterance that were settled before it
	open  bool // the provider was reached
	heard bool // it has replied
}

// begin opens a stream that is fed from a place of the tape on. It ends, and everything of it, with its ctx
// or after its last event.
func begin(ctx context.Context, open opener, t *tape, from int64, size int, events chan<- event, running *sync.WaitGroup) *stream {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{cancel: cancel, wake: make(chan struct{}, 1), from: from, ahead: t.end(), since: time.Now()}
	s.stop.Store(-1)
	running.Go(func() {
		defer cancel()
		s.run(ctx, open, t, size, func(e event) {
			e.s = s
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
	})
	return s
}

func (s *stream) run(ctx context.Context, open opener, t *tape, size int, tell func(event)) {
	l, err := open(ctx)
	if err != nil {
		tell(event{err: err})
		return
	}
	tell(event{})
	var writer sync.WaitGroup
	writer.Go(func() {
		_ = s.write(ctx, l, t, size) // recv tells why
	})
	defer writer.Wait()
	defer s.cancel()
	for {
		r, err := l.recv()
		if err != nil {
			tell(event{err: err})
			return
		}
		tell(event{reply: &r})
	}
}

// write sends the tape from the stream's beginning to its stop, in chunks of size bytes.
func (s *stream) write(ctx context.Context, l link, t *tape, size int) error {
	buf := make([]byte, size)
	n, at := 0, s.from
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
			if n == len(buf) {
				if err := l.send(buf); err != nil {
					return err
				}
				n = 0
			}
		}
		if stop >= 0 && at >= min(stop, end) {
			if n > 0 {
				if err := l.send(buf[:n]); err != nil {
					return err
				}
			}
			return l.finish()
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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

// cut is how a stream ended before its time.
type cut uint8

const (
	fatal   cut = iota // the same again would end the same
	passing            // a failure that may pass
	once               // one that seldom passes
	limit              // it was too long or too quiet: no failure
)

// judge tells how a stream ended. Over and done is limit, too: the provider wanted no more.
func judge(err error) cut {
	var c interface{ cut() cut }
	switch {
	case errors.Is(err, io.EOF):
		return limit
	case errors.As(err, &c):
		return c.cut()
	}
	return fatal
}
