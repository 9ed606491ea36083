package netsim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// restSeed sets the fates of what is not audio apart from those of audio with the same number.
const restSeed = 0x5bd1e995

// client is one address that sends to the relay. The relay's lock guards it.
type client struct {
	relay   *Relay
	addr    netip.AddrPort
	since   time.Time
	active  time.Time    // when a datagram last passed through
	out     *net.UDPConn // towards the target
	numbers [2]numbers
}

// open gives the client a new socket towards the target, with a reader that ends with the socket.
func (c *client) open() error {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(c.relay.opt.Target))
	if err != nil {
		return fmt.Errorf("open a way to %v: %w", c.relay.opt.Target, err)
	}
	buffers(conn)
	if c.out != nil {
		_ = c.out.Close() // nothing is written on it any more
	}
	c.out, c.active = conn, time.Now()
	c.relay.rooms.Go(func() { c.read(conn) })
	return nil
}

// read takes what the target sends to conn, until conn is closed or the client has been idle.
func (c *client) read(conn *net.UDPConn) {
	r := c.relay
	buf := make([]byte, maxDatagram)
	for !c.idle(conn) {
		_ = conn.SetReadDeadline(time.Now().Add(r.opt.Idle)) // only a closed one refuses, and then Read does
		n, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the deadline, or a message of the network: nobody listens at the target
		}
		r.mu.Lock()
		c.pass(Down, buf[:n])
		r.mu.Unlock()
	}
}

// idle forgets a client that has been silent for too long.
func (c *client) idle(conn *net.UDPConn) bool {
	r := c.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.out != conn || r.closed || time.Since(c.active) < r.opt.Idle {
		return false
	}
	delete(r.clients, c.addr)
	_ = conn.Close() // it was only read from
	return true
}

// pass sends a datagram on its way, or not. The lock is held; b is copied.
func (c *client) pass(w Way, b []byte) {
	r, now := c.relay, time.Now()
	c.active = now
	kind := kindOf(b)
	n, seed := c.numbers[w].next(kind, b), r.opt.Seed
	count := r.count(w)
	count.Received++
	if kind == Audio {
		count.Audio++
	} else {
		seed ^= restSeed
	}
	fate := r.opt.Profile.Fate(seed, w, n, now.Sub(c.since))
	switch {
	case r.cut:
		count.Cut++
	case r.dropped(kind):
		count.Dropped++
	case fate.Lost:
		count.Lost++
		if kind == Audio {
			count.AudioLost++
		}
	case !r.queue.add(now.Add(fate.Delay), c.sender(w, slices.Clone(b))):
		count.Overflowed++
	}
}

// dropped counts down to what Drop takes. The lock is held.
func (r *Relay) dropped(k Kind) bool {
	if r.drop.kinds&k == 0 {
		return false
	}
	r.drop.after--
	return r.drop.after < 0
}

func (r *Relay) count(w Way) *Count {
	if w == Up {
		return &r.stats.Up
	}
	return &r.stats.Down
}

// sender sends b by the socket that the client has then.
func (c *client) sender(w Way, b []byte) func() {
	return func() {
		c.relay.mu.Lock()
		out := c.out
		c.relay.mu.Unlock()
		var err error
		if w == Up {
			_, err = out.Write(b)
		} else {
			_, err = c.relay.conn.WriteToUDPAddrPort(b, c.addr)
		}
		c.relay.mu.Lock()
		defer c.relay.mu.Unlock()
		if err != nil {
			c.relay.count(w).Failed++
			return
		}
		c.relay.count(w).Sent++
	}
}
