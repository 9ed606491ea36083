package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"parley/media/rtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a server whose sessions last as long as their calls, and a caller.
type house struct {
	*Server
	http   *httptest.Server
	caller *rtc.Endpoint
	ended  chan error // why each session ended
}

func open(t *testing.T, max int) *house {
	t.Helper()
	listen := func(addr string) *rtc.Endpoint {
		e, err := rtc.Listen(rtc.Options{Addr: addr, Loopback: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close() })
		return e
	}
	h := &house{caller: listen(""), ended: make(chan error, 16)}
	h.Server = &Server{
		Endpoint: listen("127.0.0.1:0"), MaxSessions: max,
		Page: fstest.MapFS{
			"index.html": {Data: []byte("<!doctype html>")},
			"js/app.js":  {Data: []byte("export {}")},
		},
		Converse: func(ctx context.Context, s *Session) error {
			call := s.Call
			err := call.Run(ctx)
			h.ended <- err
			return err
		},
	}
	h.http = httptest.NewServer(h.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.Drain(ctx)
		h.http.CloseClientConnections()
		h.http.Close()
	})
	return h
}

// do makes one request and reads its answer.
func (h *house) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.http.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	res, err := h.http.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// call offers a call; it is closed at the end of the test.
func (h *house) call(t *testing.T) (*rtc.Call, *http.Response, answered) {
	t.Helper()
	c, sdp, err := h.caller.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	body, err := json.Marshal(map[string]string{"sdp": sdp, "type": "offer", "extra": "ignored"})
	if err != nil {
		t.Fatal(err)
	}
	res, text := h.do(t, "POST", "/offer", string(body), "Content-Type", jsonType+"; charset=utf-8")
	var d answered
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c, res, d
}

func (h *house) wantEnd(t *testing.T, want error) {
	t.Helper()
	select {
	case err := <-h.ended:
		if !errors.Is(err, want) {
			t.Errorf("session ended with %v, want %v", err, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("session does not end")
	}
}

// sessions is GET /sessions.
func (h *house) list(t *testing.T) []listed {
	t.Helper()
	res, body := h.do(t, "GET", "/sessions", "")
	var all []listed
	if err := json.Unmarshal([]byte(body), &all); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", res.Status, body)
	}
	return all
}

func TestSession(t *testing.T) {
	h := open(t, 0)
	if _, res := h.do(t, "POST", "/offer", "{}", "Content-Type", jsonType); strings.Contains(res, "session") {
		t.Errorf("a session of nothing: %s", res)
	}
	turn := rtc.ICEServer{URLs: []string{"turn:192.0.2.1:3478"}, Username: "u", Credential: "c"}
	h.ICE = func(now time.Time) []rtc.ICEServer {
		if time.Since(now) > time.Minute {
			t.Errorf("credentials for %v", now)
		}
		return []rtc.ICEServer{turn}
	}
	c, res, answer := h.call(t)
	if len(answer.ICEServers) != 1 || answer.ICEServers[0].Credential != "c" || len(res.Header.Get("ETag")) < 6 {
		t.Errorf("%v, %+v", res.Header, answer.ICEServers)
	}
	if res.StatusCode != http.StatusOK || answer.Type != "answer" || len(answer.Session) < 20 {
		t.Fatalf("%s: %+v", res.Status, answer)
	}
	if all := h.list(t); len(all) != 1 || all[0].ID != answer.Session || all[0].State != "connecting" {
		t.Errorf("sessions %+v", all)
	}
	if err := c.Accept(answer.SDP); err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- c.Run(t.Context()) }()
	<-c.Connected()
	h.wantState(t, answer.Session, "connected")
	if all := h.list(t); len(all) != 1 || all[0].State != "connected" {
		t.Errorf("sessions %+v", all)
	}
	if res, body := h.do(t, "DELETE", "/sessions/"+answer.Session, ""); res.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("%s: %s", res.Status, body)
	}
	h.wantEnd(t, ErrDeleted)
	if err := <-end; !errors.Is(err, rtc.ErrHangup) {
		t.Errorf("caller's end: %v", err)
	}
	for i := 0; len(h.list(t)) > 0; i++ {
		if i == 100 {
			t.Fatal("session stays in the list")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if res, _ := h.do(t, "DELETE", "/sessions/"+answer.Session, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("deleted twice: %s", res.Status)
	}
}

func TestFull(t *testing.T) {
	h := open(t, 1)
	_, _, first := h.call(t)
	_, res, _ := h.call(t)
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("second caller: %s %v", res.Status, res.Header)
	}
	h.do(t, "DELETE", "/sessions/"+first.Session, "")
	h.wantEnd(t, ErrDeleted)
	for i := 0; len(h.list(t)) > 0 && i < 100; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	// A refused offer gives its place back.
	for range 3 {
		h.do(t, "POST", "/offer", `{"sdp":"v=0","type":"offer"}`, "Content-Type", jsonType)
	}
	if _, res, _ := h.call(t); res.StatusCode != http.StatusOK {
		t.Errorf("third caller: %s", res.Status)
	}
}

