package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/browser"
	"parley/internal/netsim"
	"parley/media"
	"parley/media/rtc"
	"parley/web"
	"parley/web/page"
)

// site is a real server whose agent says back what it hears.
type site struct {
	*web.Server
	url    string
	relay  *netsim.Relay // nil: its calls go straight to it
	offers atomic.Int32  // calls begun
	renews atomic.Int32  // restarts of ICE that were answered
	down   atomic.Bool   // its HTTP is dead
	ended  chan error    // why each call ended
}

// newSite makes a site. Calls are what its endpoint's options are beside its address.
func newSite(t *testing.T, calls rtc.Options) *site {
	t.Helper()
	if !page.Built() {
		t.Fatal("the page is not built: run make build")
	}
	calls.Addr, calls.Loopback = "127.0.0.1:0", true
	endpoint, err := rtc.Listen(calls)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ended: make(chan error, 8)}
	s.Server = &web.Server{Endpoint: endpoint, Page: page.FS(), Converse: s.echo}
	h := httptest.NewUnstartedServer(nil)
	h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(s.Handler(), w, r) })
	h.Start()
	s.url = h.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Drain(ctx) // its calls are ended by that
		h.CloseClientConnections()
		h.Close()
		if err := endpoint.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// behind puts a relay that can cut the path between the callers and the site. Its HTTP is not cut.
func (s *site) behind(t *testing.T) *site {
	t.Helper()
	relay, err := netsim.Listen(netsim.Options{Target: s.Endpoint.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
	})
	s.relay = relay
	return s
}

// echo is a conversation: each sound is said back, each text becomes what the caller said.
func (s *site) echo(ctx context.Context, session *web.Session) error {
	call := session.Call
	done := make(chan struct{}, 2)
	go func() {
		for _, p := range call.Up().Tap(50, media.DropOldest).All(ctx) {
			call.Send(p)
		}
		done <- struct{}{}
	}()
	go func() {
		turn := 0
		for m := range call.Messages()(ctx) {
			var c web.Command
			if err := json.Unmarshal(m, &c); err == nil && c.Type != "hangup" {
				turn++
				said, _ := json.Marshal(web.User{Type: "user", Turn: turn, Text: c.Text + c.Key, Final: true})
				call.Post(said)
			}
		}
		done <- struct{}{}
	}()
	err := call.Run(ctx)
	<-done
	<-done
	s.ended <- err
	return err
}

// serve counts the offers that are answered, and has both sides know the relay, if there is one, in place of each other.
func (s *site) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if s.down.Load() {
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/offer") {
		next.ServeHTTP(w, r)
		return
	}
	offer, err := io.ReadAll(r.Body)
	if err != nil {
		return // the page has left
	}
	b := s.rewrite(offer, false)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for name, v := range rec.Header() {
		w.Header()[name] = v
	}
	switch {
	case rec.Code != http.StatusOK:
	case r.URL.Path == "/offer":
		s.offers.Add(1)
	default:
		s.renews.Add(1)
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(s.rewrite(rec.Body.Bytes(), true)) // the page may have left
}

// rewrite changes the candidates of the description in a JSON object: an answer's to the relay, an offer's to none.
func (s *site) rewrite(body []byte, answer bool) []byte {
	var d map[string]json.RawMessage
	var sdp string
	if s.relay == nil || json.Unmarshal(body, &d) != nil || json.Unmarshal(d["sdp"], &sdp) != nil {
		return body
	}
	var to netip.AddrPort
	if answer {
		to = s.relay.Addr()
	}
	d["sdp"], _ = json.Marshal(netsim.Rewrite(sdp, s.Endpoint.Addr(), to)) // a string always can
	b, err := json.Marshal(d)
	if err != nil {
		return body
	}
	return b
}

// wantEnd waits for the end of a call.
func (s *site) wantEnd(t testing.TB, limit time.Duration) {
	t.Helper()
	select {
	case err := <-s.ended:
		t.Logf("the call ended: %v", err)
	case <-time.After(limit):
		t.Error("the call does not end")
	}
}

// call opens the page of a site and talks.
func (s *site) call(t *testing.T) *tab {
	t.Helper()
	p := open(t, browser.Start(t, microphone(t, 0.3)), s.url)
	p.run(`peer.mode = "server"; peer.told = []; parley.addEventListener("steady", () => peer.told.push(parley.steady))`)
	p.talk()
	p.wait(`parley.levels().agent > 0.01`)
	p.send("before")
	return p
}

