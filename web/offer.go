package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"parley/media/rtc"
)

type description struct {
	SDP  string `json:"sdp"`
	Type string `json:"type"`
}

type answered struct {
	description
	Session    string          `json:"session,omitempty"`
	ICEServers []rtc.ICEServer `json:"iceServers"`
}

// offer begins a session.
func (s *Server) offer(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	sdp, wish, err := readOffer(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	e, answer, err := s.begin(ctx, sdp, wish)
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.answer(w, e.Call, answered{description{answer, "answer"}, e.ID, s.ice()})
}

// reoffer answers a further offer of a session: a renegotiation or an ICE restart. What it says of turn-taking is
// ignored: that was settled when the session began. The credentials of the
// servers that it was told at its beginning may be over by now: it is told new ones.
func (s *Server) reoffer(w http.ResponseWriter, r *http.Request, e *session) {
	sdp, _, err := readOffer(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	var answer string
	err = s.change(r.Context(), e, func(ctx context.Context) (err error) {
		answer, err = e.Call.Reoffer(ctx, sdp)
		return err
	})
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.answer(w, e.Call, answered{description{answer, "answer"}, "", s.ice()})
}

func (s *Server) answer(w http.ResponseWriter, call *rtc.Call, a answered) {
	w.Header().Set("ETag", quoted(call.Tag()))
	reply(w, http.StatusOK, a)
}

// ice is the servers that a caller is told; never nil.
func (s *Server) ice() []rtc.ICEServer {
	if s.ICE == nil {
		return []rtc.ICEServer{}
	}
	return append([]rtc.ICEServer{}, s.ICE(time.Now())...)
}

func readOffer(w http.ResponseWriter, r *http.Request) (sdp string, wish wishes, err error) {
	b, err := body(w, r, jsonType)
	if err != nil {
		return "", wishes{}, err
	}
	return decodeOffer(b, asked(r.URL.Query()))
}

// errJSON is a body that is not an offer.
var errJSON = errors.New(`the body must be a JSON object {"sdp": …, "type": "offer"}`)

// decodeOffer reads an offer in JSON; fields it does not know are ignored. What it says of turn-taking takes the place of
// what was asked for already.
func decodeOffer(body []byte, asked wishes) (sdp string, wish wishes, err error) {
	o := struct {
		description
		wishes
	}{wishes: asked}
	if err := json.Unmarshal(body, &o); err != nil {
		return "", wishes{}, fmt.Errorf("%w: %w", errJSON, err)
	}
	if o.Type != "offer" || o.SDP == "" {
		return "", wishes{}, errJSON
	}
	return o.SDP, o.wishes, nil
}
