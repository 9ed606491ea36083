package turn

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// files is how many files and sockets this process has open.
func files(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestCloseFreesAll(t *testing.T) {
	media := echo(t)
	before := files(t)
	s, err := Listen(Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{address(media)}})
	if err != nil {
		t.Fatal(err)
	}
	var clients []func()
	for _, transport := range []string{"udp", "tcp", "udp", "tcp"} {
		c := client(t, s, transport, s.Servers(time.Now())[0])
		conn, err := c.Allocate()
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, conn, media.LocalAddr(), "hello")
		clients = append(clients, c.Close, func() { conn.Close() }) // its goodbye may find nobody
	}
	idle, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	becomes(t, "connections", 3, func() int { return s.Stats().Connections })
	during := files(t)
	began := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if got := s.Stats(); got.Allocations != 0 || got.Connections != 0 {
		t.Errorf("%+v", got)
	}
	// Ours: a UDP socket, a listener, three connections, four relays. The clients' five are still open.
	if after := files(t); during-after != 9 || after != before+5 {
		t.Errorf("%d files, %d during, %d after", before, during, after)
	}
	for _, end := range clients {
		end()
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("it still takes connections")
	}
}

func TestListen(t *testing.T) {
	media := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}
	taken := udp(t)
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Addr: "127.0.0.1:0"}, "relay to no media address"},
		{Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}, "not an address and a port"},
		{Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{{}}}, "not an address and a port"},
		{Options{Addr: "nowhere", Media: media}, `listen on "nowhere"`},
		{Options{Addr: "192.0.2.1:0", Media: media}, `listen on "192.0.2.1:0"`},
		{Options{Addr: taken.LocalAddr().String(), Media: media}, "address already in use"},
		{Options{Addr: "127.0.0.1:0", Media: media, Public: []netip.Addr{netip.IPv4Unspecified()}}, "tell callers address 0.0.0.0"},
		{Options{Addr: "127.0.0.1:0", Media: media, Public: []netip.Addr{{}}}, "tell callers address"},
	} {
		before := files(t)
		c.o.Secret = []byte("north")
		s, err := Listen(c.o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "north") {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
		if after := files(t); after != before {
			t.Errorf("%+v: %d files, %d after", c.o, before, after)
		}
	}
}

