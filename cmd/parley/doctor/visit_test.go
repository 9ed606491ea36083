package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/media/rtc"
	"parley/media/rtc/turn"
	"parley/web"
)

// site is a running server on this computer, and the network before it.
type site struct {
	*httptest.Server
	relay   *turn.Server
	server  *web.Server
	noUDP   bool                 // the network lets no audio by UDP through
	noTCP   bool                 // nor by TCP
	blocked *net.UDPConn         // where UDP goes instead
	refused func() rtc.ICEServer // told in place of the TURN server
}

// newSite opens a server that takes audio by all ways.
func newSite(t *testing.T, o rtc.Options, withTURN bool) *site {
	t.Helper()
	o.Addr, o.Loopback = "127.0.0.1:0", true
	e, err := rtc.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{server: &web.Server{Endpoint: e, Converse: converse}}
	if withTURN {
		if s.relay, err = turn.Listen(turn.Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{e.Addr()}}); err != nil {
			t.Fatal(err)
		}
		s.server.ICE = s.relay.Servers
	}
	if s.blocked, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(s.network(s.server.Handler()))
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.server.Drain(ctx); err != nil {
			t.Errorf("sessions are left: %v", err)
		}
		err := errors.Join(e.Close(), s.blocked.Close())
		if s.relay != nil {
			err = errors.Join(err, s.relay.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

// converse is an agent that says nothing, audibly.
func converse(ctx context.Context, s *web.Session) error {
	own, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		speak(own, s.Call)
	}()
	err := s.Call.Run(ctx)
	cancel()
	<-done
	return err
}

var udpLine = regexp.MustCompile(`a=candidate:(\S+ \d+ udp \d+ \S+) \d+ `)

// network changes offers and answers as a firewall changes what can be reached: addresses that are blocked lead to
// where nobody answers.
func (s *site) network(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/offer" {
			next.ServeHTTP(w, r)
			return
		}
		var o, a answer
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		direct := !strings.Contains(o.SDP, "typ relay")
		if s.noUDP && direct {
			o.SDP = only(o.SDP, "tcp")
		}
		body, _ := json.Marshal(o) // it was JSON
		inner := r.Clone(r.Context())
		inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, inner)
		if rec.Code == http.StatusOK && json.Unmarshal(rec.Body.Bytes(), &a) == nil {
			if s.noUDP && direct {
				_, port, _ := net.SplitHostPort(s.blocked.LocalAddr().String())
				a.SDP = udpLine.ReplaceAllString(a.SDP, "a=candidate:$1 "+port+" ")
			}
			if s.noTCP {
				a.SDP = strings.ReplaceAll(a.SDP, " tcptype passive", " tcptype active")
			}
			if s.refused != nil {
				a.ICEServers = []rtc.ICEServer{s.refused()}
			}
			b, _ := json.Marshal(a) // it was JSON
			rec.Body = bytes.NewBuffer(b)
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = rec.Body.WriteTo(w) // the caller tells
	})
}

// see examines a server and gives what was printed.
func see(t *testing.T, url string, wait time.Duration) (string, error) {
	t.Helper()
	to, err := newRemote(url, false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = (&visit{remote: to, wait: wait}).examine(t.Context(), &report{out: &out})
	t.Logf("\n%s", &out)
	return out.String(), err
}

// says makes sure that lines are printed, by what they begin with and what they have in them.
func says(t *testing.T, out string, want ...[2]string) {
	t.Helper()
	for _, w := range want {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.HasPrefix(line, w[0]) && strings.Contains(line, w[1])
		}
		if !found {
			t.Errorf("no line begins with %q and has %q", w[0], w[1])
		}
	}
}

func TestEveryWay(t *testing.T) {
	s := newSite(t, rtc.Options{TCP: true}, true)
	out, err := see(t, s.URL, pathTime)
	if err != nil {
		t.Error(err)
	}
	says(t, out, [2]string{"ok    server", "takes calls"}, [2]string{"ok    addresses", "turn:127.0.0.1"},
		[2]string{"ok    UDP  ", "connected after"}, [2]string{"ok    TCP  ", "connected after"},
		[2]string{"ok    TURN over UDP", "connected after"}, [2]string{"ok    TURN over TCP", "connected after"},
		[2]string{"ok    call", "possible by UDP, TCP, TURN over UDP, TURN over TCP"}, [2]string{"A call to " + s.URL, "is possible"})
	if n := s.relay.Stats(); n.Relayed == 0 || n.Strangers != 0 {
		t.Errorf("%+v: not over the relay?", n)
	}
	for end := time.Now().Add(5 * time.Second); s.relay.Stats().Allocations != 0; time.Sleep(ms) {
		if time.Now().After(end) {
			t.Fatalf("%+v is left", s.relay.Stats())
		}
	}
}

