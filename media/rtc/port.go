package rtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pion/ice/v4"
)

// socketBuffer is asked for each UDP socket; the kernel gives up to its own limit. All calls share the
// socket, so that one burst of a hundred calls must fit.
const socketBuffer = 4 << 20

// port is one port number, open for UDP, and TCP if asked for, on each address that callers may use: a socket on the
// unspecified address would answer from whichever address the kernel picks.
type port struct {
	addr    netip.AddrPort
	mux     *ice.MultiUDPMuxDefault // nil: no port
	streams streams                 // nil: no TCP
}

func (p *port) close() error {
	if p == nil || p.mux == nil {
		return nil
	}
	return errors.Join(p.mux.Close(), p.streams.Close())
}

func listen(o Options, logs scopes) (*port, error) {
	if o.Addr == "" {
		return &port{}, nil
	}
	want, err := net.ResolveUDPAddr("udp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", o.Addr, err)
	}
	hosts := []netip.Addr{want.AddrPort().Addr().Unmap()}
	if want.IP == nil || want.IP.IsUnspecified() {
		if hosts, err = localAddrs(o.Loopback, want.IP != nil && want.IP.To4() == nil); err != nil {
			return nil, fmt.Errorf("listen on %q: %w", o.Addr, err)
		}
	}
	conns, listeners, err := openAll(hosts, want.Port, o.TCP)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", o.Addr, err)
	}
	number := conns[0].LocalAddr().(*net.UDPAddr).AddrPort().Port()
	p := &port{addr: netip.AddrPortFrom(hosts[0], number)}
	if len(hosts) > 1 {
		p.addr = netip.AddrPortFrom(netip.IPv4Unspecified(), number)
	}
	muxes := make([]ice.UDPMux, len(conns))
	for i, c := range conns {
		muxes[i] = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: newBatched(c), Logger: logs.NewLogger("mux")})
	}
	p.mux = ice.NewMultiUDPMuxDefault(muxes...)
	if o.TCP {
		p.streams = serve(listeners, logs)
	}
	return p, nil
}

// localAddrs lists the addresses of this machine that a caller may reach.
func localAddrs(loopback, v6 bool) ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		if ip.Is6() && (!v6 || ip.IsLinkLocalUnicast()) || ip.IsLoopback() && !loopback {
			continue
		}
		out = append(out, ip)
	}
	if len(out) == 0 {
		return nil, errors.New("this machine has no network address (loopback is not allowed)")
	}
	return out, nil
}

// openAll opens one socket a host, and with tcp one listener, all with one port number. When the number is ours to
// choose, one that is taken on some host is given up for another.
func openAll(hosts []netip.Addr, number int, tcp bool) (conns []*net.UDPConn, listeners []net.Listener, err error) {
	const tries = 8
	for range tries {
		conns, listeners, err = open(hosts, number, tcp)
		if err == nil || number != 0 {
			break
		}
	}
	return conns, listeners, err
}

func open(hosts []netip.Addr, number int, tcp bool) (conns []*net.UDPConn, listeners []net.Listener, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
	}()
	for _, h := range hosts {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h, uint16(number))))
		if err != nil {
			return conns, listeners, err
		}
		conns = append(conns, c)
		_ = c.SetReadBuffer(socketBuffer)  // a smaller buffer works too
		_ = c.SetWriteBuffer(socketBuffer) // likewise
		number = c.LocalAddr().(*net.UDPAddr).Port
		if !tcp {
			continue
		}
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(h, uint16(number))))
		if err != nil {
			return conns, listeners, err
		}
		listeners = append(listeners, l)
	}
	return conns, listeners, nil
}
