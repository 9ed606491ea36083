package netsim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// The bounds of a relay.
const (
	maxClients   = 256
	maxDatagram  = 64 << 10
	socketBuffer = 1 << 20 // asked for; the kernel gives up to its own limit
	defaultIdle  = time.Minute
	lastCall     = 5 * time.Millisecond // for what has reached the port before Close
)

// Options of a Relay. Only Target is needed.
type Options struct {
	Profile Profile
	Seed    uint64
	Target  netip.AddrPort // where the clients' datagrams go
	Listen  netip.AddrPort // for clients; the zero value is any free port of 127.0.0.1
	Idle    time.Duration  // a client that is silent both ways for so long is forgotten; 0: a minute
}

// Relay lets datagrams suffer a [Profile] on their way between clients and a target. Safe for concurrent use.
type Relay struct {
	opt   Options
	conn  *net.UDPConn // for clients
	queue queue
	door  sync.WaitGroup // the reader of conn
	post  sync.WaitGroup // the queue's goroutine
	rooms sync.WaitGroup // the readers of clients' sockets

	mu      sync.Mutex
	clients map[netip.AddrPort]*client
	cut     bool
	closed  bool
	drop    struct {
		kinds Kind
		after int
	}
	stats Stats
}

// Stats count datagrams. They only grow, but for Clients.
type Stats struct {
	Up, Down Count
	Clients  int    // there are now
	Refused  uint64 // datagrams of clients beyond the bound of 256
}

// Count is one direction. Received is the sum of all others but Audio and AudioLost, and of what is on its way.
type Count struct {
	Received   uint64
	Sent       uint64
	Lost       uint64 // by the profile
	Cut        uint64 // by Cut
	Dropped    uint64 // by Drop
	Overflowed uint64 // found the queue full
	Failed     uint64 // the socket refused it
	Audio      uint64 // RTP packets among Received
	AudioLost  uint64 // of these lost by the profile
}

// Listen opens the relay's port. It must be closed.
func Listen(o Options) (*Relay, error) {
	if !o.Target.IsValid() || o.Target.Port() == 0 {
		return nil, fmt.Errorf("open impairment relay: %v is no target", o.Target)
	}
	if !o.Listen.IsValid() {
		o.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if o.Idle <= 0 {
		o.Idle = defaultIdle
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(o.Listen))
	if err != nil {
		return nil, fmt.Errorf("open impairment relay: %w", err)
	}
	buffers(conn)
	r := &Relay{opt: o, conn: conn, clients: map[netip.AddrPort]*client{}}
	r.queue.wake = make(chan struct{}, 1)
	r.post.Go(r.queue.run)
	r.door.Go(r.read)
	return r, nil
}

func buffers(c *net.UDPConn) {
	_ = c.SetReadBuffer(socketBuffer)  // a smaller buffer works too
	_ = c.SetWriteBuffer(socketBuffer) // likewise
}

// Addr is where clients send to.
func (r *Relay) Addr() netip.AddrPort {
	a := r.conn.LocalAddr().(*net.UDPAddr).AddrPort() // a UDP socket has no other
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Cut lets nothing pass from now on, or everything again. What is on its way arrives.
func (r *Relay) Cut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
}

// Drop lets after more datagrams of the kinds pass, both ways together, and none from then on. It replaces the Drop
// before it; no kinds: all pass.
func (r *Relay) Drop(kinds Kind, after int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop.kinds, r.drop.after = kinds, after
}

// Move gives every client another socket towards the target: its address changes, as that of a phone does that leaves
// a network for another. What the target sends to the old one is lost.
func (r *Relay) Move() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return net.ErrClosed
	}
	var errs []error
	for _, c := range r.clients {
		errs = append(errs, c.open())
	}
	return errors.Join(errs...)
}

// Stats may be read at any time.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Clients = len(r.clients)
	return s
}

// Close frees all sockets and returns when every goroutine has ended. What is on its way arrives at once, what has reached
// the relay's port by now included: most often that is a goodbye. It may be called more than once.
func (r *Relay) Close() error {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	r.mu.Unlock()
	if first {
		_ = r.conn.SetReadDeadline(time.Now().Add(lastCall)) // it is open
	}
	r.door.Wait()
	r.queue.end()
	r.post.Wait()
	r.mu.Lock()
	var errs []error
	if first {
		errs = append(errs, r.conn.Close())
		for _, c := range r.clients {
			errs = append(errs, c.out.Close())
		}
	}
	r.mu.Unlock()
	r.rooms.Wait()
	return errors.Join(errs...)
}

// read takes what clients send, until Close.
func (r *Relay) read() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			continue // a message of the network about a datagram that we sent
		}
		r.mu.Lock()
		if c := r.client(from); c != nil {
			c.pass(Up, buf[:n])
		}
		r.mu.Unlock()
	}
}

// client is the one at an address, a new one if need be; nil if there can be none. The lock is held.
func (r *Relay) client(at netip.AddrPort) *client {
	if c := r.clients[at]; c != nil || r.closed {
		return c
	}
	c := &client{relay: r, addr: at, since: time.Now()}
	if len(r.clients) >= maxClients || c.open() != nil {
		r.stats.Refused++
		return nil
	}
	r.clients[at] = c
	return c
}
