package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"parley/media/rtc"
)

// whip begins a session as RFC 9725 says. Unlike a WHIP endpoint it also talks back, and the query of its address may say
// how turns are taken.
func (s *Server) whip(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	sdp, err := body(w, r, sdpType)
	if err != nil {
		s.refuse(w, err)
		return
	}
	e, answer, err := s.begin(ctx, string(sdp), asked(r.URL.Query()))
	if err != nil {
		s.refuse(w, err)
		return
	}
	for _, server := range s.ice() {
		for _, l := range links(server) {
			w.Header().Add("Link", l)
		}
	}
	w.Header().Set("Location", "/sessions/"+e.ID)
	w.Header().Set("ETag", quoted(e.Call.Tag()))
	text(w, http.StatusCreated, sdpType, answer)
}

func text(w http.ResponseWriter, code int, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body) // a caller who has left is not told
}

// links are the Link headers for an ICE server.
func links(server rtc.ICEServer) []string {
	all := make([]string, 0, len(server.URLs))
	for _, url := range server.URLs {
		l := "<" + url + `>; rel="ice-server"`
		if server.Username != "" {
			l += "; username=" + quoted(server.Username) + "; credential=" + quoted(server.Credential) + `; credential-type="password"`
		}
		all = append(all, l)
	}
	return all
}

// quoted is a quoted-string of HTTP.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Why a PATCH is refused.
var (
	errNoTag = errors.New(`name the ICE session that the candidates belong to: send its ETag as If-Match, or "*" to restart ICE`)
	errTags  = errors.New(`the If-Match header cannot be read: it is * or entity tags in quotes`)
)

// patch takes further candidates of the caller's, or its wish to restart ICE: both are fragments of a
// description (RFC 8840), told apart by If-Match.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, e *session) {
	fragment, err := body(w, r, fragmentType)
	if err != nil {
		s.refuse(w, err)
		return
	}
	tags, restart, err := ifMatch(r.Header.Values("If-Match"))
	if err != nil {
		s.refuse(w, err)
		return
	}
	var answer, tag string
	err = s.change(r.Context(), e, func(ctx context.Context) (err error) {
		if !restart && !slices.Contains(tags, e.Call.Tag()) {
			return rtc.ErrStale
		}
		answer, err = e.Call.Patch(ctx, string(fragment), restart)
		tag = e.Call.Tag()
		return err
	})
	switch {
	case err != nil:
		s.refuse(w, err)
	case restart:
		w.Header().Set("ETag", quoted(tag))
		text(w, http.StatusOK, fragmentType, answer)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// ifMatch reads If-Match: all for *, else entity tags without their quotes. Weak tags are left out: they
// never match (RFC 9110, 13.1.1). The star is taken in quotes too, as RFC 9725 prints it.
func ifMatch(header []string) (tags []string, all bool, err error) {
	rest := strings.TrimSpace(strings.Join(header, ","))
	switch rest {
	case "":
		return nil, false, errNoTag
	case "*", `"*"`:
		return nil, true, nil
	}
	for rest != "" {
		tag, weak := strings.CutPrefix(rest, "W/")
		tag, ok := strings.CutPrefix(tag, `"`)
		if !ok {
			return nil, false, errTags
		}
		if tag, rest, ok = strings.Cut(tag, `"`); !ok {
			return nil, false, errTags
		}
		if !weak {
			tags = append(tags, tag)
		}
		if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ',' {
			return nil, false, fmt.Errorf("%w: something follows a tag", errTags)
		}
		rest = strings.TrimLeft(rest, " \t,")
	}
	return tags, false, nil
}
