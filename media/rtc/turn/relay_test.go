package turn

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"
)

// only is the one allocation there is.
func only(t *testing.T, s *Server) *relay {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.relays {
		return r
	}
	t.Fatal("there is no allocation")
	return nil
}

// bindings is how many channels were bound on it.
func (r *relay) bindings() int {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.channels
}

func TestRelay(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			media, other := echo(t), udp(t)
			s := server(t, Options{}, address(media))
			c, conn := allocation(t, s, transport)
			r := only(t, s)

			from := exchange(t, conn, media.LocalAddr(), "by indication")
			if from.String() != media.LocalAddr().String() {
				t.Errorf("from %v, want %v", from, media.LocalAddr())
			}
			becomes(t, "channels", 1, r.bindings)
			exchange(t, conn, media.LocalAddr(), "by channel")

			// The permission is for the address: the port is looked at too.
			for i := range 5 {
				if _, err := conn.WriteTo([]byte("to another port"), other.LocalAddr()); err != nil {
					t.Fatal(i, err)
				}
			}
			becomes(t, "channels", 2, r.bindings)
			if _, err := conn.WriteTo([]byte("by channel to another port"), other.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			// What comes from others is not heard, though the caller asked for their packets.
			if _, err := other.WriteTo([]byte("from another port"), r.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			becomes(t, "strangers", 7, func() int { return int(s.Stats().Strangers) })
			exchange(t, conn, media.LocalAddr(), "after them")
			quietSocket(t, other)

			for _, foreign := range []string{"127.0.0.2:1", "192.0.2.1:53", "10.0.0.1:22"} {
				if err := c.CreatePermission(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(foreign))); err == nil {
					t.Errorf("permission for %s", foreign)
				}
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
		})
	}
}

