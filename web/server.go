package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley/media/rtc"
)

// Why a session's context was canceled.
var (
	ErrDeleted  = errors.New("session deleted")
	ErrShutdown = errors.New("server shuts down")
)

// answerTime bounds the making of an answer, the reading of the offer included; it takes milliseconds.
const answerTime = 10 * time.Second

// Server answers callers and owns their sessions. Fill the exported fields before the first use of Handler
// and leave them alone from then on.
type Server struct {
	Endpoint *rtc.Endpoint
	// Converse is one session: it runs the call and returns when it is over. ctx ends with ErrDeleted or
	// ErrShutdown. The call is closed for it when it returns.
	Converse    func(ctx context.Context, s *Session) error
	MaxSessions int   // further callers are told to come again; zero or less: no limit
	Page        fs.FS // served at /, its index.html first; nil: no page
	Logger      *slog.Logger

	sessions table
}

// table is the sessions there are.
type table struct {
	mu       sync.Mutex
	all      map[string]*session
	reserved int // places of offers that are being answered
	draining bool

	running sync.WaitGroup
}

// Session is a caller's session as Converse is given it.
type Session struct {
	ID     string
	Call   *rtc.Call
	report atomic.Pointer[func() Counters]
}

// Report says where the session's counters come from. Without it they are those of the call alone.
func (s *Session) Report(from func() Counters) { s.report.Store(&from) }

type session struct {
	since  time.Time
	call   *rtc.Call
	cancel context.CancelCauseFunc
}

func (s *session) state() string {
	select {
	case <-s.call.Connected():
		return "connected"
	default:
		return "connecting"
	}
}

// Why a caller cannot have a session now.
var (
	errFull     = errors.New("all lines are busy; please call again in a moment")
	errDraining = errors.New("this server is shutting down; please call again in a moment")
)

// reserve keeps a place for one session until start or release.
func (t *table) reserve(limit int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.draining:
		return errDraining
	case limit > 0 && len(t.all)+t.reserved >= limit:
		return errFull
	}
	t.reserved++
	return nil
}

func (t *table) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reserved--
}

// start turns a reserved place into a session whose life is live.
func (t *table) start(id string, s *session, live func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return errDraining
	}
	if t.all == nil {
		t.all = make(map[string]*session)
	}
	t.all[id] = s
	t.running.Go(func() {
		defer t.remove(id)
		live()
	})
	return nil
}

func (t *table) remove(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, id)
}

// end cancels a session; false if there is none of that id.
func (t *table) end(id string) bool {
	t.mu.Lock()
	s, ok := t.all[id]
	t.mu.Unlock()
	if ok {
		s.cancel(ErrDeleted)
	}
	return ok
}

// drain lets no further session begin. The channel is closed when the last one is over.
func (t *table) drain() <-chan struct{} {
	t.mu.Lock()
	t.draining = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		t.running.Wait()
		close(done)
	}()
	return done
}

func (t *table) endAll(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.all {
		s.cancel(why)
	}
}

// Drain takes no further session and waits for those there are to end by themselves. When ctx ends it ends
// them with ErrShutdown, waits for them nevertheless, and returns the cause of ctx. Callers that come
// meanwhile are told to come again.
func (s *Server) Drain(ctx context.Context) error {
	done := s.sessions.drain()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.sessions.endAll(ErrShutdown)
	<-done
	return context.Cause(ctx)
}

// begin answers an offer and starts its session.
func (s *Server) begin(ctx context.Context, offer string) (id, answer string, err error) {
	if err := s.sessions.reserve(s.MaxSessions); err != nil {
		return "", "", err
	}
	defer s.sessions.release()
	call, answer, err := s.Endpoint.Answer(ctx, offer)
	if err != nil {
		return "", "", err
	}
	id = rand.Text()
	// The session outlives the request: its context is ended by DELETE and by Drain.
	live, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	err = s.sessions.start(id, &session{since: time.Now(), call: call, cancel: cancel}, func() {
		defer cancel(nil)
		s.converse(live, id, call)
	})
	if err != nil {
		cancel(err)
		call.Close()
		return "", "", err
	}
	return id, answer, nil
}

func (s *Server) converse(ctx context.Context, id string, call *rtc.Call) {
	// The whole id is the right to end the session: the log has its beginning only.
	log := s.logger().With(slog.String("session", id[:8]))
	log.Info("session begins")
	err := s.Converse(ctx, &Session{ID: id, Call: call})
	call.Close()
	log.Info("session ends", slog.Duration("after", call.Now()), slog.String("reason", reason(err)))
}

func reason(err error) string {
	if err == nil {
		return "done"
	}
	return fmt.Sprint(err)
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}
