package turn

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"go.uber.org/goleak"

	"parley/media/rtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what takes milliseconds.
const patience = 10 * time.Second

// transports are the ways to the server.
var transports = []string{"udp", "tcp"}

// udp is a socket of the test's on 127.0.0.1.
func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func address(c *net.UDPConn) netip.AddrPort { return plain(c.LocalAddr().(*net.UDPAddr).AddrPort()) }

// echo is a media port that sends back what it gets.
func echo(t *testing.T) *net.UDPConn {
	t.Helper()
	c := udp(t)
	reflects(c)
	return c
}

// reflects sends back what comes until the socket is closed.
func reflects(c *net.UDPConn) {
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if _, err := c.WriteTo(buf[:n], from); err != nil {
				return
			}
		}
	}()
}

// server is a server on 127.0.0.1 that relays to media.
func server(t *testing.T, o Options, media ...netip.AddrPort) *Server {
	t.Helper()
	return limited(t, o, standard(o.Allocations), media...)
}

// limited is a server with other limits.
func limited(t *testing.T, o Options, l limits, media ...netip.AddrPort) *Server {
	t.Helper()
	o.Addr, o.Media = "127.0.0.1:0", append(o.Media, media...)
	s, err := listen(o, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client is a TURN client with these credentials, which is closed at the end of the test.
func client(t *testing.T, s *Server, transport string, with rtc.ICEServer) *turn.Client {
	t.Helper()
	var conn net.PacketConn
	if transport == "tcp" {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	} else {
		conn = udp(t)
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: s.Addr().String(), TURNServerAddr: s.Addr().String(), Conn: conn,
		Username: with.Username, Password: with.Credential, LoggerFactory: silent,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		conn.Close()
	})
	return c
}

// allocation is an allocation by a client of its own.
func allocation(t *testing.T, s *Server, transport string) (*turn.Client, net.PacketConn) {
	t.Helper()
	c := client(t, s, transport, s.Servers(time.Now())[0])
	relay, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close() })
	return c, relay
}

// becomes waits until a figure is what it should be.
func becomes(t *testing.T, what string, want int, get func() int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if get() == want {
			return
		}
	}
	t.Errorf("%s: %d, want %d", what, get(), want)
}

// gone waits until there is no allocation and no connection.
func gone(t *testing.T, s *Server) {
	t.Helper()
	becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
	becomes(t, "connections", 0, func() int { return s.Stats().Connections })
}

// exchange sends text to a place through the relay until it comes back, and returns from where.
func exchange(t *testing.T, relay net.PacketConn, to net.Addr, text string) net.Addr {
	t.Helper()
	buf := make([]byte, 2000)
	for range 20 {
		if _, err := relay.WriteTo([]byte(text), to); err != nil {
			t.Fatal(err)
		}
		if err := relay.SetReadDeadline(time.Now().Add(patience / 20)); err != nil {
			t.Fatal(err)
		}
		n, from, err := relay.ReadFrom(buf)
		if err == nil && string(buf[:n]) == text {
			return from
		}
	}
	t.Fatalf("%q does not come back from %v", text, to)
	return nil
}

// quietSocket makes sure that nothing has come to a socket. What was sent before was followed by an exchange, and on
// this machine datagrams do not overtake each other by more.
func quietSocket(t *testing.T, c *net.UDPConn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	if n, from, err := c.ReadFrom(buf); err == nil {
		t.Errorf("%q came from %v", buf[:n], from)
	}
}