func TestNoUDP(t *testing.T) {
	s := newSite(t, rtc.Options{TCP: true}, true)
	s.noUDP = true
	out, err := see(t, s.URL, time.Second)
	if err != nil {
		t.Error(err)
	}
	says(t, out, [2]string{"warn  UDP  ", "not connected within 1s"}, [2]string{"   ", "let UDP 127.0.0.1:"},
		[2]string{"ok    TCP  ", "connected"}, [2]string{"ok    TURN over UDP", "connected"},
		[2]string{"ok    call", "possible by TCP, TURN over UDP, TURN over TCP"})
}

func TestNoWay(t *testing.T) {
	s := newSite(t, rtc.Options{}, false)
	s.noUDP = true
	out, err := see(t, s.URL, time.Second)
	if !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	says(t, out, [2]string{"warn  UDP  ", "not connected"}, [2]string{"FAIL  call", "none of the ways"},
		[2]string{"   ", "--tcp takes audio over TCP too, --turn auto"})
}

func TestBadRelay(t *testing.T) {
	s := newSite(t, rtc.Options{TCP: true}, true)
	s.noTCP = true
	s.refused = func() rtc.ICEServer {
		bad := s.relay.Servers(time.Now())[0]
		bad.Credential = "wrong"
		return bad
	}
	out, err := see(t, s.URL, time.Second)
	if err != nil {
		t.Error(err)
	}
	says(t, out, [2]string{"ok    UDP  ", "connected"}, [2]string{"warn  TCP  ", "not connected"},
		[2]string{"warn  TURN over UDP", "no relay from turn:127.0.0.1"}, [2]string{"warn  TURN over TCP", "no relay from"},
		[2]string{"ok    call", "possible by UDP;"})
	if strings.Contains(out, "wrong") {
		t.Error("the credentials are printed")
	}
}

// A TURN server that does not answer costs its share of the time, not more.
func TestSilentRelay(t *testing.T) {
	s := newSite(t, rtc.Options{}, false)
	s.refused = func() rtc.ICEServer {
		at := s.blocked.LocalAddr().String()
		return rtc.ICEServer{URLs: []string{"stun:" + at, "turn:" + at, "turn:" + at + "?transport=tcp"}, Username: "a", Credential: "b"}
	}
	out, err := see(t, s.URL, time.Second)
	if err != nil {
		t.Error(err)
	}
	says(t, out, [2]string{"ok    UDP  ", "connected"}, [2]string{"warn  TURN over UDP", "no relay from turn:127.0.0.1"},
		[2]string{"warn  TURN over TCP", "no relay from turn:127.0.0.1"}, [2]string{"ok    call", "possible by UDP;"})
}

func TestNoServer(t *testing.T) {
	reply := func(code int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if code >= 1000 && r.URL.Path != "/offer" { // only offers are refused
				return
			}
			w.WriteHeader(code % 1000)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	tls.Config.ErrorLog = nil
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ what, url, line, has string }{
		{"nobody", gone.URL, "FAIL  server", "connection refused"},
		{"draining", reply(503, `{"error": "this server is shutting down"}`), "FAIL  server", "503 Service Unavailable: this server is shutting down"},
		{"another program", reply(404, "not here"), "FAIL  addresses", "did not answer an offer: 404"},
		{"busy", reply(1503, `{"error": "all lines are busy"}`), "FAIL  addresses", "it takes no call now: 503 Service Unavailable: all lines are busy"},
		{"no answer in the answer", reply(1200, `{"type": "offer"}`), "FAIL  addresses", "not an answer to a call"},
		{"no JSON", reply(1200, "<html>"), "FAIL  addresses", "not an answer to a call"},
		{"no address", reply(1200, `{"type": "answer", "sdp": "v=0"}`), "FAIL  addresses", "no address"},
		{"not trusted", tls.URL, "FAIL  server", "not trusted"},
	} {
		out, err := see(t, c.url, time.Second)
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", c.what, err)
		}
		says(t, out, [2]string{c.line, c.has}, [2]string{"No call was tried", ""})
	}
}

