package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"parley/media/rtc"
)

// retryAfter is told to callers who find no free line, in seconds.
const retryAfter = "5"

// The media types of bodies.
const (
	jsonType     = "application/json"
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
)

// Handler serves:
//
//	POST   /offer                          {"sdp", "type": "offer", "turn", "patience"} → {"sdp", "type": "answer", "session", "iceServers"}
//	POST   /whip                           begins a session as RFC 9725 says
//	GET    /sessions/{id}                  {"id", "state", "since", "recorded", "paused", "counters", "turn"}
//	POST   /sessions/{id}/offer            a further offer of the session, like /offer
//	PATCH  /sessions/{id}                  further candidates, or an ICE restart, as RFC 9725 says
//	DELETE /sessions/{id}                  ends a session: 204
//	POST   /sessions/{id}/recording        {"on"} → {"type": "recording", "on", "by"}: pauses the session's record or lets it go on, to
//	                                       this machine only
//	POST   /sessions/{id}/listen           lets another listen, if Listeners is set, to this machine only
//	DELETE /sessions/{id}/listeners/{lid}  ends the listening: 204
//	GET    /sessions                       the sessions' ids, states and beginnings, to this machine only
//	GET    /healthz                        200 while calls are taken, 503 while the server drains
//	any    /console/…                      what Console serves
//	GET    /                               the page
//
// OPTIONS tells for each what it takes; another method is answered with 405. An ETag names the ICE session
// that an answer began. An error is {"error": a sentence}: 400 for what cannot be read or cannot become a call,
// 403 for pages of origins that are not trusted and for turn-taking of one's own where that is not allowed, 404 for a session that is over, 409 for the record of one that has none, 408 for a body that does not
// come, 412 for an ICE session that is not the present one, 413 for a body over 64 KiB, 415 for one of another
// type, 428 for a PATCH without If-Match, 429 for too many changes, 503 with Retry-After when all lines are busy.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/offer", route{jsonType, handlers{"POST": s.offer}})
	mux.Handle("/whip", route{sdpType, handlers{"POST": s.whip}})
	mux.Handle("/sessions/{id}", route{fragmentType, handlers{"GET": s.within(s.tell), "PATCH": s.changing(s.patch), "DELETE": s.end}})
	mux.Handle("/sessions/{id}/offer", route{jsonType, handlers{"POST": s.changing(s.reoffer)}})
	mux.Handle("/sessions/{id}/recording", route{jsonType, handlers{"POST": s.record}})
	mux.Handle("/sessions/{id}/listen", route{sdpType, handlers{"POST": s.listen}})
	mux.Handle("/sessions/{id}/listeners/{lid}", route{"", handlers{"DELETE": s.leave}})
	mux.Handle("/sessions", route{"", handlers{"GET": s.list}})
	mux.Handle("/healthz", route{"", handlers{"GET": s.health}})
	if s.Console != nil {
		mux.Handle("/console/", http.StripPrefix("/console", s.Console))
		mux.Handle("/console", route{"", handlers{"GET": http.RedirectHandler("/console.html", http.StatusTemporaryRedirect).ServeHTTP}})
	}
	if s.Page != nil {
		mux.Handle("/", route{"", handlers{"GET": pages(s.Page).ServeHTTP}})
	}
	return secure(timely(s.crossOrigin(mux)))
}

// route is what one path does.
type route struct {
	takes string // media type of the bodies of POST or PATCH
	by    handlers
}

type handlers map[string]http.HandlerFunc

func (t route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := t.by[r.Method]
	if !ok && r.Method == http.MethodHead {
		h, ok = t.by[http.MethodGet]
	}
	if ok {
		h(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(append(slices.Sorted(maps.Keys(t.by)), http.MethodOptions), ", "))
	if r.Method != http.MethodOptions {
		fail(w, http.StatusMethodNotAllowed, "this address does not take "+r.Method)
		return
	}
	if t.by[http.MethodPost] != nil {
		w.Header().Set("Accept-Post", t.takes)
	}
	if t.by[http.MethodPatch] != nil {
		w.Header().Set("Accept-Patch", t.takes)
	}
	w.WriteHeader(http.StatusNoContent)
}

// refusals are the errors that are the caller's or nobody's fault.
var refusals = []struct {
	err  error
	code int
}{
	{rtc.ErrOver, http.StatusNotFound}, // whatever ended it; its session will be over in a moment
	{errType, http.StatusUnsupportedMediaType},
	{context.Canceled, http.StatusRequestTimeout}, // the caller has left
	{os.ErrDeadlineExceeded, http.StatusRequestTimeout},
	{errBody, http.StatusBadRequest},
	{errJSON, http.StatusBadRequest},
	{errTurn, http.StatusBadRequest},
	{errFixed, http.StatusForbidden},
	{errSwitch, http.StatusBadRequest},
	{errNoRecord, http.StatusConflict},
	{errNoOperator, http.StatusForbidden},
	{errTags, http.StatusBadRequest},
	{rtc.ErrOffer, http.StatusBadRequest},
	{rtc.ErrHostile, http.StatusBadRequest},
	{errUnknown, http.StatusNotFound},
	{rtc.ErrStale, http.StatusPreconditionFailed},
	{errNoTag, http.StatusPreconditionRequired},
	{errOften, http.StatusTooManyRequests},
	{errNoListening, http.StatusForbidden},
	{errFull, http.StatusServiceUnavailable},
	{errCrowd, http.StatusServiceUnavailable},
	{errBusy, http.StatusServiceUnavailable},
	{errDraining, http.StatusServiceUnavailable},
}

// refuse tells the caller why not.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a body has at most %d bytes", bodyLimit))
		return
	}
	for _, f := range refusals {
		if !errors.Is(err, f.err) {
			continue
		}
		if f.code == http.StatusServiceUnavailable || f.code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", retryAfter)
		}
		fail(w, f.code, err.Error())
		return
	}
	s.logger().Error("cannot answer", slog.Any("err", err))
	fail(w, http.StatusInternalServerError, "the call could not be set up; the server's log says why")
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
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // a caller who has left is not told
}
