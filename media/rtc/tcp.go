package rtc

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

// The bounds of ICE over TCP.
const (
	streamLimit  = 1000                  // connections of an address: above the calls of a machine, below its file limit
	streamGreets = 5 * time.Second       // until a connection must have told its call
	streamWrites = 256 << 10             // bytes of a connection that wait for the network; further packets are lost
	streamReads  = 64                    // packets of a call that wait to be read
	streamUnused = 10 * time.Second      // for a connection of a call that is not there yet
	streamPause  = 50 * time.Millisecond // after a connection that could not be taken
)

// streams takes ICE over TCP (RFC 6544, passive), on one listener an address. It implements ice.TCPMux.
type streams map[netip.Addr]*ice.TCPMuxDefault

// GetConnByUfrag implements ice.TCPMux.
func (s streams) GetConnByUfrag(ufrag string, v6 bool, local net.IP) (net.PacketConn, error) {
	a, _ := netip.AddrFromSlice(local)
	m, ok := s[a.Unmap()]
	if !ok {
		return nil, fmt.Errorf("no TCP port on %v", local)
	}
	c, err := m.GetConnByUfrag(ufrag, v6, local)
	if err != nil {
		return nil, err
	}
	return lossy{c}, nil
}

// RemoveConnByUfrag implements ice.TCPMux.
func (s streams) RemoveConnByUfrag(ufrag string) {
	for _, m := range s {
		m.RemoveConnByUfrag(ufrag)
	}
}

// Close implements ice.TCPMux.
func (s streams) Close() error {
	var err error
	for _, m := range s {
		if e := m.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// serve takes connections from the listeners, of which each is of another address.
func serve(listeners []net.Listener, logs scopes) streams {
	s := make(streams, len(listeners))
	for _, l := range listeners {
		s[l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()] = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener: &limited{Listener: l, log: logs.log}, Logger: logs.NewLogger("mux"),
			ReadBufferSize: streamReads, WriteBufferSize: streamWrites,
			FirstStunBindTimeout: streamGreets, AliveDurationForConnFromStun: streamUnused,
		})
	}
	return s
}

// limited closes the connections beyond streamLimit as they come, and those of one host beyond a quarter of it: nobody
// takes all the places.
type limited struct {
	net.Listener
	log *slog.Logger

	mu   sync.Mutex
	open int
	of   map[netip.Prefix]int
}

// Accept implements net.Listener. Only the listener's end ends it: pion takes any error for that.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil { // no file left, for one
			l.log.Warn("TCP connection not taken", slog.Any("err", err))
			<-time.After(streamPause)
			continue
		}
		host := hostOf(c.RemoteAddr())
		if l.enter(host) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = c.Close() // it is over either way
	}
}

// hostOf is whom an address belongs to: an IPv4 address, or an IPv6 network of 64 bits.
func hostOf(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip, bits := t.AddrPort().Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // the bits are in range
	return p
}

func (l *limited) enter(host netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= streamLimit || l.of[host] >= streamLimit/4 {
		return false
	}
	if l.of == nil {
		l.of = make(map[netip.Prefix]int)
	}
	l.open++
	l.of[host]++
	return true
}

func (l *limited) leave(host netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.of[host]--; l.of[host] == 0 {
		delete(l.of, host)
	}
}

type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
