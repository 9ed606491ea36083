package turn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// sockets are one port number, UDP and TCP, on each address that callers may use: a UDP socket on the unspecified
// address would answer from whichever address the kernel picks.
type sockets struct {
	udp []*net.UDPConn
	tcp []*net.TCPListener
}

// attempts bounds the search for a number that is free everywhere.
const attempts = 10

func open(addr string) (sockets, error) {
	want, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return sockets{}, fmt.Errorf("listen on %q: %w", addr, err)
	}
	host := netip.IPv4Unspecified()
	if want.IP != nil {
		host = want.AddrPort().Addr().Unmap()
	}
	hosts, err := expand(host)
	if err != nil {
		return sockets{}, fmt.Errorf("listen on %q: %w", addr, err)
	}
	tries := attempts
	if want.Port != 0 {
		tries = 1
	}
	for range tries {
		var all sockets
		if all, err = openAll(hosts, want.Port); err == nil {
			return all, nil
		}
	}
	return sockets{}, fmt.Errorf("listen on %q: %w", addr, err)
}

// openAll opens one number on all hosts; 0 takes one that is free on the first.
func openAll(hosts []netip.Addr, number int) (all sockets, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, all.close())
		}
	}()
	for _, h := range hosts {
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h, uint16(number))))
		if err != nil {
			return all, err
		}
		all.udp = append(all.udp, u)
		number = u.LocalAddr().(*net.UDPAddr).Port
		t, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(h, uint16(number))))
		if err != nil {
			return all, err
		}
		all.tcp = append(all.tcp, t)
	}
	return all, nil
}

func (s sockets) close() (err error) {
	for _, c := range s.udp {
		err = errors.Join(err, c.Close())
	}
	for _, l := range s.tcp {
		err = errors.Join(err, l.Close())
	}
	return err
}

// addr is the first address.
func (s sockets) addr() netip.AddrPort { return plain(s.udp[0].LocalAddr().(*net.UDPAddr).AddrPort()) }

// expand is host itself, or every address of this machine that an unspecified one stands for: loopback only if there
// is no other.
func expand(host netip.Addr) ([]netip.Addr, error) {
	if !host.IsUnspecified() {
		return []netip.Addr{host}, nil
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out, loopback []netip.Addr
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		switch ip = ip.Unmap(); {
		case ip.Is6() && host.Is4(), ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			loopback = append(loopback, ip)
		default:
			out = append(out, ip)
		}
	}
	if len(out) == 0 {
		out = loopback
	}
	if len(out) == 0 {
		return nil, errors.New("this machine has no address")
	}
	return out, nil
}

// plain has an IPv4 address as such.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// maxTold bounds the addresses that callers are told: browsers ask all servers at once and are slow with many.
const maxTold = 2

// urls are what callers are told of these hosts.
func urls(hosts []netip.Addr, port uint16) (all []string) {
	for _, h := range hosts[:min(len(hosts), maxTold)] {
		at := "turn:" + net.JoinHostPort(h.WithZone("").String(), strconv.Itoa(int(port)))
		all = append(all, at+"?transport=udp", at+"?transport=tcp")
	}
	return all
}

// places are the media addresses: as a caller may name one, and which socket of ours that is.
type places struct {
	local map[netip.AddrPort]netip.AddrPort
	names map[netip.AddrPort]*net.UDPAddr // of the local ones, as callers first know them
	hosts map[netip.Addr]bool             // that a caller may name
	from  []netip.Addr                    // where relays may be opened: the local hosts
}

// newPlaces is what media stands for. A machine behind a 1:1 NAT is known to callers by its public addresses, which
// it may not reach itself: packets for them go to the socket behind.
func newPlaces(media []netip.AddrPort, public []netip.Addr) (*places, error) {
	p := &places{map[netip.AddrPort]netip.AddrPort{}, map[netip.AddrPort]*net.UDPAddr{}, map[netip.Addr]bool{}, nil}
	for _, m := range media {
		if !m.IsValid() || m.Port() == 0 {
			return nil, fmt.Errorf("relay to %v: not an address and a port", m)
		}
		hosts, err := expand(m.Addr().Unmap())
		if err != nil {
			return nil, fmt.Errorf("relay to %v: %w", m, err)
		}
		if m.Addr().IsUnspecified() {
			hosts = append(hosts, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
		}
		for _, h := range hosts {
			p.add(netip.AddrPortFrom(h, m.Port()), public)
		}
	}
	if len(p.local) == 0 {
		return nil, errors.New("relay to no media address: name those of the media port")
	}
	return p, nil
}

func (p *places) add(local netip.AddrPort, public []netip.Addr) {
	p.put(local, local)
	p.names[local] = net.UDPAddrFromAddrPort(local)
	if !slices.Contains(p.from, local.Addr()) {
		p.from = append(p.from, local.Addr())
	}
	known := false
	for _, a := range public {
		if a = a.Unmap(); a.Is4() != local.Addr().Is4() {
			continue
		}
		as := netip.AddrPortFrom(a, local.Port())
		if _, taken := p.local[as]; taken {
			continue
		}
		p.put(as, local)
		if !known {
			p.names[local], known = net.UDPAddrFromAddrPort(as), true
		}
	}
}

func (p *places) put(as, local netip.AddrPort) {
	p.local[as] = local
	p.hosts[as.Addr()] = true
}
