package rtc

import (
	"errors"
	"io"
	"net"
	"net/netip"

	"github.com/pion/ice/v4"
)

// A restart of ICE, or the peer, closes connections of a call while something is written to them. That loses packets,
// as networks do. Left alone, pion says io.ErrClosedPipe of it, which ends the data channel and with it the call.

// lossy is a connection that loses what is written to it after its end.
type lossy struct{ net.PacketConn }

// WriteTo implements net.PacketConn.
func (l lossy) WriteTo(b []byte, to net.Addr) (int, error) {
	n, err := l.PacketConn.WriteTo(b, to)
	return n, forgiven(err)
}

// lossyDirect is lossy for connections that have the faster methods too.
type lossyDirect struct {
	lossy
	ice.AddrPortReaderWriter
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (l lossyDirect) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	n, err := l.AddrPortReaderWriter.WriteToAddrPort(b, to)
	return n, forgiven(err)
}

func forgiven(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return net.ErrClosed
	}
	return err
}

// lossyMux has the connections of a mux be lossy.
type lossyMux struct{ *ice.MultiUDPMuxDefault }

// GetConn implements ice.UDPMux.
func (m lossyMux) GetConn(ufrag string, addr net.Addr) (net.PacketConn, error) {
	c, err := m.MultiUDPMuxDefault.GetConn(ufrag, addr)
	if err != nil {
		return nil, err
	}
	if direct, ok := c.(ice.AddrPortReaderWriter); ok {
		return lossyDirect{lossy{c}, direct}, nil
	}
	return lossy{c}, nil
}
