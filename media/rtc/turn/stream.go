package turn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	mtu       = 1600     // of what callers send
	sendSpace = 16 << 10 // bytes that may wait: what is late is worth nothing
	pause     = 50 * time.Millisecond
)

var errFrame = errors.New("not a TURN frame")

// listener gives pion the TCP connections, within the limits.
type listener struct {
	*net.TCPListener
	server *Server
	left   sync.Once
}

// Accept implements net.Listener. Only the end of the server ends it.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptTCP()
		switch {
		case errors.Is(err, net.ErrClosed):
			l.left.Do(l.server.running.Done)
			return nil, err
		case err != nil: // no file left, for one
			l.server.log.Warn("TURN connection not taken", slog.Any("err", err))
			l.server.wait(pause)
		default:
			if s := l.server.admit(c); s != nil {
				return s, nil
			}
		}
	}
}

// stream is one TCP connection. A Read of it gives one whole frame, which bounds what pion keeps of a caller that
// sends byte by byte.
type stream struct {
	*net.TCPConn
	server *Server
	host   netip.Prefix
	from   netip.AddrPort
	in     *bufio.Reader
	left   sync.Once
}

// admit takes a connection, or closes it and returns nil.
func (s *Server) admit(c *net.TCPConn) *stream {
	from := plain(c.RemoteAddr().(*net.TCPAddr).AddrPort())
	t := &stream{TCPConn: c, server: s, host: hostOf(from.Addr()), from: from, in: bufio.NewReaderSize(c, mtu)}
	_ = c.SetWriteBuffer(sendSpace)                         // a larger one works too
	_ = c.SetReadDeadline(time.Now().Add(s.limits.useless)) // of a closed connection; the read will tell
	s.mu.Lock()
	defer s.mu.Unlock()
	near := 0
	for o := range s.streams {
		if o.host == t.host {
			near++
		}
	}
	if s.closed || len(s.streams) >= s.limits.allocations || near >= s.perHost() {
		s.count.refused.Add(1)
		_ = c.Close() // nothing was sent that could be lost
		return nil
	}
	s.streams[t] = true
	s.running.Add(1)
	return t
}

// used says whether the connection from this address has an allocation: one without is closed in time.
func (s *Server) used(from net.Addr, has bool) {
	a, ok := from.(*net.TCPAddr)
	if !ok {
		return
	}
	var until time.Time
	if !has {
		until = time.Now().Add(s.limits.useless)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.streams {
		if t.from == plain(a.AddrPort()) {
			_ = t.SetReadDeadline(until) // fails only once it is closed
		}
	}
}

// Read implements net.Conn.
func (t *stream) Read(p []byte) (int, error) { return readFrame(t.in, p) }

// readFrame reads one STUN message or one channel's data (RFC 8656, 12.5). One that p cannot hold ends the stream.
func readFrame(in *bufio.Reader, p []byte) (int, error) {
	head, err := in.Peek(4)
	if err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	switch head[0] >> 6 {
	case 0:
		n += 20
	case 1:
		n = 4 + (n+3)&^3
	default:
		return 0, errFrame
	}
	if n > len(p) {
		return 0, errFrame
	}
	return io.ReadFull(in, p[:n])
}

// Write implements net.Conn. A frame that cannot be written whole ends the connection.
func (t *stream) Write(p []byte) (int, error) {
	_ = t.SetWriteDeadline(time.Now().Add(t.server.limits.take)) // of a closed connection; the write will tell
	n, err := t.TCPConn.Write(p)
	if err != nil {
		_ = t.TCPConn.Close() // the write's error says why
	}
	return n, err
}

// Close frees the connection; pion calls it once it has left it.
func (t *stream) Close() error {
	t.server.mu.Lock()
	delete(t.server.streams, t)
	t.server.mu.Unlock()
	t.left.Do(t.server.running.Done)
	return t.TCPConn.Close()
}

// socket is one of the UDP sockets.
type socket struct {
	*net.UDPConn
	server *Server
	left   sync.Once
}

// ReadFrom implements net.PacketConn; its error ends pion's reading.
func (u *socket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := u.UDPConn.ReadFrom(p)
	if err != nil {
		if !errors.Is(err, net.ErrClosed) {
			u.server.log.Error("TURN socket failed", slog.Any("err", err))
		}
		u.left.Do(u.server.running.Done)
	}
	return n, from, err
}
