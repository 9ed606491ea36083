package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCrossOrigin(t *testing.T) {
	const good, evil = "https://good.example", "https://evil.example"
	for _, c := range []struct {
		name, origins, method, path, origin string
		code                                int
		allowed                             string
	}{
		{"trusted", good, "POST", "/offer", good, 415, good},
		{"trusted, another port", good, "POST", "/offer", good + ":8443", 403, ""},
		{"not trusted", good, "POST", "/offer", evil, 403, ""},
		{"none trusted", "", "POST", "/offer", good, 403, ""},
		{"all trusted", "*", "POST", "/whip", evil, 415, "*"},
		{"all trusted, file", "*", "POST", "/whip", "null", 415, "*"},
		{"file", good, "POST", "/whip", "null", 403, ""},
		{"a program", good, "POST", "/whip", "", 415, ""},
		{"same origin", good, "POST", "/whip", "http://parley.example", 415, ""},
		{"preflight", good, "OPTIONS", "/sessions/x", good, 204, good},
		{"preflight of others", good, "OPTIONS", "/sessions/x", evil, 204, ""},
		{"session", good, "GET", "/sessions/x", good, 404, good},
		{"renegotiation", good, "POST", "/sessions/x/offer", good, 404, good},
		{"the list is read by no page", "*", "GET", "/sessions", good, 403, ""},
		{"nor is the page", "*", "GET", "/healthz", good, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(Server)
			if c.origins != "" {
				s.Origins = []string{"https://other.example", c.origins}
			}
			r := httptest.NewRequest(c.method, "http://parley.example"+c.path, nil)
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", "PATCH")
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			h := w.Header()
			if w.Code != c.code || h.Get("Access-Control-Allow-Origin") != c.allowed {
				t.Errorf("%d, allowed %q; want %d, %q", w.Code, h.Get("Access-Control-Allow-Origin"), c.code, c.allowed)
			}
			if expose := h.Get("Access-Control-Expose-Headers"); (expose == "Location, ETag, Link") != (c.allowed != "") {
				t.Errorf("exposed %q", expose)
			}
			if s.Origins != nil && signaling(c.path) && h.Get("Vary") != "Origin" {
				t.Errorf("Vary: %q", h.Get("Vary"))
			}
			if c.method == http.MethodOptions && (c.allowed != "") != (strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") &&
				strings.Contains(h.Get("Access-Control-Allow-Headers"), "If-Match")) {
				t.Errorf("preflight %v", h)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		})
	}
}
