package netsim

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const answer = "v=0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" +
	"c=IN IP4 0.0.0.0\r\n" +
	"a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host ufrag x\r\n" +
	"a=candidate:1 2 UDP 2130706430 127.0.0.1 4000 typ host\r\n" +
	"a=candidate:2 1 udp 2130706431 192.0.2.1 4000 typ host\r\n" +
	"a=candidate:3 1 tcp 1671430143 127.0.0.1 4000 typ host tcptype passive\r\n" +
	"a=candidate:4 1 udp 1 here.local 4000 typ host\r\n" +
	"a=end-of-candidates\r\n"

var (
	from = netip.MustParseAddrPort("127.0.0.1:4000")
	to   = netip.MustParseAddrPort("127.0.0.1:5000")
)

func TestRewrite(t *testing.T) {
	const head = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
	for _, c := range []struct {
		name     string
		from, to netip.AddrPort
		want     string
	}{
		{"one stands for all", from, to, "a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host ufrag x\r\n" +
			"a=candidate:1 2 UDP 2130706430 127.0.0.1 5000 typ host\r\n"},
		{"another address", netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("[2001:db8::1]:7"), "a=candidate:2 1 udp 2130706431 2001:db8::1 7 typ host\r\n"},
		{"none", from, netip.AddrPort{}, ""},
		{"unknown", netip.MustParseAddrPort("127.0.0.1:1"), to, ""},
	} {
		if got := Rewrite(answer, c.from, c.to); got != head+c.want+"a=end-of-candidates\r\n" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if got := Candidates(answer); !slices.Equal(got, []netip.AddrPort{from, netip.MustParseAddrPort("192.0.2.1:4000")}) {
		t.Errorf("%v", got)
	}
}

func TestTarget(t *testing.T) {
	line := func(at string) string { return "a=candidate:1 1 udp 1 " + at + " typ host\r\n" }
	six, lan, here := line("2001:db8::1 7"), line("192.0.2.1 7"), line("127.0.0.1 7")
	for _, c := range []struct{ answer, host, want string }{
		{six + lan + here, "localhost", "127.0.0.1:7"},
		{six + lan + here, "127.0.0.1", "127.0.0.1:7"},
		{here + six + lan, "agent.example", "192.0.2.1:7"},
		{here + six, "192.0.2.9", "[2001:db8::1]:7"},
		{six + lan, "::1", "192.0.2.1:7"}, // there is nothing better
		{here, "agent.example", "127.0.0.1:7"},
	} {
		if got, err := Target(c.answer, c.host); err != nil || got.String() != c.want {
			t.Errorf("%q of %s: %v, %v", c.answer, c.host, got, err)
		}
	}
	if got, err := Target("a=candidate:1 1 tcp 1 127.0.0.1 9 typ host", "localhost"); err == nil {
		t.Errorf("%v", got)
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(answer)
	f.Add("a=candidate:\na=candidate:1 1 udp 1 ::ffff:127.0.0.1 99999\na=candidate:1 1 udp 1 ::ffff:127.0.0.1 4000")
	f.Fuzz(func(t *testing.T, sdp string) {
		for _, at := range Candidates(sdp) {
			got := Candidates(Rewrite(sdp, at, to))
			if !slices.Equal(got, []netip.AddrPort{to}) {
				t.Fatalf("%q: from %v came %v", sdp, at, got)
			}
		}
		out := Rewrite(sdp, from, netip.AddrPort{})
		if len(Candidates(out)) > 0 || strings.Contains("\n"+out, "\na=candidate:") {
			t.Fatalf("%q is left of %q", out, sdp)
		}
	})
}
