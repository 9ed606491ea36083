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
	// batchMost is how many datagrams a batch has at the most, those of 300 calls: if more come there are no batches for
	// batchRest. A kernel with its usual limits has room for little more, and others than a flood's would be lost.
	batchMost = 160
	batchRest = time.Second
)

// batched is a UDP socket that is read in batches while datagrams come more than twice in batchGrid, by one reader. With a
// call or two it is a plain socket.
type batched struct {
	*net.UDPConn
	pace  pace
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
	if c.pace.dense {
		c.pace.dense = false
		c.timer.Reset(batchGrid - time.Duration(began.UnixNano()%int64(batchGrid)))
		<-c.timer.C
		began = time.Now()
	}
	n, from, err := c.ReadFromUDPAddrPort(b)
	c.pace.note(began, time.Now())
	return n, from, err
}

// pace decides whether to wait for more datagrams before the next read.
type pace struct {
	dense bool      // to wait
	woken time.Time // when the last read that had to wait ended
	since time.Time // of the count
	count int       // datagrams within a batchGrid
	rest  time.Time // no batches until then
}

// note takes note of a read.
func (p *pace) note(began, ended time.Time) {
	if ended.Sub(p.since) > batchGrid {
		p.since, p.count = ended, 0
	}
	if p.count++; p.count > batchMost {
		p.rest = ended.Add(batchRest)
	}
	if ended.Sub(began) > parked {
		p.dense = ended.Sub(p.woken) < batchGrid/2 && ended.After(p.rest)
		p.woken = ended
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *batched) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPort(b, to)
}