func TestEveryAddress(t *testing.T) {
	s, err := Listen(Options{Addr: ":0", Media: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:9")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	hosts, err := expand(netip.IPv4Unspecified())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Servers(time.Now())[0].URLs; len(got) != 2*min(len(hosts), maxTold) {
		t.Errorf("callers are told %q; this machine has %v", got, hosts)
	}
	for _, h := range hosts {
		if h.Is6() || s.places.local[netip.AddrPortFrom(h, 9)] == (netip.AddrPort{}) {
			t.Errorf("%v is no media address", h)
		}
		c, err := net.Dial("tcp", netip.AddrPortFrom(h, s.Addr().Port()).String())
		if err != nil {
			t.Error(err)
			continue
		}
		c.Close()
	}
	if !s.permit(nil, net.IPv4(127, 0, 0, 1)) {
		t.Error("the loopback address is no media address")
	}
}

func TestURLs(t *testing.T) {
	hosts := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1%eth0"), netip.MustParseAddr("192.0.2.3")}
	want := []string{
		"turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp",
		"turn:[2001:db8::1]:3478?transport=udp", "turn:[2001:db8::1]:3478?transport=tcp",
	}
	got := urls(hosts, 3478)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, want %q", got, want)
	}
	for _, u := range got {
		if err := checkURL(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	addrs := func(texts ...string) (all []netip.Addr) {
		for _, s := range texts {
			all = append(all, netip.MustParseAddr(s))
		}
		return all
	}
	media := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:7882"), netip.MustParseAddrPort("10.0.0.6:7882"), netip.MustParseAddrPort("[2001:db8::5]:7882")}
	p, err := newPlaces(media, addrs("192.0.2.1", "2001:db8::1"))
	if err != nil {
		t.Fatal(err)
	}
	for as, local := range map[string]string{
		"10.0.0.5:7882": "10.0.0.5:7882", "10.0.0.6:7882": "10.0.0.6:7882", "192.0.2.1:7882": "10.0.0.5:7882",
		"[2001:db8::5]:7882": "[2001:db8::5]:7882", "[2001:db8::1]:7882": "[2001:db8::5]:7882",
		"192.0.2.1:7883": "invalid AddrPort", "10.0.0.7:7882": "invalid AddrPort",
	} {
		if got := p.local[netip.MustParseAddrPort(as)].String(); got != local {
			t.Errorf("%s is %s, want %s", as, got, local)
		}
	}
	for local, as := range map[string]string{"10.0.0.5:7882": "192.0.2.1:7882", "10.0.0.6:7882": "10.0.0.6:7882"} {
		if got := p.names[netip.MustParseAddrPort(local)].String(); got != as {
			t.Errorf("%s is called %s, want %s", local, got, as)
		}
	}
	if len(p.hosts) != 5 || len(p.from) != 3 {
		t.Errorf("%v, %v", p.hosts, p.from)
	}
}

// ended waits until the server has closed a connection.
func ended(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("%s: the connection stays", what)
	}
}

func TestUselessConnections(t *testing.T) {
	s := server(t, Options{Allocations: perName}, netip.MustParseAddrPort("127.0.0.1:9"))
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	binding := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, make([]byte, 12)...)
	for what, text := range map[string][]byte{
		"not TURN":      []byte("GET / HTTP/1.1\r\n\r\n"),
		"a large frame": {0x40, 0, 0xff, 0xff, 1, 2, 3, 4},
		"a TLS hello":   {0x80, 3, 1, 2, 0, 1, 0, 1},
		"no cookie":     make([]byte, 20),
	} {
		c := dial()
		if _, err := c.Write(text); err != nil {
			t.Fatal(err)
		}
		ended(t, what, c)
	}
	// Byte by byte is slow, and right.
	c := dial()
	for _, b := range binding {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	answer := make([]byte, 20)
	if _, err := io.ReadFull(c, answer); err != nil || !bytes.Equal(answer[:2], []byte{1, 1}) {
		t.Errorf("%x, %v", answer, err)
	}
	becomes(t, "connections", 1, func() int { return s.Stats().Connections })
	for range perName - 1 {
		dial()
	}
	becomes(t, "connections", perName, func() int { return s.Stats().Connections })
	ended(t, "one more", dial())
	if got := s.Stats().Refused; got != 1 {
		t.Errorf("%d refused", got)
	}
}

func TestConnectionWithoutAllocation(t *testing.T) {
	media := echo(t)
	l := standard(0)
	l.useless = 300 * time.Millisecond
	s := limited(t, Options{}, l, address(media))
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, conn := allocation(t, s, "tcp")
	ended(t, "without an allocation", c)
	time.Sleep(l.useless)
	exchange(t, conn, media.LocalAddr(), "after that time")
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	gone(t, s)
}

// A caller that does not read what is sent to it loses its connection, and nobody waits for it.
func TestCallerThatDoesNotRead(t *testing.T) {
	l := standard(0)
	l.take = 500 * time.Millisecond
	s := limited(t, Options{}, l, address(udp(t)))
	ours, theirs := tcpPair(t)
	stream := s.admit(ours)
	if stream == nil {
		t.Fatal("not admitted")
	}
	frame := make([]byte, 1200)
	began := time.Now()
	for {
		if _, err := stream.Write(frame); err != nil {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("it takes everything")
		}
	}
	if took := time.Since(began); took < l.take/2 {
		t.Errorf("given up after %v", took)
	}
	if err := ignoreClosed(stream.Close()); err != nil {
		t.Error(err)
	}
	ended(t, "after the timeout", theirs)
}

func tcpPair(t *testing.T) (ours *net.TCPConn, theirs net.Conn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	if ours, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0x40, 1, 0, 0})
	f.Add([]byte{0x40, 0, 0xff, 0xfd, 1})
	f.Fuzz(func(t *testing.T, all []byte) {
		in, taken := bufio.NewReaderSize(bytes.NewReader(all), 64), 0
		p := make([]byte, 100)
		for {
			n, err := readFrame(in, p)
			if err != nil {
				return
			}
			if n < 4 || n > len(p) || !bytes.Equal(p[:n], all[taken:taken+n]) {
				t.Fatalf("frame of %d bytes at %d", n, taken)
			}
			taken += n
		}
	})
}
