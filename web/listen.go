package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"parley/media/rtc"
)

// maxListeners is how many may listen to one session.
const maxListeners = 8

// Why nobody may listen.
var (
	errNoListening = errors.New("listening to a session is off, or not allowed from here: it is for this machine only")
	errCrowd       = errors.New("the session has all the listeners that it may have")
)

// listen lets one more listen to a session. It is no sign of life of the session's caller.
func (s *Server) listen(w http.ResponseWriter, r *http.Request) {
	if !s.Listeners || !Local(r) {
		s.refuse(w, errNoListening)
		return
	}
	e := s.sessions.find(r.PathValue("id"))
	if e == nil {
		s.refuse(w, errUnknown)
		return
	}
	sdp, err := body(w, r, sdpType)
	if err != nil {
		s.refuse(w, err)
		return
	}
	id := rand.Text()
	answer, err := s.admit(r.Context(), e, id, string(sdp))
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Location", "/sessions/"+e.ID+"/listeners/"+id)
	text(w, http.StatusCreated, sdpType, answer)
}

// admit answers a listener's offer and lets it listen until it, or the session, is over.
func (s *Server) admit(ctx context.Context, e *session, id, offer string) (string, error) {
	// The listener outlives the request: its context is ended by DELETE and by the end of its session.
	live, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	if err := s.sessions.join(e, id, cancel); err != nil {
		cancel(err)
		return "", err
	}
	l, answer, err := s.answerListener(ctx, e.Call, offer)
	if err == nil {
		err = s.sessions.hear(e, func() {
			defer cancel(nil)
			defer s.sessions.leave(e, id)
			s.hear(live, l, e.ID, id)
		})
	}
	if err != nil {
		cancel(err)
		s.sessions.leave(e, id)
		if l != nil {
			l.Close()
		}
		return "", err
	}
	return answer, nil
}

func (s *Server) answerListener(ctx context.Context, from *rtc.Call, offer string) (*rtc.Listener, string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := s.setup(ctx); err != nil {
		return nil, "", err
	}
	defer s.setups.leave()
	return s.Endpoint.AnswerListener(ctx, offer, from)
}

// hear is the life of a listener.
func (s *Server) hear(ctx context.Context, l *rtc.Listener, session, id string) {
	log := s.logger().With(slog.String("session", session[:8]), slog.String("listener", id[:8]))
	log.Info("listener joins")
	begin := time.Now()
	err := l.Run(ctx)
	sent, lost := l.Stats()
	log.Info("listener leaves", slog.Duration("after", time.Since(begin)), slog.String("reason", reason(err)),
		slog.Uint64("sent", sent), slog.Uint64("lost", lost))
}

// join gives a listener a place.
func (t *table) join(s *session, id string, cancel context.CancelCauseFunc) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case s.ended:
		return errUnknown
	case len(s.listeners) >= maxListeners:
		return errCrowd
	}
	if s.listeners == nil {
		s.listeners = make(map[string]context.CancelCauseFunc)
	}
	s.listeners[id] = cancel
	return nil
}

// hear runs live, the life of a listener, if the session is not over. Drain waits for it.
func (t *table) hear(s *session, live func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[s.ID] != s {
		return errUnknown
	}
	t.running.Go(live) // the session runs, so the wait for all cannot be over
	return nil
}

// leave gives a listener's place back.
func (t *table) leave(s *session, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(s.listeners, id)
}

// leave ends a listening.
func (s *Server) leave(w http.ResponseWriter, r *http.Request) {
	t := &s.sessions
	t.mu.Lock()
	var cancel context.CancelCauseFunc
	if e := t.all[r.PathValue("id")]; e != nil {
		cancel = e.listeners[r.PathValue("lid")]
		delete(e.listeners, r.PathValue("lid"))
	}
	t.mu.Unlock()
	if cancel == nil {
		fail(w, http.StatusNotFound, "there is no such listener; it may have left")
		return
	}
	cancel(ErrDeleted)
	w.WriteHeader(http.StatusNoContent)
}
