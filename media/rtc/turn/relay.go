package turn

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/turn/v5"
)

const (
	perName     = 16
	maxChannels = 16
	rate        = 1 << 20 / 8 // bytes a second, each way
)

// Why an allocation is refused. Callers are told only that there is no capacity for it.
var (
	errPort   = errors.New("no port can be chosen")
	errTCP    = errors.New("no TCP is relayed")
	errFull   = errors.New("too many allocations")
	errFamily = errors.New("no media address of this kind")
	errClosed = errors.New("the server is closed")
)

// owner is what an allocation is counted by; pion carries it as the user's id, which a request for an allocation
// must repeat.
type owner struct {
	name string
	host netip.Prefix
}

func (o owner) String() string { return o.host.String() + " " + o.name }

func parseOwner(id string) (owner, error) {
	host, name, _ := strings.Cut(id, " ")
	p, err := netip.ParsePrefix(host)
	return owner{name, p}, err
}

// hostOf is whom an address belongs to: an IPv4 address, or an IPv6 network of 64 bits.
func hostOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the bits are in range
	return p
}

// relay is the socket of one allocation. One goroutine of pion's reads, another writes.
type relay struct {
	*net.UDPConn
	server *Server
	owner  owner
	left   sync.Once

	in, out  bucket
	touched  time.Time // by the reader: when the deadline was last moved
	channels int       // under the server's mutex

	mu    sync.Mutex
	names map[netip.AddrPort]*net.UDPAddr // as the caller calls our sockets, where that differs
}

// generator opens relays for pion.
type generator struct{ server *Server }

// Validate implements turn.RelayAddressGenerator.
func (generator) Validate() error { return nil }

// AllocateListener implements turn.RelayAddressGenerator.
func (generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errTCP
}

// AllocateConn implements turn.RelayAddressGenerator.
func (generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errTCP }

// AllocatePacketConn implements turn.RelayAddressGenerator.
func (g generator) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	if c.RequestedPort != 0 || c.UserID == "" { // without a user it is a search for even ports
		return nil, nil, errPort
	}
	o, err := parseOwner(c.UserID)
	if err != nil {
		return nil, nil, err
	}
	from := g.server.places.from
	i := slices.IndexFunc(from, func(a netip.Addr) bool { return a.Is4() == (c.Network == "udp4") })
	if i < 0 {
		return nil, nil, errFamily
	}
	return g.server.allocate(o, from[i])
}

// allocate opens a relay, if its owner may have one more.
func (s *Server) allocate(o owner, from netip.Addr) (net.PacketConn, net.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	same, near := 0, 0
	for r := range s.relays {
		if r.owner == o {
			same++
		}
		if r.owner.host == o.host {
			near++
		}
	}
	if len(s.relays) >= s.limits.allocations || near >= s.perHost() || same >= perName {
		s.count.refused.Add(1)
		return nil, nil, errFull
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		s.count.refused.Add(1)
		return nil, nil, err
	}
	r := &relay{UDPConn: c, server: s, owner: o, names: map[netip.AddrPort]*net.UDPAddr{}}
	r.touch(time.Now())
	s.relays[r] = true
	s.running.Add(1)
	return r, c.LocalAddr(), nil
}

// touch notes that the allocation is in use.
func (r *relay) touch(now time.Time) {
	idle := r.server.limits.idle
	if now.Sub(r.touched) > idle/16 {
		r.touched = now
		_ = r.SetReadDeadline(now.Add(idle)) // fails only once it is closed
	}
}

// ReadFrom gives what our own media sockets send to the caller. Its error frees the allocation.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	count := &r.server.count
	for {
		n, from, err := r.ReadFromUDPAddrPort(p)
		if err != nil {
			r.left.Do(r.server.running.Done)
			return 0, nil, err
		}
		name := r.name(plain(from))
		now := time.Now()
		switch {
		case name == nil:
			count.strangers.Add(1)
			continue
		case !r.in.take(now, n):
			count.excess.Add(1)
			continue
		}
		r.touch(now)
		count.relayed.Add(1)
		return n, name, nil
	}
}

// name is what the caller calls one of our sockets; nil: it is none.
func (r *relay) name(from netip.AddrPort) *net.UDPAddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if as, ok := r.names[from]; ok {
		return as
	}
	return r.server.places.names[from]
}

// WriteTo sends what the caller has for one of our media sockets. What is not sent is gone, as on any network.
func (r *relay) WriteTo(p []byte, to net.Addr) (int, error) {
	count := &r.server.count
	u, ok := to.(*net.UDPAddr)
	if !ok {
		count.strangers.Add(1)
		return len(p), nil
	}
	local, ok := r.server.places.local[plain(u.AddrPort())]
	switch {
	case !ok:
		count.strangers.Add(1)
		return len(p), nil
	case !r.out.take(time.Now(), len(p)):
		count.excess.Add(1)
		return len(p), nil
	}
	r.call(local, u)
	count.relayed.Add(1)
	return r.WriteToUDPAddrPort(p, local)
}

// call notes what the caller calls a socket of ours.
func (r *relay) call(local netip.AddrPort, as *net.UDPAddr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now, ok := r.names[local]; !ok || !now.IP.Equal(as.IP) {
		r.names[local] = as
	}
}

// Close frees the socket and the place; pion calls it once, and Server.Close too.
func (r *relay) Close() error {
	s := r.server
	s.mu.Lock()
	open := s.relays[r]
	delete(s.relays, r)
	s.mu.Unlock()
	if !open {
		return nil
	}
	return ignoreClosed(r.UDPConn.Close())
}

// bound counts the channels of the relay at addr. An allocation with too many is freed, by the reader of its socket,
// since pion holds its own locks here.
func (s *Server) bound(addr net.Addr, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.relays {
		if r.LocalAddr().String() != addr.String() {
			continue
		}
		if r.channels += n; r.channels > maxChannels {
			s.count.refused.Add(1)
			_ = r.UDPConn.Close() // fails only once it is closed
		}
	}
}

// bucket lets rate bytes a second through, and a second's worth at once. One goroutine at a time.
type bucket struct {
	used float64
	at   time.Time
}

func (b *bucket) take(now time.Time, n int) bool {
	b.used = max(0, b.used-now.Sub(b.at).Seconds()*rate)
	b.at = now
	if b.used+float64(n) > rate {
		return false
	}
	b.used += float64(n)
	return true
}
