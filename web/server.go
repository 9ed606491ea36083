package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"parley/agent/turn"
	"parley/media/rtc"
)

// Why a session's context was canceled.
var (
	ErrDeleted  = errors.New("session deleted")
	ErrShutdown = errors.New("server shuts down")
)

// Server answers callers and owns their sessions. Fill the exported fields before the first use of Handler
// and leave them alone from then on.
type Server struct {
	Endpoint *rtc.Endpoint
	// Converse is one session: it runs the call and returns when it is over. ctx ends with ErrDeleted or
	// ErrShutdown. The call is closed for it when it returns.
	Converse    func(ctx context.Context, s *Session) error
	MaxSessions int   // further callers are told to come again; zero or less: no limit
	Page        fs.FS // served at /, its index.html first; nil: no page
	// Console is served below /console/, without that part of the path. It says itself who may see it. Nil: there is none.
	Console http.Handler
	Logger  *slog.Logger
	// ICE gives the servers that a caller is told, with credentials good from now on; nil: none.
	ICE func(now time.Time) []rtc.ICEServer
	// Origins are those whose pages may call, as a browser writes them ("https://example.com", no slash at the
	// end), or "*" for all. Pages served by this server may in any case.
	Origins []string
	// Listeners allows others on this machine to listen to a session.
	Listeners bool
	// Turn is how turns are taken in sessions whose callers do not wish otherwise. FixedTurn: they may not.
	Turn      turn.Config
	FixedTurn bool

	sessions table
	opening  sync.Once // makes setups
	setups   gate
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

// begin answers an offer and starts its session, whose turns are taken as its caller wishes.
func (s *Server) begin(ctx context.Context, offer string, wish wishes) (*session, string, error) {
	turns, err := s.wanted(wish)
	if err != nil {
		return nil, "", err
	}
	if err := s.sessions.reserve(s.MaxSessions); err != nil {
		return nil, "", err
	}
	e, answer, err := s.establish(ctx, offer, turns)
	if err != nil {
		s.sessions.release()
	}
	return e, answer, err
}

// establish is begin with a place reserved, which the session takes.
func (s *Server) establish(ctx context.Context, offer string, turns turn.Config) (*session, string, error) {
	if err := s.setup(ctx); err != nil {
		return nil, "", err
	}
	defer s.setups.leave()
	call, answer, err := s.Endpoint.Answer(ctx, offer)
	if err != nil {
		return nil, "", err
	}
	// The session outlives the request: its context is ended by DELETE and by Drain.
	live, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	e := &session{Session: &Session{ID: rand.Text(), Call: call, Turn: turns}, cancel: cancel, changes: make(gate, 1), since: time.Now()}
	err = s.sessions.start(e, func() {
		defer cancel(nil)
		s.converse(live, e)
	})
	if err != nil {
		cancel(err)
		call.Close()
		return nil, "", err
	}
	return e, answer, nil
}

func (s *Server) converse(ctx context.Context, e *session) {
	// The whole id is the right to end the session: the log has its beginning only.
	log := s.logger().With(slog.String("session", e.ID[:8]))
	log.Info("session begins")
	err := s.Converse(ctx, e.Session)
	e.Call.Close()
	closing := []any{slog.Duration("after", e.Call.Now()), slog.String("reason", reason(err)), slog.Any("media", e.counters())}
	if e.Used != nil {
		closing = append(closing, slog.Any("used", e.Used))
	}
	log.Info("session ends", closing...)
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
