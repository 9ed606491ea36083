package netverb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/caller"
	"parley/internal/caller/callertest"
	"parley/internal/netsim"
	"parley/media"
	"parley/media/rtc"
	"parley/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// realServer echoes every packet of its callers.
func realServer(t *testing.T) string {
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &web.Server{Endpoint: e, Converse: func(ctx context.Context, s *web.Session) error {
		echo := s.Call.Up().Tap(64, media.DropOldest)
		ended := make(chan error, 1)
		go func() { ended <- s.Call.Run(ctx) }()
		for _, p := range echo.All(ctx) {
			s.Call.Send(p)
		}
		return <-ended
	}}
	s := httptest.NewServer(w.Handler())
	t.Cleanup(func() {
		s.Close()
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.Drain(gone) // its error says that calls were ended
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// lines are what a verb prints.
type lines struct {
	bytes.Buffer
	first chan string
}

func (l *lines) Write(b []byte) (int, error) {
	select {
	case l.first <- string(b):
	default:
	}
	return l.Buffer.Write(b)
}

// start runs the verb and gives the page's URL; end ends it and gives all it printed.
func start(t *testing.T, cmd Cmd) (page string, end func() string) {
	ctx, cancel := context.WithCancel(context.Background())
	out := &lines{first: make(chan string, 1)}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run(ctx, out) }()
	select {
	case first := <-out.first:
		m := regexp.MustCompile(`open (http://\S+)/ `).FindStringSubmatch(first)
		if m == nil {
			t.Fatal(first)
		}
		page = m[1]
	case err := <-ended:
		t.Fatal(err)
	}
	done := false
	end = func() string {
		cancel()
		if done {
			return ""
		}
		done = true
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return out.String()
	}
	t.Cleanup(func() { end() })
	return page, end
}

func post(t *testing.T, url, kind, body string) (*http.Response, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Post(url, kind, strings.NewReader(body))
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

func TestCallThroughTheProxy(t *testing.T) {
	page, end := start(t, Cmd{Profile: "burst5", Seed: 5, Server: realServer(t), Listen: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 40*time.Second, errors.New("the test took too long"))
	defer cancel()
	err := caller.Run(ctx, page, caller.Options{}, func(ctx context.Context, c *caller.Caller) error {
		said, err := c.Say(ctx, callertest.Tone(1500*time.Millisecond))
		if err != nil {
			return err
		}
		if _, err := c.Answer(ctx, said.First); err != nil {
			return err
		}
		post(t, page+"/-/cut", "", "")
		if err := c.Until(ctx, c.Now()+200*time.Millisecond); err != nil {
			return err
		}
		heard := len(c.Heard(0))
		if err := c.Until(ctx, c.Now()+300*time.Millisecond); err != nil {
			return err
		}
		if n := len(c.Heard(0)) - heard; n > 0 {
			t.Errorf("%d packets came through a dead path", n)
		}
		post(t, page+"/-/join", "", "")
		joined := c.Now()
		_, err = c.Say(ctx, callertest.Tone(500*time.Millisecond))
		if err == nil {
			_, err = c.Answer(ctx, joined)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`network burst5, seed 5: to the server (\d+) packets of audio, (\d+) lost \(\d+\.\d %\), (\d+) datagrams cut off; from it (\d+) packets`)
	out := end()
	m := want.FindStringSubmatch(out)
	if m == nil || len(m[1]) < 2 || m[3] == "0" || len(m[4]) < 2 {
		t.Errorf("%q: %s", m, out)
	}
}

const (
	candidate = "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host\r\n"
	elsewhere = "a=candidate:2 1 udp 2130706431 192.0.2.1 4000 typ host\r\n"
)

// What is asked and what is answered changes where it describes, and nowhere else.
func TestRewriting(t *testing.T) {
	var asked string
	var answer func(w http.ResponseWriter)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = string(b)
		answer(w)
	}))
	defer s.Close()
	page, _ := start(t, Cmd{Profile: "clean", Server: s.URL, Listen: "localhost:0"})
	for _, c := range []struct{ name, path, kind, ask, asked, answer, answered string }{
		{"a call", "/offer", "application/json; charset=utf-8", `{"type":"offer","sdp":"v=0\r\n` + js(candidate) + `"}`, `{"sdp":"v=0\r\n","type":"offer"}`,
			`{"type":"answer","session":"x","iceServers":[{"urls":["turn:a"]}],"sdp":"v=0\r\n` + js(candidate+elsewhere) + `"}`,
			`{"iceServers":\[\],"sdp":"v=0\\r\\na=candidate:1 1 udp 2130706431 127.0.0.1 \d+ typ host\\r\\n","session":"x","type":"answer"}`},
		{"WHIP", "/whip", "application/sdp", "v=0\r\n" + candidate, "v=0\r\n", "v=0\r\n" + elsewhere + candidate,
			`v=0\r\na=candidate:1 1 udp 2130706431 127.0.0.1 \d+ typ host\r\n`},
		{"a fragment", "/sessions/x", "application/trickle-ice-sdpfrag", "a=mid:0\r\n" + candidate, "a=mid:0\r\n", "a=ice-ufrag:x\r\n", "a=ice-ufrag:x\r\n"},
		{"an error", "/offer", "application/json", `{"sdp":7}`, `{"sdp":7}`, `{"error":"no ` + js(candidate) + `"}`, regexp.QuoteMeta(`{"error":"no ` + js(candidate) + `"}`)},
		{"anything", "/x", "text/plain", candidate, candidate, candidate, regexp.QuoteMeta(candidate)},
	} {
		answer = func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", c.kind)
			w.Header().Set("ETag", `"e"`)
			w.Header().Set("Link", "<turn:a>")
			fmt.Fprint(w, c.answer)
		}
		res, got := post(t, page+c.path, c.kind, c.ask)
		if asked != c.asked {
			t.Errorf("%s: the server was asked %q", c.name, asked)
		}
		if !regexp.MustCompile("^"+c.answered+"$").MatchString(got) || strings.Contains(got, " 4000 ") && strings.HasPrefix(got, "v=0") {
			t.Errorf("%s: the caller was answered %q", c.name, got)
		}
		if res.Header.Get("ETag") != `"e"` || (res.Header.Get("Link") == "") != (c.kind != "text/plain") {
			t.Errorf("%s: %v", c.name, res.Header)
		}
	}
	if res, _ := post(t, page+"/offer", "application/sdp", strings.Repeat("x", bodyLimit+1)); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s", res.Status)
	}
	for _, path := range []string{"/-/move", "/-/cut", "/-/join"} {
		if res, _ := post(t, page+path, "", ""); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	s.Close()
	if res, text := post(t, page+"/offer", "application/sdp", "v=0"); res.StatusCode != http.StatusBadGateway || !strings.Contains(text, "the server behind the network") {
		t.Errorf("%s %s", res.Status, text)
	}
}

// js is text within a JSON string.
func js(s string) string { return strings.ReplaceAll(s, "\r\n", `\r\n`) }

func TestRelaysAreBounded(t *testing.T) {
	server, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: server, transport: &http.Transport{}, relays: map[netip.AddrPort]*netsim.Relay{}}
	for i := range maxRelays + 1 {
		_, err = p.lead(fmt.Sprintf("a=candidate:1 1 udp 1 127.0.0.1 %d typ host\r\n", 4000+i))
	}
	if !errors.Is(err, errRelays) {
		t.Errorf("%v", err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := p.lead("a=candidate:1 1 udp 1 127.0.0.1 3999 typ host\r\n"); !errors.Is(err, errClosed) {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		cmd  Cmd
		want string
	}{
		{Cmd{Profile: "dialup", Listen: "127.0.0.1:0", Server: "x"}, "known are clean, wifi"},
		{Cmd{Profile: "wifi", Listen: "0.0.0.0:0", Server: "x"}, "only an address of this computer"},
		{Cmd{Profile: "wifi", Listen: "127.0.0.1", Server: "x"}, "missing port"},
		{Cmd{Profile: "wifi", Listen: "127.0.0.1:0", Server: "ftp://x"}, "not like http://host:port"},
		{Cmd{Profile: "wifi", Listen: taken.Addr().String(), Server: "x"}, "listen for the page"},
	} {
		if err := c.cmd.Run(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cmd, err)
		}
	}
}
