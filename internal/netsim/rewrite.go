package netsim

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Rewrite is a session description, or a fragment of one, in which the candidate from stands as to, so that who reads it
// sends there. All other candidates are dropped: there is no way around the relay. With an invalid to every
// candidate is dropped: the other side then learns of the path when it is used. All other lines stay.
func Rewrite(sdp string, from, to netip.AddrPort) string {
	var out strings.Builder
	for line := range strings.Lines(sdp) {
		at, ok := candidate(line)
		switch {
		case !ok && isCandidate(line):
		case !ok:
			out.WriteString(line)
		case to.IsValid() && at == from:
			f := strings.Fields(line)
			f[4], f[5] = to.Addr().String(), strconv.Itoa(int(to.Port()))
			out.WriteString(strings.Join(f, " ") + ending(line))
		}
	}
	return out.String()
}

// Candidates are the UDP addresses that a description or a fragment names, in its order, each once.
func Candidates(sdp string) (all []netip.AddrPort) {
	seen := map[netip.AddrPort]bool{}
	for line := range strings.Lines(sdp) {
		if at, ok := candidate(line); ok && !seen[at] {
			seen[at] = true
			all = append(all, at)
		}
	}
	return all
}

// Target is the candidate of an answer that a relay should send to, when the answer came from a server of that host name
// or address: one on this machine if the server is, else one elsewhere, IPv4 before IPv6. The error says that the answer has
// none.
func Target(answer, host string) (best netip.AddrPort, err error) {
	ip, _ := netip.ParseAddr(host)
	here := host == "localhost" || ip.IsLoopback()
	most := -1
	for _, c := range Candidates(answer) {
		fit := 0
		if c.Addr().IsLoopback() == here {
			fit += 2
		}
		if c.Addr().Is4() {
			fit++
		}
		if fit > most {
			best, most = c, fit
		}
	}
	if most < 0 {
		return best, errors.New("the answer has no UDP candidate to put a network in front of")
	}
	return best, nil
}

func isCandidate(line string) bool { return strings.HasPrefix(line, "a=candidate:") }

// candidate reads "a=candidate:foundation component transport priority address port …" (RFC 8839). Only UDP and
// addresses that are numbers count.
func candidate(line string) (netip.AddrPort, bool) {
	f := strings.Fields(line)
	if !isCandidate(line) || len(f) < 6 || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(f[4])
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}

func ending(line string) string {
	return line[len(strings.TrimRight(line, "\r\n")):]
}
