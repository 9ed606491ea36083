package turn

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"parley/media/rtc"
)

var silent = quiet{slog.New(slog.DiscardHandler)}

// The value is from openssl dgst -sha1 -hmac.
func TestSign(t *testing.T) {
	if got := sign([]byte("north"), "1700000000:abcd"); got != "H0A8YRnrGPhqbqPxZdRmDSOcU/I=" {
		t.Error(got)
	}
}

func TestIssue(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	give, err := Remote([]string{"turn:example.org"}, []byte("north"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	a, b := give(now)[0], give(now)[0]
	if a.Username == b.Username || !strings.HasPrefix(a.Username, "1700000060:") || a.Credential != sign([]byte("north"), a.Username) {
		t.Errorf("%+v, then %+v", a, b)
	}
	if unix, ok := expiry(a.Username); !ok || unix != 1_700_000_060 {
		t.Error(unix, ok)
	}
	a.URLs[0] = "changed"
	if give(now)[0].URLs[0] != "turn:example.org" {
		t.Error("the URLs are shared")
	}
}

func TestExpiry(t *testing.T) {
	for name, want := range map[string]int64{
		"0": 0, "17": 17, "17:": 17, "17:a:b": 17, "9223372036854775807": 1<<63 - 1,
		"": -1, ":": -1, ":17": -1, "-1": -1, "+17": -1, " 17": -1, "17 ": -1, "1e9": -1, "0x10": -1, "1_000": -1, "٣": -1,
		"9223372036854775808": -1, "99999999999999999999": -1, "17.5": -1, "a": -1,
		"17:" + strings.Repeat("x", maxName): -1,
	} {
		if got, ok := expiry(name); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v; want %d", name, got, ok, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	secret := []byte("the secret of the server")
	var log bytes.Buffer
	s := server(t, Options{
		Secret: secret, TTL: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, netip.MustParseAddrPort("127.0.0.1:9"))
	now := time.Now()
	good := s.Servers(now)[0]
	name := func(n string) rtc.ICEServer { return rtc.ICEServer{Username: n, Credential: sign(secret, n)} }
	later := strconv.FormatInt(now.Add(time.Hour).Unix(), 10)
	for _, c := range []struct {
		what string
		with rtc.ICEServer
		ok   bool
	}{
		{"good", good, true},
		{"a name of its own", name(later + ":someone"), true},
		{"the time alone", name(later), true},
		{"wrong password", rtc.ICEServer{Username: good.Username, Credential: "guess"}, false},
		{"no password", rtc.ICEServer{Username: good.Username}, false},
		{"another secret", rtc.ICEServer{Username: good.Username, Credential: sign([]byte("other"), good.Username)}, false},
		{"another name's password", rtc.ICEServer{Username: later + ":other", Credential: good.Credential}, false},
		{"expired", s.Servers(now.Add(-2 * time.Minute))[0], false},
		{"long expired", name("1:a"), false},
		{"negative", name("-5:a"), false},
		{"signed", name("+" + later), false},
		{"too large", name("99999999999999999999:a"), false},
		{"no number", name("someone"), false},
		{"too long", name(later + ":" + strings.Repeat("x", 200)), false},
	} {
		before := s.Stats().Denied
		conn, err := client(t, s, "udp", c.with).Allocate()
		if (err == nil) != c.ok || (s.Stats().Denied == before) != c.ok {
			t.Errorf("%s: %v, denied %d", c.what, err, s.Stats().Denied-before)
		}
		if err == nil {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, hidden := range []string{string(secret), good.Credential} {
		if strings.Contains(log.String(), hidden) {
			t.Errorf("%q is in the log:\n%s", hidden, &log)
		}
	}
}

// An allocation that was made in time lives on: its requests are answered though the name has expired.
func TestExpiredName(t *testing.T) {
	media := echo(t)
	s := server(t, Options{}, address(media))
	old := s.Servers(time.Now().Add(-7 * time.Hour))[0]
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	for method, want := range map[stun.Method]bool{
		stun.MethodAllocate: false, stun.MethodRefresh: true, stun.MethodCreatePermission: true, stun.MethodChannelBind: true,
	} {
		if _, _, ok := s.authenticate(&turn.RequestAttributes{Username: old.Username, Realm: realm, SrcAddr: from, Method: method}); ok != want {
			t.Errorf("%v with an expired name: %v", method, ok)
		}
	}
	if _, _, ok := s.authenticate(&turn.RequestAttributes{Username: old.Username, Realm: "other", SrcAddr: from, Method: stun.MethodRefresh}); ok {
		t.Error("another realm")
	}
	if _, _, ok := s.authenticate(&turn.RequestAttributes{Username: old.Username, Realm: realm, SrcAddr: &net.UnixAddr{}}); ok {
		t.Error("no address")
	}

	soon := s.Servers(time.Now().Add(2*time.Second - s.ttl))[0]
	c := client(t, s, "udp", soon)
	conn, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(2100 * time.Millisecond)
	if _, err := client(t, s, "udp", soon).Allocate(); err == nil {
		t.Error("a new allocation for an expired name")
	}
	exchange(t, conn, media.LocalAddr(), "after its time")
}

func TestRemote(t *testing.T) {
	for url, ok := range map[string]bool{
		"turn:example.org": true, "turn:example.org:3478": true, "turn:192.0.2.1:443?transport=tcp": true,
		"turns:example.org:5349?transport=tcp": true, "turn:[2001:db8::1]:3478?transport=udp": true, "turn:[2001:db8::1]": true,
		"": false, "example.org:3478": false, "stun:example.org": false, "http://example.org": false, "turn://example.org": false,
		"turn:": false, "turn::3478": false, "turn:[]:3478": false, "turn:example.org:0": false, "turn:example.org:70000": false,
		"turn:example.org:x": false, "turn:2001:db8::1:3478": false, "turn:example.org?transport=sctp": false,
		"turn:user@example.org": false, "turn:example.org#x": false, "turn:a b": false, "turn:example.org:": false,
	} {
		_, err := Remote([]string{url}, []byte("north"), time.Hour)
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "north") {
			t.Errorf("the secret is in %q", err)
		}
	}
	for what, f := range map[string]func() error{
		"no URL":    func() error { _, err := Remote(nil, []byte("north"), time.Hour); return err },
		"no secret": func() error { _, err := Remote([]string{"turn:a"}, nil, time.Hour); return err },
		"no time":   func() error { _, err := Remote([]string{"turn:a"}, []byte("north"), 0); return err },
	} {
		if f() == nil {
			t.Errorf("taken: %s", what)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"1700000000:a", "-1", "+5:x", ":", "9223372036854775808", "\x00", strings.Repeat("9", 600), "1:" + strings.Repeat(":", 600)} {
		f.Add(s, "parley")
	}
	s, err := Listen(Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	from := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	f.Fuzz(func(t *testing.T, name, r string) {
		unix, ok := expiry(name)
		if ok && (unix < 0 || len(name) > maxName) {
			t.Errorf("%q expires at %d", name, unix)
		}
		now := time.Now().Unix()
		id, key, in := s.authenticate(&turn.RequestAttributes{Username: name, Realm: r, SrcAddr: from, Method: stun.MethodAllocate})
		if in != (ok && r == realm && unix > now) || in != (len(key) > 0) {
			t.Errorf("%q of %q, which expires at %d: %v with %d bytes", name, r, unix, in, len(key))
		}
		if in {
			if o, err := parseOwner(id); err != nil || o.name != name {
				t.Errorf("%q is counted as %+v, %v", name, o, err)
			}
		}
	})
}
