package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// The bounds of a request.
const (
	bodyLimit   = 64 << 10              // bytes; more than any browser's offer needs
	answerTime  = 10 * time.Second      // from its header to its answer; the work is milliseconds
	changeEach  = 50 * time.Millisecond // a session's changes: 20 a second for ever …
	changeBurst = 40                    // … and so many at once: a caller's candidates come in a flock
)

// gate lets as many in at a time as it has room for.
type gate chan struct{}

// enter waits for a place; leave gives it back.
func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

func (g gate) leave() { <-g }

// setup waits for the right to make an answer, which setups.leave gives back. Descriptions, candidates and keys
// cost a millisecond of a processor each time; if callers could put all processors to it at once, the packets of
// every call would wait behind them. So half of the processors do it at the most. Those who wait are few: each
// holds a place for a session, or the only change of one.
func (s *Server) setup(ctx context.Context) error {
	s.opening.Do(func() { s.setups = make(gate, max(1, runtime.GOMAXPROCS(0)/2)) })
	return s.setups.enter(ctx)
}

// budget is how often something may be done. The zero value is full.
type budget struct {
	mu   sync.Mutex
	full time.Time // when it will be full again
}

// spend takes one from the budget; false if it is used up.
func (b *budget) spend(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full.Before(now) {
		b.full = now
	}
	if b.full.Sub(now) > (changeBurst-1)*changeEach {
		return false
	}
	b.full = b.full.Add(changeEach)
	return true
}

// timely bounds the time for reading a request, also what is left of one that was refused unread.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A test's recorder has no deadlines; a slow body is then bounded by its size.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTime))
		next.ServeHTTP(w, r)
	})
}

// errType is a body of a media type that is not understood here.
var errType = errors.New("the body has the wrong media type")

// body reads the body of a request, which has to be of the media type kind.
func body(w http.ResponseWriter, r *http.Request, kind string) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != kind {
		return nil, fmt.Errorf("%w: send it as %s", errType, kind)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return b, nil
}

// errBody is a body that could not be read to its end.
var errBody = errors.New("the body cannot be read")
