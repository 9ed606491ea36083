package rtc

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestListen(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	stream, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for _, c := range []struct {
		name string
		o    Options
		host string // of Addr; empty: not asked
		says string // of the error
	}{
		{"loopback", Options{Addr: "127.0.0.1:0", Loopback: true}, "127.0.0.1", ""},
		{"a name", Options{Addr: "localhost:0", Loopback: true}, "", ""},
		{"everywhere", Options{Addr: ":0", Loopback: true}, "0.0.0.0", ""},
		{"everywhere by number", Options{Addr: "0.0.0.0:0", Loopback: true}, "0.0.0.0", ""},
		{"no port", Options{}, "", ""},
		{"not an address", Options{Addr: "nonsense"}, "", "nonsense"},
		{"taken", Options{Addr: taken.LocalAddr().String()}, "", "in use"},
		{"not ours", Options{Addr: "192.0.2.1:0"}, "", "192.0.2.1"},
		{"with TCP", Options{Addr: "127.0.0.1:0", Loopback: true, TCP: true}, "127.0.0.1", ""},
		{"TCP everywhere", Options{Addr: ":0", Loopback: true, TCP: true}, "0.0.0.0", ""},
		{"TCP is taken", Options{Addr: stream.Addr().String(), TCP: true}, "", "in use"},
		{"short timeout", Options{Timeouts: Timeouts{Vanish: time.Millisecond}}, "", "Vanish"},
		{"long timeout", Options{Timeouts: Timeouts{NoMedia: time.Hour}}, "", "NoMedia"},
		{"timeout before now", Options{Timeouts: Timeouts{Connect: -1}}, "", "Connect"},
		{"relay without a server", Options{RelayOnly: true}, "", "TURN"},
		{"server without a name", Options{Servers: []ICEServer{{}}}, "", "URL"},
		{"not a server", Options{Servers: []ICEServer{{URLs: []string{"http://192.0.2.1"}}}}, "", "http"},
		{"no such network", Options{Network: "carrier pigeon"}, "", "pigeon"},
		{"bad public address", Options{Addr: "127.0.0.1:0", Public: []netip.Addr{{}}}, "", "public"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Listen(c.o)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v; want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Addr(); c.host != "" && (got.Addr().String() != c.host || got.Port() == 0) {
				t.Errorf("address %v, want %s", got, c.host)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if err := e.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if c.o.Addr == "" {
				if _, _, err := e.Answer(t.Context(), "v=0"); err == nil {
					t.Error("answered without a port")
				}
			}
		})
	}
}

// TestAnnounce: the answer's candidates are the addresses callers can use, all on the one port.
func TestAnnounce(t *testing.T) {
	public := endpoint(t, Options{Addr: "127.0.0.1:0", Public: []netip.Addr{netip.MustParseAddr("198.51.100.7")}})
	everywhere := endpoint(t, Options{Addr: ":0"})
	for _, c := range []struct {
		name string
		e    *Endpoint
		want string
	}{
		{"public", public, "198.51.100.7"},
		{"everywhere", everywhere, "127.0.0.1"},
	} {
		out, offer, err := c.e.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in, answer, err := c.e.Answer(t.Context(), offer)
		out.Close()
		if err != nil {
			t.Fatal(err)
		}
		in.Close()
		found := false
		for l := range strings.Lines(answer) {
			f := strings.Fields(l)
			if !strings.HasPrefix(l, "a=candidate:") {
				continue
			}
			found = found || f[4] == c.want
			if p := netip.AddrPortFrom(netip.MustParseAddr(f[4]), c.e.Addr().Port()); p.String() != net.JoinHostPort(f[4], f[5]) {
				t.Errorf("%s: candidate %s, port %d", c.name, l, p.Port())
			}
		}
		if !found {
			t.Errorf("%s: no candidate %s in\n%s", c.name, c.want, answer)
		}
	}
}

func TestReachable(t *testing.T) {
	for ip, want := range map[string][2]bool{ // without and with loopback
		"192.0.2.1": {true, true}, "10.0.0.1": {true, true}, "127.0.0.1": {false, true}, "::1": {false, true},
		"224.0.0.251": {false, false}, "255.255.255.255": {false, false}, "0.0.0.0": {false, false}, "ff02::fb": {false, false},
	} {
		if got := [2]bool{reachable(net.ParseIP(ip), false), reachable(net.ParseIP(ip), true)}; got != want {
			t.Errorf("%s: %v, want %v", ip, got, want)
		}
	}
}