func TestURLFlag(t *testing.T) {
	s := newSite(t, rtc.Options{}, false)
	var out bytes.Buffer
	if err := run(t, &out, "--json", "--url", strings.TrimPrefix(s.URL, "http://")); err != nil {
		t.Error(err)
	}
	var got struct {
		Possible bool
		Findings []Finding
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || !got.Possible || len(got.Findings) != 4 || got.Findings[2].Check != "UDP" {
		t.Errorf("%v\n%s", err, &out)
	}
	tls := httptest.NewTLSServer(s.server.Handler())
	defer tls.Close()
	out.Reset()
	if err := run(t, &out, "--insecure", "--url", tls.URL); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, bad := range []string{"ftp://a", "http://", "http://[::1"} {
		if err := run(t, &out, "--url", bad); err == nil || errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRemoteURL(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8321": "http://127.0.0.1:8321/offer", "https://host/": "https://host/offer", "http://host/offer": "http://host/offer",
		"https://host/voice/?x=1#y": "https://host/voice/offer", "http://host/voice/offer": "http://host/voice/offer",
	} {
		r, err := newRemote(in, false)
		if err != nil || r.base.JoinPath("offer").String() != want {
			t.Errorf("%s: %v, %v; want %s", in, r, err, want)
		}
	}
}

func TestMisled(t *testing.T) {
	for _, c := range []struct{ url, at, has string }{
		{"http://127.0.0.1:1", "127.0.0.1:7882", ""},
		{"http://localhost", "127.0.0.1:7882", ""},
		{"http://example.org", "127.0.0.1:7882", "--media on 0.0.0.0"},
		{"http://10.0.0.5", "127.0.0.1:7882", "--media on 0.0.0.0"},
		{"http://10.0.0.5", "10.0.0.5:7882", ""},
		{"http://203.0.113.5", "10.0.0.5:7882", "--public-ip 203.0.113.5"},
		{"http://203.0.113.5", "203.0.113.5:7882", ""},
		{"http://example.org", "10.0.0.5:7882", ""}, // it may be a name in a private network
	} {
		r, err := newRemote(c.url, false)
		if err != nil {
			t.Fatal(err)
		}
		v := &visit{remote: r, places: []candidate{{"udp", netip.MustParseAddrPort(c.at)}}}
		if got := v.misled(); (got == "") != (c.has == "") || !strings.Contains(got, c.has) {
			t.Errorf("%s with %s: %q", c.url, c.at, got)
		}
	}
}

func TestTransport(t *testing.T) {
	for url, want := range map[string]string{
		"turn:a:3478": "udp", "turn:a?transport=udp": "udp", "turn:a?transport=tcp": "tcp", "turns:a:5349?transport=tcp": "tls",
		"stun:a": "", "": "",
	} {
		if got := transport(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

const twoCandidates = "v=0\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 7882 typ host\r\na=mid:0\r\n" +
	"a=candidate:2 1 tcp 1671430143 2001:db8::1 7882 typ host tcptype passive\r\na=candidate:3 1 udp 1 x.local 9 typ host\r\n"

func TestCandidates(t *testing.T) {
	got := list(candidates(twoCandidates), "udp", "tcp")
	if got != "UDP 192.0.2.1:7882 and TCP [2001:db8::1]:7882" {
		t.Error(got)
	}
	if got := only(twoCandidates, "udp"); strings.Count(got, "a=candidate") != 1 || !strings.Contains(got, "192.0.2.1") || !strings.Contains(got, "a=mid:0\r\n") {
		t.Error(got)
	}
	if got := list(nil, "udp"); got != "no address" {
		t.Error(got)
	}
}

func FuzzCandidates(f *testing.F) {
	f.Add(twoCandidates)
	f.Add("a=candidate:")
	f.Add("a=candidate:1 1 udp 1 :: 99999 typ host\n")
	f.Fuzz(func(t *testing.T, sdp string) {
		all := candidates(sdp)
		for _, transport := range []string{"udp", "tcp"} {
			kept := only(sdp, transport)
			for _, c := range candidates(kept) {
				if c.transport != transport {
					t.Errorf("%v is left", c)
				}
			}
			if strings.Count(kept, "a=candidate:") > strings.Count(sdp, "a=candidate:") || len(candidates(kept)) > len(all) {
				t.Errorf("%q became %q", sdp, kept)
			}
		}
	})
}
