package turn

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"parley/media/rtc"
)

// realm is told to callers and part of their keys.
const realm = "parley"

// Options configure a Server. Addr and Media are needed.
type Options struct {
	// Addr is "host:port" for UDP and TCP; port 0 takes any that is free for both. An empty or unspecified host means
	// every address of the machine, IPv6 only for "[::]".
	Addr string
	// Public are the addresses by which callers know this machine, where they differ from its own: behind a 1:1 NAT.
	// They are told in place of its own and stand for the media addresses too.
	Public []netip.Addr
	// Media are the addresses that is relayed to: this process's own media port. An unspecified address stands for
	// all of the machine.
	Media []netip.AddrPort
	// Secret is what passwords are made with; empty: a random one, made at the start. It is copied.
	Secret []byte
	// TTL is how long after they were given out credentials are taken for a new allocation: 6 h.
	TTL time.Duration
	// Allocations that there may be at once: 1024. A browser makes one for each of its networks and transports.
	Allocations int
	Logger      *slog.Logger // nil: discard
}

// Stats are a server's counters. All but the first two only grow.
type Stats struct {
	Allocations int    // that there are
	Connections int    // TCP, that there are
	Relayed     uint64 // packets, both ways
	Strangers   uint64 // packets for or from others than our own media port: dropped
	Excess      uint64 // packets beyond an allocation's rate: dropped
	Refused     uint64 // allocations, connections and channels beyond the limits
	Denied      uint64 // requests with credentials that are wrong, or have expired
}

// Server is a running TURN server. It is safe for concurrent use. It has to be closed.
type Server struct {
	log    *slog.Logger
	secret []byte
	ttl    time.Duration
	urls   []string
	addr   netip.AddrPort
	places *places
	limits limits
	count  counters
	close  func() error

	running sync.WaitGroup // pion's goroutines: one a socket, a listener, a connection, an allocation
	done    chan struct{}

	mu      sync.Mutex
	closed  bool
	relays  map[*relay]bool
	streams map[*stream]bool
}

type limits struct {
	allocations int           // and connections
	idle        time.Duration // of an allocation
	useless     time.Duration // of a connection without an allocation
	take        time.Duration // that what is written may wait for the caller
}

// standard are the limits, but for the number of allocations.
func standard(allocations int) limits {
	if allocations <= 0 {
		allocations = 1024
	}
	return limits{allocations, 2 * time.Minute, 15 * time.Second, 5 * time.Second}
}

type counters struct{ relayed, strangers, excess, refused, denied atomic.Uint64 }

// Listen opens the server's sockets and serves until Close. An error names the address that cannot be had.
func Listen(o Options) (*Server, error) { return listen(o, standard(o.Allocations)) }

func listen(o Options, l limits) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TTL <= 0 {
		o.TTL = 6 * time.Hour
	}
	places, err := newPlaces(o.Media, o.Public)
	if err != nil {
		return nil, err
	}
	s := &Server{
		log: o.Logger, secret: slices.Clone(o.Secret), ttl: o.TTL, places: places, done: make(chan struct{}),
		limits: l,
		relays: map[*relay]bool{}, streams: map[*stream]bool{},
	}
	if len(s.secret) == 0 {
		s.secret = []byte(rand.Text())
	}
	all, err := open(o.Addr)
	if err != nil {
		return nil, err
	}
	s.addr = all.addr()
	if s.urls, err = told(all, o.Public); err != nil {
		return nil, errors.Join(err, all.close())
	}
	if err := s.serve(all); err != nil {
		return nil, errors.Join(err, all.close())
	}
	return s, nil
}

// told are the URLs of the sockets, or of the public addresses before them.
func told(all sockets, public []netip.Addr) ([]string, error) {
	hosts := public
	if len(public) == 0 {
		for _, u := range all.udp {
			hosts = append(hosts, plain(u.LocalAddr().(*net.UDPAddr).AddrPort()).Addr())
		}
	}
	for _, h := range hosts {
		if !h.IsValid() || h.IsUnspecified() {
			return nil, fmt.Errorf("tell callers address %v: not one that they can use", h)
		}
	}
	return urls(hosts, all.addr().Port()), nil
}

