package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRecording(t *testing.T) {
	h := open(t, 0)
	run := h.Converse
	on, wanted := true, make(chan bool, 8)
	h.Converse = func(ctx context.Context, s *Session) error {
		s.Recorded(Recorder{
			Allow: func(yes bool) { on = yes; wanted <- yes },
			State: func() Recording { return Recording{On: on, By: "operator"} },
		})
		wanted <- true
		return run(ctx, s)
	}
	_, _, a := h.call(t)
	<-wanted
	path := "/sessions/" + a.Session + "/recording"
	told := func(want string) {
		t.Helper()
		if _, body := h.do(t, "GET", "/sessions/"+a.Session, ""); !strings.Contains(body, want) {
			t.Errorf("%s, want %s", body, want)
		}
	}
	told(`"recorded":true,"paused":false`)
	for _, c := range []struct {
		body string
		head []string
		code int
		says string
	}{
		{`{"on":false}`, nil, 200, `{"type":"recording","on":false,"by":"operator"}`},
		{`{"on":true,"more":1}`, nil, 200, `"on":true`},
		{`{}`, nil, 400, "on"}, {`null`, nil, 400, "on"}, {`{"on":"no"}`, nil, 400, "on"}, {`[`, nil, 400, "on"}, {"", nil, 400, "on"},
		{strings.Repeat(" ", bodyLimit+1), nil, 413, "bytes"},
		{`{"on":false}`, []string{"Content-Type", "text/plain"}, 415, jsonType},
		{`{"on":false}`, []string{"Host", "evil.example"}, 403, "this machine"},
		{`{"on":false}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "origin"},
		{`{"on":false}`, nil, 200, `"on":false`},
	} {
		if res, body := h.do(t, "POST", path, c.body, append([]string{"Content-Type", jsonType}, c.head...)...); res.StatusCode != c.code || !strings.Contains(body, c.says) {
			t.Errorf("%.30q: %s: %s; want %d with %q", c.body, res.Status, body, c.code, c.says)
		}
	}
	told(`"recorded":true,"paused":true`)
	if a, b, c := <-wanted, <-wanted, <-wanted; a || !b || c || len(wanted) > 0 {
		t.Error("the record was told something else")
	}
}

func TestNoRecording(t *testing.T) {
	h := open(t, 0)
	_, _, a := h.call(t)
	if res, body := h.do(t, "POST", "/sessions/"+a.Session+"/recording", `{"on":false}`, "Content-Type", jsonType); res.StatusCode != 409 || !strings.Contains(body, "not recorded") {
		t.Errorf("%s: %s", res.Status, body)
	}
	if _, body := h.do(t, "GET", "/sessions/"+a.Session, ""); !strings.Contains(body, `"recorded":false,"paused":false`) {
		t.Error(body)
	}
}

func TestConsole(t *testing.T) {
	h := open(t, 0)
	h.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.URL.Path) })
	h.http.Config.Handler = h.Handler()
	h.http.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, method := range []string{"GET", "POST"} {
		if res, body := h.do(t, method, "/console/recordings/x", ""); body != method+" /recordings/x" || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %s", res.Status, body)
		}
	}
	if res, _ := h.do(t, "GET", "/console", ""); res.StatusCode != 307 || res.Header.Get("Location") != "/console.html" {
		t.Errorf("%s %s", res.Status, res.Header.Get("Location"))
	}
}

func FuzzSwitch(f *testing.F) {
	f.Add([]byte(`{"on":false}`))
	f.Add([]byte(`{"on":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if on, err := readSwitch(body); err != nil && on {
			t.Error("an error that turns something on")
		}
	})
}