// send types a text and waits for its echo: the data channel works both ways.
func (p *tab) send(text string) {
	p.Helper()
	p.run(fmt.Sprintf("parley.send(%q)", text))
	p.within(patience, fmt.Sprintf("parley.transcript.at(-1)?.text === %q", text))
}

// within waits for longer than wait.
func (p *tab) within(limit time.Duration, js string) time.Duration {
	p.Helper()
	begin := time.Now()
	for time.Since(begin) < limit {
		if p.text("Promise.resolve("+js+").then(Boolean)") == "true" {
			return time.Since(begin)
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.shot("failed")
	p.Fatalf("this did not come true: %s\nthe page shows: %s", js, p.seen("body"))
	return 0
}

// TestNetworkGone: the path is dead for 20 seconds. The page says so, keeps the call and mends it by itself.
func TestNetworkGone(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{}).behind(t)
	p := s.call(t)
	s.relay.Cut(true)
	cut := time.Now()
	t.Logf("noticed after %v", p.within(patience, `!parley.steady`))
	p.waitSeen("[role=alert]", "Reconnecting …")
	p.waitSeen(".status", "Reconnecting …")
	p.shot("reconnecting")
	p.run(`parley.mute(true); parley.mute(false)`)
	time.Sleep(time.Until(cut.Add(20 * time.Second)))
	if got := p.text(`parley.phase`); got != "talking" {
		t.Fatalf("the page is %s", got)
	}
	s.relay.Cut(false)
	t.Logf("back after %v, with %d restarts answered", p.within(10*time.Second, `parley.steady`), s.renews.Load())
	p.within(patience, `parley.levels().agent > 0.01`)
	p.wait(`!parley.problem`)
	t.Logf("data again after %v", p.within(30*time.Second, `parley.send("after") && new Promise((done) => setTimeout(() => done(parley.transcript.some((l) => l.text === "after")), 200))`))
	p.wait(`parley.transcript.some((l) => l.text === "before") && peer.tracks[0].readyState === "live"`)
	p.check(s, 1)
}

// TestNetworkSilent: nothing at all passes for ten seconds, as in a tunnel. The call goes on.
func TestNetworkSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{}).behind(t)
	p := s.call(t)
	s.relay.Cut(true)
	s.down.Store(true)
	cut := time.Now()
	p.wait(`!parley.steady`)
	time.Sleep(time.Until(cut.Add(10 * time.Second)))
	s.down.Store(false)
	s.relay.Cut(false)
	t.Logf("back after %v, with %d restarts answered", p.within(10*time.Second, `parley.steady`), s.renews.Load())
	p.wait(`parley.levels().agent > 0.01`)
	p.check(s, 1)
}

// TestNetworkChanged: the caller's address changes. Sound goes on, with a restart or without.
func TestNetworkChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{}).behind(t)
	p := s.call(t)
	before := p.text(`parley.stats().then((s) => s.packetsReceived)`)
	if err := s.relay.Move(); err != nil {
		t.Fatal(err)
	}
	t.Logf("sound after %v, with %d restarts answered",
		p.within(20*time.Second, `parley.stats().then((s) => s.packetsReceived > `+before+` + 50)`), s.renews.Load())
	p.wait(`parley.steady && parley.levels().agent > 0.01`)
	p.send("after")
	p.check(s, -1)
}

// check ends the call: it was the same all the time, and the page told of outages gone steady again as often.
func (p *tab) check(s *site, outages int) {
	p.Helper()
	if n := s.offers.Load(); n != 1 {
		p.Errorf("%d calls were begun", n)
	}
	told := p.text(`peer.told.join()`)
	if want := strings.TrimSuffix(strings.Repeat("false,true,", max(outages, 0)), ","); outages >= 0 && told != want {
		p.Errorf("the page told %q", told)
	}
	p.run(`parley.hangup()`)
	s.wantEnd(p, 5*time.Second)
}

// TestServerForgets: the server ends a call whose path is dead; the page learns of it by asking.
func TestServerForgets(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{}).behind(t)
	p := s.call(t)
	s.relay.Cut(true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Drain(ctx) // ends the call; that it took force is meant
	p.wait(`parley.phase === "ended"`)
	p.waitSeen("[role=alert]", "The connection to the server was lost.")
	s.wantEnd(t, 5*time.Second)
}
