package rtc

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
)

// broken is a connection whose writes fail.
type broken struct {
	net.PacketConn
	err error
}

func (b broken) WriteTo([]byte, net.Addr) (int, error)               { return 0, b.err }
func (b broken) WriteToAddrPort([]byte, netip.AddrPort) (int, error) { return 0, b.err }
func (b broken) ReadFromAddrPort([]byte) (int, netip.AddrPort, error) {
	return 0, netip.AddrPort{}, b.err
}

// TestLossy: pion ends a call at io.ErrClosedPipe; other errors it passes over.
func TestLossy(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {io.ErrClosedPipe, net.ErrClosed}, {net.ErrClosed, net.ErrClosed}, {io.EOF, io.EOF},
	} {
		b := broken{err: c.err}
		l := lossyDirect{lossy{b}, b}
		if _, err := l.WriteTo(nil, nil); !errors.Is(err, c.want) || errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v: %v, want %v", c.err, err, c.want)
		}
		if _, err := l.WriteToAddrPort(nil, netip.AddrPort{}); !errors.Is(err, c.want) || errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v: %v, want %v", c.err, err, c.want)
		}
	}
}

// TestStreamLimit: connections beyond the limit are closed as they come, and those that leave make room.
func TestStreamLimit(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	few := &limited{Listener: l}
	few.open.Store(streamLimit - 1)
	dial := func() net.Conn {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Error(err)
			return nil
		}
		return c
	}
	defer dial().Close()
	first, err := few.Accept()
	if err != nil {
		t.Fatal(err)
	}
	beyond := dial()
	go func() {
		_, _ = io.ReadAll(beyond) // until it is closed
		_, _ = first.Close(), first.Close()
		_, _ = beyond.Close(), dial().Close()
	}()
	again, err := few.Accept()
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if n := few.open.Load(); n != streamLimit-1 {
		t.Errorf("%d are open", n)
	}
}
