package web

import (
	"net/http"
	"slices"
	"strings"
)

// crossOrigin lets pages of the trusted origins use the signaling, and refuses the pages of others what
// changes something. Programs that are no browsers send no Origin and are not concerned. The list of sessions
// is not part of it: it must not be read by a page that happens to be open on this machine.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "pages of this origin may not call here")
	}))
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(s.Origins) == 0 || !signaling(r.URL.Path) {
			guarded.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		trusted := s.trusts(r.Header.Get("Origin"))
		if trusted == "" {
			guarded.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", trusted)
		h.Set("Access-Control-Expose-Headers", "Location, ETag, Link")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
			h.Set("Access-Control-Allow-Headers", "Content-Type, If-Match, Authorization")
			h.Set("Access-Control-Max-Age", "7200")
		}
		next.ServeHTTP(w, r)
	})
}

// trusts is how a browser is told that origin may read the answer; empty if it may not.
func (s *Server) trusts(origin string) string {
	switch {
	case origin == "":
		return ""
	case slices.Contains(s.Origins, "*"):
		return "*"
	case slices.Contains(s.Origins, origin):
		return origin
	}
	return ""
}

func signaling(path string) bool {
	return path == "/offer" || path == "/whip" || strings.HasPrefix(path, "/sessions/")
}
