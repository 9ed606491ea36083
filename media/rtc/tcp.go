package rtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
)

// The bounds of ICE over TCP.
const (
	streamLimit  = 1000             // connections of an address: above the calls of a machine, below its file limit
	streamGreets = 5 * time.Second  // until a connection must have told its call
	streamWrites = 256 << 10        // bytes of a connection that wait for the network; further packets are lost
	streamReads  = 64               // packets of a call that wait to be read
	streamUnused = 10 * time.Second // for a connection of a call that is not there yet
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
			Listener: &limited{Listener: l}, Logger: logs.NewLogger("mux"),
			ReadBufferSize: streamReads, WriteBufferSize: streamWrites,
			FirstStunBindTimeout: streamGreets, AliveDurationForConnFromStun: streamUnused,
		})
	}
	return s
}

// limited closes the connections beyond streamLimit as they come.
type limited struct {
	net.Listener
	open atomic.Int32
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= streamLimit {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = c.Close() // it is over either way
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
