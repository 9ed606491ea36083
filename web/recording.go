package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Recorder is how a session's record is paused. Its functions are called from any goroutine, also after Converse has
// returned, and must not block.
type Recorder struct {
	// Allow says that the operator lets the record go on, or does not.
	Allow func(on bool)
	// State is whether it goes on and whose doing that is.
	State func() Recording
}

// Recorded says that the session is recorded and how that is paused.
func (s *Session) Recorded(r Recorder) { s.recorder.Store(&r) }

// Why a record is not paused.
var (
	errSwitch     = errors.New(`the body must be a JSON object {"on": true} or {"on": false}`)
	errNoRecord   = errors.New("this session is not recorded")
	errNoOperator = errors.New("a session's record is paused from this machine only; the caller can pause it on the page")
)

// record pauses a session's record or lets it go on. It is no sign of life of the session's caller.
func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	if !Local(r) {
		s.refuse(w, errNoOperator)
		return
	}
	e := s.sessions.find(r.PathValue("id"))
	if e == nil {
		s.refuse(w, errUnknown)
		return
	}
	b, err := body(w, r, jsonType)
	if err != nil {
		s.refuse(w, err)
		return
	}
	on, err := readSwitch(b)
	if err != nil {
		s.refuse(w, err)
		return
	}
	rec := e.recorder.Load()
	if rec == nil {
		s.refuse(w, errNoRecord)
		return
	}
	rec.Allow(on)
	state := rec.State()
	state.Type = "recording"
	reply(w, http.StatusOK, state)
}

// readSwitch reads the body of a request that turns something on or off; fields it does not know are ignored.
func readSwitch(body []byte) (on bool, err error) {
	var v struct {
		On *bool `json:"on"`
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return false, fmt.Errorf("%w: %w", errSwitch, err)
	}
	if v.On == nil {
		return false, errSwitch
	}
	return *v.On, nil
}