// A caller behind whose server stands a 1:1 NAT calls the media port by its public address.
func TestRelayToPublicAddress(t *testing.T) {
	media := echo(t)
	public := netip.MustParseAddr("192.0.2.7")
	s := server(t, Options{Public: []netip.Addr{public}}, address(media))
	if got := s.Servers(time.Now())[0].URLs[0]; got != fmt.Sprintf("turn:192.0.2.7:%d?transport=udp", s.Addr().Port()) {
		t.Errorf("callers are told %s", got)
	}
	_, conn := allocation(t, s, "udp")
	known := net.UDPAddrFromAddrPort(netip.AddrPortFrom(public, address(media).Port()))
	if from := exchange(t, conn, known, "to the public address"); from.String() != known.String() {
		t.Errorf("from %v, want %v", from, known)
	}
	if from := exchange(t, conn, media.LocalAddr(), "to the local one"); from.String() != media.LocalAddr().String() {
		t.Errorf("from %v, want %v", from, media.LocalAddr())
	}
	// The media port may be the first to send; it is called as it was called last.
	if _, err := media.WriteTo([]byte("first"), only(t, s).LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := conn.ReadFrom(buf); err != nil || string(buf[:n]) != "first" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

func TestRate(t *testing.T) {
	start := time.Now()
	var b bucket
	through := 0
	for i := range 4000 { // 4 s, eight times the rate
		if b.take(start.Add(time.Duration(i)*time.Millisecond), rate/125) {
			through += rate / 125
		}
	}
	if least, most := 4*rate, 5*rate; through < least || through > most {
		t.Errorf("%d bytes in 4 s, want %d to %d", through, least, most)
	}
	if !b.take(start.Add(time.Hour), rate) || b.take(start.Add(time.Hour), 1) {
		t.Error("more than a second's worth is saved up")
	}

	media := udp(t)
	s := server(t, Options{}, address(media))
	_, conn := allocation(t, s, "udp")
	text := make([]byte, 1200)
	for range rate/len(text) + 50 {
		if _, err := conn.WriteTo(text, media.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	if got := s.Stats(); got.Excess == 0 || got.Relayed == 0 {
		t.Errorf("%+v: nothing was too much", got)
	}
}

func TestAllocationsAreBounded(t *testing.T) {
	media := echo(t)
	s := server(t, Options{Allocations: perName + 2}, address(media))
	one := s.Servers(time.Now())[0]
	var conns []net.PacketConn
	for i := range perName {
		conn, err := client(t, s, "udp", one).Allocate()
		if err != nil {
			t.Fatal(i, err)
		}
		conns = append(conns, conn)
	}
	for _, transport := range transports {
		if _, err := client(t, s, transport, one).Allocate(); err == nil {
			t.Errorf("one more over %s for the same name", transport)
		}
		if _, err := client(t, s, transport, s.Servers(time.Now())[0]).Allocate(); err == nil {
			t.Errorf("one more over %s for the same address", transport)
		}
	}
	if got := s.Stats(); got.Refused != 4 || got.Allocations != perName {
		t.Errorf("%+v", got)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
	allocation(t, s, "tcp")
}

func TestAllocate(t *testing.T) {
	s := server(t, Options{Allocations: 2 * perName}, netip.MustParseAddrPort("127.0.0.1:9"))
	from := netip.MustParseAddr("127.0.0.1")
	at := func(i int) owner { return owner{"name", hostOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))} }
	for i := range 2 * perName {
		if _, _, err := s.allocate(at(i), from); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, _, err := s.allocate(at(100), from); err != errFull {
		t.Errorf("one more in total: %v", err)
	}
	for r := range s.relays { // what pion's reader does
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := r.ReadFrom(nil); err == nil {
			t.Error("a closed relay reads")
		}
	}
	for _, c := range []struct {
		turn.AllocateListenerConfig
		want error
	}{
		{turn.AllocateListenerConfig{Network: "udp4"}, errPort}, // the search for even ports
		{turn.AllocateListenerConfig{Network: "udp4", UserID: at(1).String(), RequestedPort: 4000}, errPort},
		{turn.AllocateListenerConfig{Network: "udp6", UserID: at(1).String()}, errFamily},
	} {
		if _, _, err := (generator{s}).AllocatePacketConn(c.AllocateListenerConfig); err != c.want {
			t.Errorf("%+v: %v, want %v", c.AllocateListenerConfig, err, c.want)
		}
	}
	if _, _, err := (generator{s}).AllocatePacketConn(turn.AllocateListenerConfig{Network: "udp4", UserID: "rubbish"}); err == nil {
		t.Error("a relay for nobody")
	}
	c := client(t, s, "tcp", s.Servers(time.Now())[0])
	if _, err := c.AllocateTCP(); err == nil {
		t.Error("TCP is relayed")
	}
}

func TestOwner(t *testing.T) {
	for addr, host := range map[string]string{
		"10.1.2.3": "10.1.2.3/32", "::ffff:10.1.2.3": "10.1.2.3/32", "2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		o := owner{"17:a b", hostOf(netip.MustParseAddr(addr))}
		if got, err := parseOwner(o.String()); err != nil || got != o || o.host.String() != host {
			t.Errorf("%s: %+v, %v", addr, got, err)
		}
	}
}

// Whoever binds a channel for each port of ours is not a caller.
func TestChannelsAreBounded(t *testing.T) {
	media := echo(t)
	s := server(t, Options{}, address(media))
	_, conn := allocation(t, s, "udp")
	for i := range maxChannels + 1 {
		to := netip.AddrPortFrom(address(media).Addr(), uint16(2000+i))
		if _, err := conn.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(to)); err != nil {
			t.Log(i, err) // the allocation may be gone by now
		}
	}
	becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
	if s.Stats().Refused != 1 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestUnusedAllocationIsFreed(t *testing.T) {
	media := echo(t)
	l := standard(0)
	l.idle = 400 * time.Millisecond
	s := limited(t, Options{}, l, address(media))
	_, conn := allocation(t, s, "udp")
	for range 10 {
		exchange(t, conn, media.LocalAddr(), "in use")
		time.Sleep(l.idle / 5)
	}
	if got := s.Stats().Allocations; got != 1 {
		t.Errorf("%d allocations while it is used for twice the limit", got)
	}
	becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
}

// Both families work; a machine without IPv6 shows only one.
func TestFamilies(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		media, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
		if err != nil && host == "::1" {
			t.Logf("no IPv6 here: %v", err)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer media.Close()
		reflects(media)
		s, err := Listen(Options{Addr: net.JoinHostPort(host, "0"), Media: []netip.AddrPort{address(media)}})
		if err != nil {
			t.Fatal(err)
		}
		_, conn := allocation(t, s, "tcp")
		if from := exchange(t, conn, media.LocalAddr(), "hello"); from.String() != media.LocalAddr().String() {
			t.Errorf("from %v, want %v", from, media.LocalAddr())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What is ours of a packet's way costs no memory.
func TestPacketsAllocateNothing(t *testing.T) {
	media := udp(t)
	s := server(t, Options{}, address(media))
	conn, at, err := s.allocate(owner{"name", hostOf(address(media).Addr())}, address(media).Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.ReadFrom(nil) // what pion's reader does at the end
	defer conn.Close()
	to, from := net.Addr(net.UDPAddrFromAddrPort(address(media))), plain(at.(*net.UDPAddr).AddrPort())
	packet, buf := make([]byte, 100), make([]byte, 200)
	n := testing.AllocsPerRun(50, func() {
		if _, err := conn.WriteTo(packet, to); err != nil {
			t.Error(err)
		}
		if _, _, err := media.ReadFromUDPAddrPort(buf); err != nil {
			t.Error(err)
		}
		if _, err := media.WriteToUDPAddrPort(packet, from); err != nil {
			t.Error(err)
		}
		if _, _, err := conn.ReadFrom(buf); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
