package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"parley/media/rtc"
)

// client is a WHIP client that trickles: its candidates go out one by one.
type client struct {
	*webrtc.PeerConnection
	h         *house
	at, tag   string // the session's address and its present ICE session
	connected chan struct{}
	found     chan string // candidates
}

func dial(t *testing.T, h *house) *client {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	c := &client{PeerConnection: pc, h: h, connected: make(chan struct{}, 8), found: make(chan string, 64)}
	pc.OnICECandidate(func(n *webrtc.ICECandidate) {
		if n == nil {
			c.found <- "end-of-candidates"
			return
		}
		c.found <- n.ToJSON().Candidate
	})
	pc.OnICEConnectionStateChange(func(s webrtc.ICEConnectionState) {
		if s == webrtc.ICEConnectionStateConnected {
			c.connected <- struct{}{}
		}
	})
	// A media engine of this process offers all codecs, both ways.
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	return c
}

// offer makes an offer without any candidate.
func (c *client) offer(t *testing.T, o *webrtc.OfferOptions) string {
	t.Helper()
	offer, err := c.CreateOffer(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

// begin posts a WHIP offer.
func (c *client) begin(t *testing.T) *http.Response {
	t.Helper()
	offer := c.offer(t, nil)
	if strings.Contains(offer, "a=candidate") {
		t.Fatal("the offer has candidates")
	}
	res, answer := c.h.do(t, "POST", "/whip", offer, "Content-Type", sdpType)
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", res.Status, answer)
	}
	c.at, c.tag = res.Header.Get("Location"), res.Header.Get("Etag")
	c.accept(t, answer)
	return res
}

func (c *client) accept(t *testing.T, answer string) {
	t.Helper()
	if err := c.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
}

// lines are those of the description that begin with one of the words.
func lines(sdp string, words ...string) []string {
	var all []string
	for r := bufio.NewScanner(strings.NewReader(sdp)); r.Scan(); {
		for _, w := range words {
			if strings.HasPrefix(r.Text(), w) && !slices.Contains(all, r.Text()) {
				all = append(all, r.Text())
			}
		}
	}
	return all
}

// fragment is RFC 8840's, with the credentials of the present local description.
func (c *client) fragment(more ...string) string {
	b := strings.Join(append(lines(c.LocalDescription().SDP, "a=ice-ufrag", "a=ice-pwd"), "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"), "\r\n")
	for _, m := range more {
		b += "\r\na=" + m
	}
	return b + "\r\n"
}

// trickle sends the candidates one by one.
func (c *client) trickle(t *testing.T) {
	t.Helper()
	for end := false; !end; {
		select {
		case n := <-c.found:
			end = n == "end-of-candidates"
			res, body := c.h.do(t, "PATCH", c.at, c.fragment(n), "Content-Type", fragmentType, "If-Match", c.tag)
			if res.StatusCode != http.StatusNoContent || body != "" {
				t.Fatalf("%s: %s: %s", n, res.Status, body)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("gathering does not end")
		}
	}
}

func (c *client) wantConnected(t *testing.T) {
	t.Helper()
	select {
	case <-c.connected:
	case <-time.After(10 * time.Second):
		t.Fatal("not connected")
	}
}

// TestWHIP: a client that knows nothing but RFC 9725 calls, trickles, restarts ICE and leaves.
func TestWHIP(t *testing.T) {
	h := open(t, 0)
	h.ICE = func(time.Time) []rtc.ICEServer {
		return []rtc.ICEServer{{URLs: []string{"turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp"}, Username: `1:a"b`, Credential: "c/d="}}
	}
	c := dial(t, h)
	res := c.begin(t)
	want := []string{
		`<turn:192.0.2.1:3478?transport=udp>; rel="ice-server"; username="1:a\"b"; credential="c/d="; credential-type="password"`,
		`<turn:192.0.2.1:3478?transport=tcp>; rel="ice-server"; username="1:a\"b"; credential="c/d="; credential-type="password"`,
	}
	if got := res.Header.Values("Link"); !slices.Equal(got, want) {
		t.Errorf("links %q", got)
	}
	if !strings.HasPrefix(c.at, "/sessions/") || len(c.tag) < 6 || c.tag[0] != '"' || res.Header.Get("Content-Type") != sdpType {
		t.Fatalf("headers %v", res.Header)
	}
	c.trickle(t)
	c.wantConnected(t)

	first := c.tag
	c.offer(t, &webrtc.OfferOptions{ICERestart: true})
	res, answer := h.do(t, "PATCH", c.at, c.fragment(), "Content-Type", fragmentType, "If-Match", "*")
	c.tag = res.Header.Get("Etag")
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != fragmentType || c.tag == "" || c.tag == first {
		t.Fatalf("restart: %s %v: %s", res.Status, res.Header, answer)
	}
	c.accept(t, restarted(c.RemoteDescription().SDP, answer))
	if res, _ := h.do(t, "PATCH", c.at, c.fragment(), "Content-Type", fragmentType, "If-Match", first); res.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("candidates for the old ICE session: %s", res.Status)
	}
	c.trickle(t)
	c.wantConnected(t)

	if res, _ := h.do(t, "DELETE", c.at, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("end: %s", res.Status)
	}
	h.wantEnd(t, ErrDeleted)
	if res, _ := h.do(t, "PATCH", c.at, c.fragment(), "Content-Type", fragmentType, "If-Match", c.tag); res.StatusCode != http.StatusNotFound {
		t.Errorf("patch after the end: %s", res.Status)
	}
}

// restarted is the answer with the credentials and candidates of the fragment.
func restarted(answer, fragment string) string {
	var b strings.Builder
	media := 0
	for r := bufio.NewScanner(strings.NewReader(answer)); r.Scan(); {
		line := r.Text()
		switch {
		case strings.HasPrefix(line, "a=ice-ufrag"), strings.HasPrefix(line, "a=ice-pwd"), strings.HasPrefix(line, "a=candidate"), strings.HasPrefix(line, "a=end-of"):
			continue
		case strings.HasPrefix(line, "m="):
			media++
		}
		b.WriteString(line + "\r\n")
		if strings.HasPrefix(line, "a=mid") {
			words := []string{"a=ice-ufrag", "a=ice-pwd"}
			if media == 1 {
				words = append(words, "a=candidate")
			}
			b.WriteString(strings.Join(lines(fragment, words...), "\r\n") + "\r\n")
		}
	}
	return b.String()
}

// again posts a further offer of a session.
func (h *house) again(t *testing.T, session, sdp string) (*http.Response, answered) {
	t.Helper()
	offer, err := json.Marshal(description{sdp, "offer"})
	if err != nil {
		t.Fatal(err)
	}
	res, body := h.do(t, "POST", "/sessions/"+session+"/offer", string(offer), "Content-Type", jsonType)
	var a answered
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return res, a
}

// wantState waits until a session is in a state.
func (h *house) wantState(t *testing.T, id, state string) {
	t.Helper()
	for i := 0; h.tell(t, id).State != state; i++ {
		if i == 100 {
			t.Fatalf("never %s", state)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestReoffer restarts ICE by a further offer, as the page does.
func TestReoffer(t *testing.T) {
	h := open(t, 0)
	c, res, answer := h.call(t)
	first := res.Header.Get("Etag")
	if err := c.Accept(answer.SDP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	<-c.Connected()
	h.wantState(t, answer.Session, "connected")
	offer, err := c.Restart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, again := h.again(t, answer.Session, offer)
	if res.StatusCode != http.StatusOK || again.Type != "answer" || again.Session != "" || res.Header.Get("Etag") == first {
		t.Fatalf("%s %v: %+v", res.Status, res.Header, again)
	}
	if err := c.Accept(again.SDP); err != nil {
		t.Fatal(err)
	}
	wait, enough := context.WithTimeout(t.Context(), 10*time.Second)
	defer enough()
	back := false
	for p := range c.Paths()(wait) {
		if back = p.Up; back {
			break
		}
	}
	if !back {
		t.Fatal("no path after the restart")
	}
	if res, _ := h.again(t, answer.Session, "v=0\r\n"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("bad offer: %s", res.Status)
	}
	cancel()
	<-done
	h.wantEnd(t, rtc.ErrHangup)
}

func TestPatchStatus(t *testing.T) {
	h := open(t, 0)
	c := dial(t, h)
	c.begin(t)
	good := c.fragment("candidate:1 1 udp 2130706431 127.0.0.1 9 typ host")
	for _, p := range []struct {
		name, kind, match, body string
		code                    int
	}{
		{"trickle", fragmentType, c.tag, good, 204},
		{"several tags", fragmentType, `W/"x", "y" ,` + c.tag, good, 204},
		{"no tag", fragmentType, "", good, 428},
		{"stale tag", fragmentType, `"x"`, good, 412},
		{"weak tag", fragmentType, "W/" + c.tag, good, 412},
		{"bare tag", fragmentType, strings.Trim(c.tag, `"`), good, 400},
		{"SDP", sdpType, c.tag, good, 415},
		{"no type", "", c.tag, good, 415},
		{"no fragment", fragmentType, c.tag, "hello", 400},
		{"empty restart", fragmentType, "*", "", 400},
		{"a thousand candidates", fragmentType, c.tag, good + strings.Repeat("a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n", 1000), 400},
		{"huge", fragmentType, c.tag, strings.Repeat("a", bodyLimit+1), 413},
	} {
		t.Run(p.name, func(t *testing.T) {
			res, body := h.do(t, "PATCH", c.at, p.body, "Content-Type", p.kind, "If-Match", p.match)
			if res.StatusCode != p.code {
				t.Errorf("%s: %s; want %d", res.Status, body, p.code)
			}
		})
	}
}

// TestOptions: each address says what it takes.
func TestOptions(t *testing.T) {
	h := open(t, 0)
	for path, want := range map[string][3]string{ // Allow, Accept-Post, Accept-Patch
		"/offer":                  {"POST, OPTIONS", jsonType, ""},
		"/whip":                   {"POST, OPTIONS", sdpType, ""},
		"/sessions/x":             {"DELETE, GET, PATCH, OPTIONS", "", fragmentType},
		"/sessions/x/listen":      {"POST, OPTIONS", sdpType, ""},
		"/sessions/x/recording":   {"POST, OPTIONS", jsonType, ""},
		"/sessions/x/listeners/y": {"DELETE, OPTIONS", "", ""},
	} {
		res, _ := h.do(t, "OPTIONS", path, "")
		got := [3]string{res.Header.Get("Allow"), res.Header.Get("Accept-Post"), res.Header.Get("Accept-Patch")}
		if res.StatusCode != http.StatusNoContent || got != want {
			t.Errorf("%s: %s, %q, want %q", path, res.Status, got, want)
		}
		res, _ = h.do(t, "TRACE", path, "")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != want[0] {
			t.Errorf("%s: %s, %q", path, res.Status, res.Header.Get("Allow"))
		}
	}
}

func TestIfMatch(t *testing.T) {
	for header, want := range map[string]struct {
		tags []string
		all  bool
		err  error
	}{
		"":                        {err: errNoTag},
		" \t":                     {err: errNoTag},
		"*":                       {all: true},
		`"*"`:                     {all: true},
		`"a"`:                     {tags: []string{"a"}},
		`"a", "b"`:                {tags: []string{"a", "b"}},
		`W/"a",,"b" , ""`:         {tags: []string{"b", ""}},
		`"a,b"`:                   {tags: []string{"a,b"}},
		"a":                       {err: errTags},
		`"a`:                      {err: errTags},
		`"a" "b"`:                 {err: errTags},
		`*, "a"`:                  {err: errTags},
		`"a", *`:                  {err: errTags},
		strings.Repeat(`"`, 1001): {err: errTags},
	} {
		tags, all, err := ifMatch([]string{header})
		if !slices.Equal(tags, want.tags) || all != want.all || (err == nil) != (want.err == nil) {
			t.Errorf("%s: %q, %v, %v", header, tags, all, err)
		}
	}
	if tags, _, err := ifMatch([]string{`"a"`, `"b"`}); err != nil || len(tags) != 2 {
		t.Errorf("two lines: %q, %v", tags, err)
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, s := range []string{"", "*", `"a"`, `W/"a", "b"`, `"`, `"a"x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		tags, all, err := ifMatch([]string{header})
		if err != nil && (tags != nil || all) || all && tags != nil || len(tags) > len(header) {
			t.Errorf("%q, %v, %v", tags, all, err)
		}
		for _, tag := range tags {
			if strings.Contains(tag, `"`) || !strings.Contains(header, `"`+tag+`"`) {
				t.Errorf("tag %q", tag)
			}
		}
	})
}

// FuzzWHIP: any body is a session or the caller's fault.
func FuzzWHIP(f *testing.F) {
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{Endpoint: e, Converse: func(context.Context, *Session) error { return nil }}
	h := s.Handler()
	f.Cleanup(func() {
		_ = s.Drain(context.Background())
		_ = e.Close()
	})
	c, offer, err := e.Offer(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	c.Close()
	f.Add(offer)
	f.Add("")
	f.Add("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 111\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/whip", strings.NewReader(body))
		r.Header.Set("Content-Type", sdpType)
		h.ServeHTTP(w, r)
		if w.Code != http.StatusCreated && w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	})
}
