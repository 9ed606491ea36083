package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley/agent/turn"
	"parley/media/rtc"
)

// Session is a caller's session as Converse is given it.
type Session struct {
	ID       string
	Call     *rtc.Call
	Turn     turn.Config    // how turns are taken in it, whole: the server's, with what its caller wished
	Used     slog.LogValuer // what its engines used, for the log's closing line; Converse may set it. nil: that is not told
	report   atomic.Pointer[func() Counters]
	recorder atomic.Pointer[Recorder]
}

// Report says where the session's counters come from. Without it they are those of the call alone. from is
// called from any goroutine, and once more after Converse has returned.
func (s *Session) Report(from func() Counters) { s.report.Store(&from) }

// session is a Session in the table. What follows since is guarded by the table's mutex.
type session struct {
	*Session
	cancel  context.CancelCauseFunc
	changes gate // room for one: what is checked before a change still holds when it is made
	often   budget
	since   time.Time

	ended     bool // it may still be running
	listeners map[string]context.CancelCauseFunc
}

func (s *session) state() string {
	select {
	case <-s.Call.Connected():
		return "connected"
	default:
		return "connecting"
	}
}

// table is the sessions there are.
type table struct {
	mu       sync.Mutex
	all      map[string]*session
	reserved int // places of offers that are being answered
	draining bool

	running sync.WaitGroup // sessions and listeners
}

// Why there is no session, or no more of it.
var (
	errFull     = errors.New("all lines are busy; please call again in a moment")
	errBusy     = errors.New("too many are calling at once; please call again in a moment")
	errDraining = errors.New("this server is shutting down; please call again in a moment")
	errUnknown  = errors.New("there is no such session; it may be over")
	errOften    = errors.New("the session is changed too often; wait a moment")
)

// reserve keeps a place for one session until start, or release where there is none.
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
func (t *table) start(s *session, live func()) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return errDraining
	}
	if t.all == nil {
		t.all = make(map[string]*session)
	}
	t.reserved--
	t.all[s.ID] = s
	t.running.Go(func() {
		defer t.remove(s)
		live()
	})
	return nil
}

// remove takes a session that is over off the table; its listeners leave.
func (t *table) remove(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, s.ID)
	s.ended = true
	for _, cancel := range s.listeners {
		cancel(rtc.ErrOver)
	}
}

// find is the session of an id, nil if there is none or it was ended.
func (t *table) find(id string) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.all[id]
	if s == nil || s.ended {
		return nil
	}
	return s
}

// end cancels a session; false if there is none of that id.
func (t *table) end(id string) bool {
	t.mu.Lock()
	s := t.all[id]
	live := s != nil && !s.ended
	if live {
		s.ended = true
	}
	t.mu.Unlock()
	if live {
		s.cancel(ErrDeleted)
	}
	return live
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

// within serves requests to a session, which are a sign of its caller's life.
func (s *Server) within(serve func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e := s.sessions.find(r.PathValue("id"))
		if e == nil {
			s.refuse(w, errUnknown)
			return
		}
		e.Call.Alive()
		serve(w, r, e)
	}
}

// changing is within for requests that cost more: they may not come too often.
func (s *Server) changing(serve func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return s.within(func(w http.ResponseWriter, r *http.Request, e *session) {
		if !e.often.spend(time.Now()) {
			s.refuse(w, errOften)
			return
		}
		serve(w, r, e)
	})
}

// change makes one change of a session, no two at a time.
func (s *Server) change(ctx context.Context, e *session, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := e.changes.enter(ctx); err != nil {
		return err
	}
	defer e.changes.leave()
	if err := s.setup(ctx); err != nil {
		return err
	}
	defer s.setups.leave()
	return do(ctx)
}

// told is the answer of GET /sessions/{id}.
type told struct {
	listed
	Recorded bool     `json:"recorded"`
	Paused   bool     `json:"paused"` // the record
	Counters Counters `json:"counters"`

	Turn map[string]map[string]json.RawMessage `json:"turn"`
}

func (s *Server) tell(w http.ResponseWriter, _ *http.Request, e *session) {
	t := told{listed: listed{e.ID, e.state(), e.since}, Counters: e.counters(), Turn: spelled(e.Turn)}
	if r := e.recorder.Load(); r != nil {
		t.Recorded, t.Paused = true, !r.State().On
	}
	reply(w, http.StatusOK, t)
}

func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	if !s.sessions.end(r.PathValue("id")) {
		s.refuse(w, errUnknown)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// listed is one entry of GET /sessions.
type listed struct {
	ID    string    `json:"id"`
	State string    `json:"state"` // "connecting" or "connected"
	Since time.Time `json:"since"`
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	if !Local(r) {
		fail(w, http.StatusForbidden, "the sessions are listed to this machine only")
		return
	}
	t := &s.sessions
	t.mu.Lock()
	all := make([]listed, 0, len(t.all))
	for id, e := range t.all {
		all = append(all, listed{id, e.state(), e.since})
	}
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b listed) int { return a.Since.Compare(b.Since) })
	reply(w, http.StatusOK, all)
}
