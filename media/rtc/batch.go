package rtc

import (
	"net"
	"net/netip"
	"time"
)

// batchGrid is how long datagrams may wait for others: with many calls the socket is read once in so long, and all that
// has come is handled in one go. Waking up costs more than a datagram does.
const batchGrid = 5 * time.Millisecond

// parked is how long a read takes at least that had to wait.
const parked = 20 * time.Microsecond

// batched is a UDP socket with one reader.
type batched struct {
	*net.UDPConn
	woken time.Time // the last read that had to wait ended then
	dense bool      // and the one before it not long ago
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *batched) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	if c.dense {
		c.dense = false
		now := time.Now()
		time.Sleep(batchGrid - time.Duration(now.UnixNano()%int64(batchGrid)))
	}
	began := time.Now()
	n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
	if end := time.Now(); end.Sub(began) > parked {
		c.dense = end.Sub(c.woken) < 2*batchGrid
		c.woken = end
	}
	return n, from, err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *batched) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}