// serve hands the sockets to pion.
func (s *Server) serve(all sockets) error {
	config := turn.ServerConfig{
		Realm: realm, AuthHandler: s.authenticate, LoggerFactory: quiet{s.log}, InboundMTU: mtu,
		EventHandler: turn.EventHandler{
			OnAuth: func(_, _ net.Addr, _, _, _, _ string, right bool) {
				if !right {
					s.count.denied.Add(1)
				}
			},
			OnAllocationCreated: func(from, _ net.Addr, _, _, _ string, _ net.Addr, _ int) { s.used(from, true) },
			OnAllocationDeleted: func(from, _ net.Addr, _, _, _ string) { s.used(from, false) },
			OnChannelCreated:    func(_, _ net.Addr, _, _, _ string, relay, _ net.Addr, _ uint16) { s.bound(relay, 1) },
			OnChannelDeleted:    func(_, _ net.Addr, _, _, _ string, relay, _ net.Addr, _ uint16) { s.bound(relay, -1) },
		},
	}
	for _, u := range all.udp {
		config.PacketConnConfigs = append(config.PacketConnConfigs, turn.PacketConnConfig{
			PacketConn: &socket{UDPConn: u, server: s}, RelayAddressGenerator: generator{s}, PermissionHandler: s.permit,
		})
	}
	for _, l := range all.tcp {
		config.ListenerConfigs = append(config.ListenerConfigs, turn.ListenerConfig{
			Listener: &listener{TCPListener: l, server: s}, RelayAddressGenerator: generator{s}, PermissionHandler: s.permit,
		})
	}
	s.running.Add(len(all.udp) + len(all.tcp))
	inner, err := turn.NewServer(config)
	if err != nil {
		return fmt.Errorf("start TURN server: %w", err)
	}
	s.close = sync.OnceValue(func() error { return s.end(inner) })
	return nil
}

// authenticate gives pion the key of a name. An expired one is as good as ever for what needs an allocation.
func (s *Server) authenticate(r *turn.RequestAttributes) (id string, key []byte, ok bool) {
	unix, ok := expiry(r.Username)
	from, known := host(r.SrcAddr)
	if !ok || !known || r.Realm != realm || r.Method == stun.MethodAllocate && unix <= time.Now().Unix() {
		s.count.denied.Add(1)
		return "", nil, false
	}
	return owner{r.Username, from}.String(), turn.GenerateAuthKey(r.Username, realm, sign(s.secret, r.Username)), true
}

// host is whom an address belongs to.
func host(a net.Addr) (netip.Prefix, bool) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return hostOf(a.AddrPort().Addr()), true
	case *net.TCPAddr:
		return hostOf(a.AddrPort().Addr()), true
	}
	return netip.Prefix{}, false
}

// permit lets callers ask for our own addresses only; the relay's socket looks at the ports.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	a, ok := netip.AddrFromSlice(peer)
	return ok && s.places.hosts[a.Unmap()]
}

// perHost is how many of the places one address may have.
func (s *Server) perHost() int { return max(perName, s.limits.allocations/4) }

// wait lets d pass, or the time until the server is closed.
func (s *Server) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}

// Addr is the first address that the server listens on, UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Servers is what one caller is told: the server's URLs, with credentials of its own that are good from now on for
// Options.TTL.
func (s *Server) Servers(now time.Time) []rtc.ICEServer {
	return servers(s.urls, s.secret, now.Add(s.ttl))
}

// Stats may be read at any time.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.count
	return Stats{
		Allocations: len(s.relays), Connections: len(s.streams), Relayed: n.relayed.Load(), Strangers: n.strangers.Load(),
		Excess: n.excess.Load(), Refused: n.refused.Load(), Denied: n.denied.Load(),
	}
}

// Close ends all allocations and returns when every socket is closed and no goroutine is left. It may be called more
// than once, and from any goroutine.
func (s *Server) Close() error { return s.close() }

// end waits without a deadline: everything that goes on is at a socket that was closed.
func (s *Server) end(inner *turn.Server) error {
	close(s.done)
	s.mu.Lock()
	s.closed = true
	var relays []*relay
	for r := range s.relays {
		relays = append(relays, r)
	}
	var streams []*stream
	for t := range s.streams {
		streams = append(streams, t)
	}
	s.mu.Unlock()
	err := inner.Close()
	for _, t := range streams {
		err = errors.Join(err, ignoreClosed(t.TCPConn.Close()))
	}
	for _, r := range relays {
		err = errors.Join(err, r.Close())
	}
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("close TURN server: %w", err)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
