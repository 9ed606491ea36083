package rtc

import (
	"net"
	"net/netip"
	"time"
)

const (
	// batchGrid is how long a datagram may wait for others: with several calls the shared socket is read once in so long,
	// together with the ticks of their playouts, which lie on the same grid. Waking up costs more than a datagram does, and
	// what comes together wakes the goroutines that it passes through once. It saves a quarter of the processor time of 50 calls
	// (bench load --job media) and costs them 5 ms on average.
	batchGrid = 10 * time.Millisecond
	// parked is how long a read takes at least that found nothing and had to wait.
	parked = 20 * time.Microsecond
)

// batched is a UDP socket that is read in batches while datagrams come more than twice in batchGrid, by one reader. With a
// call or two it is a plain socket.
type batched struct {
	*net.UDPConn
	woken time.Time   // when the last read that had to wait ended
	dense bool        // and the one before it not long ago: let more come before the next
	timer *time.Timer // of the reader
}

func newBatched(c *net.UDPConn) *batched {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &batched{UDPConn: c, timer: t}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter. A socket that is closed is noticed within batchGrid.
func (c *batched) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	began := time.Now()
	if c.dense {
		c.dense = false
		c.timer.Reset(batchGrid - time.Duration(began.UnixNano()%int64(batchGrid)))
		<-c.timer.C
		began = time.Now()
	}
	n, from, err := c.ReadFromUDPAddrPort(b)
	if end := time.Now(); end.Sub(began) > parked {
		c.dense = end.Sub(c.woken) < batchGrid/2
		c.woken = end
	}
	return n, from, err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *batched) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPort(b, to)
}