func TestDrain(t *testing.T) {
	h := open(t, 0)
	c, _, answer := h.call(t)
	if err := c.Accept(answer.SDP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(ctx) }()
	for i := 0; ; i++ {
		if res, _ := h.do(t, "GET", "/healthz", ""); res.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if i == 100 {
			t.Fatal("still healthy")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, res, _ := h.call(t); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("call while draining: %s", res.Status)
	}
	select {
	case err := <-drained:
		t.Fatalf("drained with a session alive: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	late := errors.New("late")
	cancel(late)
	if err := <-drained; !errors.Is(err, late) {
		t.Errorf("drained: %v", err)
	}
	h.wantEnd(t, ErrShutdown)
}

func TestStatus(t *testing.T) {
	h := open(t, 0)
	offer := func(sdp string) string { return fmt.Sprintf(`{"sdp":%q,"type":"offer"}`, sdp) }
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		code                     int
		says                     string
	}{
		{"form", "POST", "/offer", "sdp=1", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"plain text", "POST", "/offer", offer("v=0"), []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"no type", "POST", "/offer", offer("v=0"), nil, 415, "application/json"},
		{"no JSON", "POST", "/offer", "hello", []string{"Content-Type", jsonType}, 400, "JSON"},
		{"empty", "POST", "/offer", "", []string{"Content-Type", jsonType}, 400, "JSON"},
		{"array", "POST", "/offer", "[]", []string{"Content-Type", jsonType}, 400, "JSON"},
		{"two values", "POST", "/offer", offer("v=0") + "{}", []string{"Content-Type", jsonType}, 400, "after top-level"},
		{"an answer", "POST", "/offer", `{"sdp":"v=0","type":"answer"}`, []string{"Content-Type", jsonType}, 400, "offer"},
		{"no SDP", "POST", "/offer", `{"type":"offer"}`, []string{"Content-Type", jsonType}, 400, "sdp"},
		{"bad SDP", "POST", "/offer", offer("hello"), []string{"Content-Type", jsonType}, 400, "cannot be read"},
		{"no audio", "POST", "/offer", offer("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), []string{"Content-Type", jsonType}, 400, "microphone"},
		{"huge", "POST", "/offer", offer(strings.Repeat("a", bodyLimit)), []string{"Content-Type", jsonType}, 413, "bytes"},
		{"other origin", "POST", "/offer", offer("v=0"), []string{"Content-Type", jsonType, "Origin", "http://evil.example"}, 403, "origin"},
		{"cross-site", "DELETE", "/sessions/x", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "origin"},
		{"method", "PUT", "/offer", "", nil, 405, "PUT"},
		{"other page", "POST", "/", "", nil, 405, "POST"},
		{"WHIP in JSON", "POST", "/whip", offer("v=0"), []string{"Content-Type", jsonType}, 415, "application/sdp"},
		{"WHIP without type", "POST", "/whip", "v=0", nil, 415, "application/sdp"},
		{"empty WHIP", "POST", "/whip", "", []string{"Content-Type", sdpType}, 400, "offer"},
		{"bad WHIP", "POST", "/whip", "hello", []string{"Content-Type", sdpType}, 400, "cannot be read"},
		{"huge WHIP", "POST", "/whip", strings.Repeat("a", bodyLimit+1), []string{"Content-Type", sdpType}, 413, "bytes"},
		{"read WHIP", "GET", "/whip", "", nil, 405, "GET"},
		{"put WHIP", "PUT", "/whip", "", nil, 405, "PUT"},
		{"state of none", "GET", "/sessions/x", "", nil, 404, "no such session"},
		{"patch of none", "PATCH", "/sessions/x", "", nil, 404, "no such session"},
		{"offer to none", "POST", "/sessions/x/offer", "", nil, 404, "no such session"},
		{"put a session", "PUT", "/sessions/x", "", nil, 405, "PUT"},
		{"post a session", "POST", "/sessions/x", "", nil, 405, "POST"},
		{"listen, but off", "POST", "/sessions/x/listen", "", nil, 403, "off"},
		{"record of none", "POST", "/sessions/x/recording", "{}", []string{"Content-Type", jsonType}, 404, "no such session"},
		{"record by proxy", "POST", "/sessions/x/recording", "{}", []string{"Content-Type", jsonType, "Forwarded", "for=192.0.2.1"}, 403, "this machine"},
		{"no console", "GET", "/console/recordings", "", nil, 404, "no such page"},
		{"no such listener", "DELETE", "/sessions/x/listeners/y", "", nil, 404, "listener"},
		{"deep path", "GET", "/sessions/x/y/z", "", nil, 404, "no such page"},
		{"unknown session", "DELETE", "/sessions/x", "", nil, 404, "no such session"},
		{"sessions", "GET", "/sessions", "", nil, 200, "[]"},
		{"sessions by proxy", "GET", "/sessions", "", []string{"X-Forwarded-For", "192.0.2.1"}, 403, "this machine"},
		{"sessions by another name", "GET", "/sessions", "", []string{"Host", "evil.example"}, 403, "this machine"},
		{"sessions by localhost", "GET", "/sessions", "", []string{"Host", "localhost:8080"}, 200, "[]"},
		{"health", "GET", "/healthz", "", nil, 200, "ok"},
		{"page", "GET", "/", "", nil, 200, "doctype"},
		{"script", "GET", "/js/app.js", "", nil, 200, "export"},
		{"no folder list", "GET", "/js/", "", nil, 404, "no such page"},
		{"no such page", "GET", "/x", "", nil, 404, "no such page"},
		{"out of the page", "GET", "/..%2f..%2fetc/passwd", "", nil, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := h.do(t, c.method, c.path, c.body, c.header...)
			if res.StatusCode != c.code || !strings.Contains(body, c.says) {
				t.Errorf("%s: %s; want %d with %q", res.Status, body, c.code, c.says)
			}
			if res.StatusCode >= 400 {
				var e trouble
				if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error == "" {
					t.Errorf("error body %q", body)
				}
			}
		})
	}
	if n := len(h.list(t)); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestListedToOthers(t *testing.T) {
	for from, code := range map[string]int{
		"127.0.0.1:1": 200, "[::1]:1": 200, "[::ffff:127.0.0.1]:1": 200, "192.0.2.1:1": 403, "nonsense": 403,
	} {
		r := httptest.NewRequest("GET", "http://127.0.0.1/sessions", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		new(Server).Handler().ServeHTTP(w, r)
		if w.Code != code {
			t.Errorf("%s: %d, want %d", from, w.Code, code)
		}
	}
}

func TestPage(t *testing.T) {
	h := open(t, 0)
	res, _ := h.do(t, "GET", "/js/app.js", "")
	tag := res.Header.Get("Etag")
	if tag == "" || res.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(res.Header.Get("Content-Type"), "javascript") {
		t.Errorf("headers %v", res.Header)
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if res, body := h.do(t, "GET", "/js/app.js", "", "If-None-Match", tag); res.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asked again: %s", res.Status)
	}
}

// FuzzOffer: the decoder takes any body, and what it takes is an offer.
func FuzzOffer(f *testing.F) {
	for _, s := range []string{`{"sdp":"v=0","type":"offer"}`, `{"sdp":"v=0","type":"offer","turn":{"end":{"short":"1s"}},"patience":2}`, `{}`, `[`, `{"sdp":1}`, `{"sdp":"x","type":"offer"} x`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sdp, _, err := decodeOffer(body, wishes{})
		if (sdp == "") != (err != nil) {
			t.Errorf("%q and %v", sdp, err)
		}
		if err != nil && !errors.Is(err, errJSON) {
			t.Errorf("unclassed error %v", err)
		}
	})
}

// TestLabel: the page, the messages and the call mean the same data channel.
func TestLabel(t *testing.T) {
	if Label != rtc.Label {
		t.Errorf("%q and %q", Label, rtc.Label)
	}
}
