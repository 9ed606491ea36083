package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"parley/media/rtc"
)

// bodyLimit is more than any browser's offer needs.
const bodyLimit = 64 << 10

// retryAfter is told to callers who find no free line, in seconds.
const retryAfter = "5"

// Handler serves:
//
//	POST   /offer          {"sdp": …, "type": "offer"} → {"sdp": …, "type": "answer", "session": id}
//	DELETE /sessions/{id}  ends a session: 204, or 404
//	GET    /sessions       the sessions' ids, states and beginnings, to this machine only
//	GET    /healthz        200 while calls are taken, 503 while the server drains
//	GET    /               the page
//
// An error is {"error": a sentence}: 400 for an offer that cannot become a call, 413 for a body over 64 KiB,
// 415 if it is not JSON, 503 with Retry-After when all lines are busy. Requests that change something are
// refused from pages of other origins.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /offer", s.offer)
	mux.HandleFunc("DELETE /sessions/{id}", s.end)
	mux.HandleFunc("GET /sessions", s.list)
	mux.HandleFunc("GET /healthz", s.health)
	if s.Page != nil {
		mux.Handle("GET /", pages(s.Page))
	}
	return secure(http.NewCrossOriginProtection().Handler(mux))
}

type description struct {
	SDP     string `json:"sdp"`
	Type    string `json:"type"`
	Session string `json:"session,omitempty"`
}

func (s *Server) offer(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	// A test's recorder has no deadlines; a slow body is then bounded by its size.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTime))
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "send the offer as application/json")
		return
	}
	sdp, err := decodeOffer(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		s.refuse(w, err)
		return
	}
	id, answer, err := s.begin(ctx, sdp)
	if err != nil {
		s.refuse(w, err)
		return
	}
	reply(w, http.StatusOK, description{SDP: answer, Type: "answer", Session: id})
}

// errJSON is a body that is not an offer.
var errJSON = errors.New(`the body must be a JSON object {"sdp": …, "type": "offer"}`)

// decodeOffer reads the body of POST /offer; fields it does not know are ignored.
func decodeOffer(body io.Reader) (sdp string, err error) {
	d := json.NewDecoder(body)
	var o description
	if err := d.Decode(&o); err != nil {
		return "", fmt.Errorf("%w: %w", errJSON, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("%w: something follows it: %w", errJSON, err)
	}
	if o.Type != "offer" || o.SDP == "" {
		return "", errJSON
	}
	return o.SDP, nil
}

// refuse tells the caller why there is no session.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("an offer has at most %d bytes", bodyLimit))
	case errors.Is(err, errJSON), errors.Is(err, rtc.ErrOffer):
		fail(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, errFull), errors.Is(err, errDraining):
		w.Header().Set("Retry-After", retryAfter)
		fail(w, http.StatusServiceUnavailable, err.Error())
	default:
		s.logger().Error("cannot answer offer", slog.Any("err", err))
		fail(w, http.StatusInternalServerError, "the call could not be set up; the server's log says why")
	}
}

func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	if !s.sessions.end(r.PathValue("id")) {
		fail(w, http.StatusNotFound, "there is no such session; it may be over")
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

// Local is whether a request was made on this machine, and not by a proxy for another, nor by a page whose
// name was made to lead here.
func Local(r *http.Request) bool {
	if r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" {
		return false
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	s.sessions.mu.Lock()
	draining := s.sessions.draining
	s.sessions.mu.Unlock()
	if draining {
		fail(w, http.StatusServiceUnavailable, errDraining.Error())
		return
	}
	reply(w, http.StatusOK, status{"ok"})
}

type status struct {
	Status string `json:"status"`
}

// trouble is the body of every answer that is an error.
type trouble struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, sentence string) {
	reply(w, code, trouble{sentence})
}

func reply[T any](w http.ResponseWriter, code int, v T) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a caller who has left is not told
}
