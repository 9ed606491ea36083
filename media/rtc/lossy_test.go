package rtc

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
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
	few.open = streamLimit - 1
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
	if few.open != streamLimit-1 || len(few.of) != 0 {
		t.Errorf("%d are open, %v", few.open, few.of)
	}
	one, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	few.open = 0
	for range streamLimit / 4 {
		if !few.enter(one) {
			t.Fatal("too few of one host")
		}
	}
	if few.enter(one) || !few.enter(other) {
		t.Error("one host has the places of others")
	}
}

// failing is a listener that fails before it takes a connection.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) == 0 {
		c, _ := net.Pipe()
		return c, nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

// TestStreamErrors: a connection that could not be taken is not the end of the listener.
func TestStreamErrors(t *testing.T) {
	l := &limited{Listener: &failing{errs: []error{syscall.EMFILE, syscall.ECONNABORTED}}, log: slog.New(slog.DiscardHandler)}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l = &limited{Listener: &failing{errs: []error{net.ErrClosed}}}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
