package netsim

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for what should come.
const limit = 5 * time.Second

// open is a socket of loopback.
func open(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func addr(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// rig is a client, a relay and its target.
type rig struct {
	t              *testing.T
	client, target *net.UDPConn
	relay          *Relay
}

func newRig(t *testing.T, o Options) *rig {
	g := &rig{t: t, client: open(t), target: open(t)}
	o.Target = addr(g.target)
	var err error
	if g.relay, err = Listen(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.relay.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *rig) send(b ...[]byte) {
	g.t.Helper()
	for _, b := range b {
		if _, err := g.client.WriteToUDPAddrPort(b, g.relay.Addr()); err != nil {
			g.t.Fatal(err)
		}
	}
}

// receive is the next datagram; nil if none comes in time.
func receive(t *testing.T, c *net.UDPConn, within time.Duration) ([]byte, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 2000)
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	n, from, err := c.ReadFromUDPAddrPort(buf)
	if err != nil {
		return nil, from
	}
	return buf[:n], from
}

// settled waits until the relay's counters fit.
func (g *rig) settled(what string, ok func(Stats) bool) {
	g.t.Helper()
	for end := time.Now().Add(limit); !ok(g.relay.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("%s: %+v", what, g.relay.Stats())
		}
	}
}

func TestBothWays(t *testing.T) {
	g := newRig(t, Options{Profile: Profile{Base: 30 * ms}})
	began := time.Now()
	g.send([]byte{0, 1, 2})
	b, from := receive(t, g.target, limit)
	if took := time.Since(began); !bytes.Equal(b, []byte{0, 1, 2}) || took < 30*ms {
		t.Fatalf("% x after %v", b, took)
	}
	if _, err := g.target.WriteToUDPAddrPort([]byte{22, 9}, from); err != nil {
		t.Fatal(err)
	}
	b, back := receive(t, g.client, limit)
	if !bytes.Equal(b, []byte{22, 9}) || back != g.relay.Addr() {
		t.Fatalf("% x from %v", b, back)
	}
	other := open(t)
	if _, err := other.WriteToUDPAddrPort([]byte{0}, g.relay.Addr()); err != nil {
		t.Fatal(err)
	}
	if _, second := receive(t, g.target, limit); second == from {
		t.Error("two clients have one address")
	}
	g.settled("passed", func(s Stats) bool {
		return s.Up == Count{Received: 2, Sent: 2} && s.Down == Count{Received: 1, Sent: 1} && s.Clients == 2
	})
}

// The packets that are missing are those of the fate, whatever else passes and in whatever order they come.
func TestLosesTheSame(t *testing.T) {
	p := Profile{Loss: Loss{0.2, 2}}
	const n = 200
	var want []byte
	for i := range n {
		if !p.Fate(9, Up, int64(i), 0).Lost {
			want = append(want, byte(i))
		}
	}
	for _, swap := range []int{1, 2} {
		g := newRig(t, Options{Profile: p, Seed: 9})
		for i := range n {
			if i%5 == 0 {
				g.send([]byte{0, 1}) // a check between, which may get lost too
			}
			k := i/swap*swap + (swap - 1 - i%swap)
			if i == 0 || swap > 1 && i == 1 {
				k = i // the first says where numbers begin
			}
			g.send(rtp(uint16(65500+k), 77))
			if i%20 == 19 {
				time.Sleep(ms) // socket buffers
			}
		}
		g.settled("sent", func(s Stats) bool { return s.Up.Received == n+n/5 && s.Up.Sent+s.Up.Lost == s.Up.Received })
		var got []byte
		for uint64(len(got)) < g.relay.Stats().Up.Audio-g.relay.Stats().Up.AudioLost {
			b, _ := receive(t, g.target, limit)
			if b == nil {
				t.Fatal("packets that were sent did not come")
			}
			if kindOf(b) == Audio {
				got = append(got, byte(uint16(b[2])<<8+uint16(b[3])-(65500&0xFFFF)))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("pairs of %d: %d came, %d expected", swap, len(got), len(want))
		}
	}
}

func TestCut(t *testing.T) {
	g := newRig(t, Options{})
	g.relay.Cut(true)
	g.send([]byte{0}, rtp(1, 1))
	g.settled("cut", func(s Stats) bool { return s.Up.Cut == 2 && s.Up.Audio == 1 })
	g.relay.Cut(false)
	g.send([]byte{2})
	if b, _ := receive(t, g.target, limit); !bytes.Equal(b, []byte{2}) {
		t.Errorf("% x", b)
	}
}

func TestMove(t *testing.T) {
	g := newRig(t, Options{})
	g.send([]byte{0})
	_, old := receive(t, g.target, limit)
	if err := g.relay.Move(); err != nil {
		t.Fatal(err)
	}
	g.send([]byte{1})
	_, now := receive(t, g.target, limit)
	if now == old || !now.IsValid() {
		t.Fatalf("moved from %v to %v", old, now)
	}
	for _, to := range []netip.AddrPort{old, now} {
		if _, err := g.target.WriteToUDPAddrPort([]byte(to.String()), to); err != nil && to == now {
			t.Fatal(err)
		}
	}
	if b, _ := receive(t, g.client, limit); string(b) != now.String() {
		t.Errorf("%q came back", b)
	}
	if s := g.relay.Stats(); s.Clients != 1 {
		t.Errorf("%+v", s)
	}
}

func TestDrop(t *testing.T) {
	g := newRig(t, Options{})
	g.relay.Drop(DTLS|Audio, 2)
	g.send([]byte{0}, []byte{22, 1}, rtp(0, 1), []byte{22, 2}, []byte{1}, rtp(1, 1))
	g.settled("dropped", func(s Stats) bool { return s.Up.Sent == 4 && s.Up.Dropped == 2 })
	g.relay.Drop(0, 0)
	g.send([]byte{22, 3})
	g.settled("passing", func(s Stats) bool { return s.Up.Sent == 5 })
}

func TestIdleClientsAreForgotten(t *testing.T) {
	g := newRig(t, Options{Idle: 40 * ms})
	g.send([]byte{0})
	g.settled("come", func(s Stats) bool { return s.Clients == 1 })
	g.settled("gone", func(s Stats) bool { return s.Clients == 0 })
	receive(t, g.target, limit)
	g.send([]byte{1}) // and is welcome again
	if b, _ := receive(t, g.target, limit); !bytes.Equal(b, []byte{1}) {
		t.Errorf("% x", b)
	}
}

func TestClientsAreBounded(t *testing.T) {
	g := newRig(t, Options{})
	for i := range maxClients + 3 {
		c := open(t)
		if _, err := c.WriteToUDPAddrPort([]byte{0}, g.relay.Addr()); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			time.Sleep(ms)
		}
	}
	g.settled("refused", func(s Stats) bool { return s.Clients == maxClients && s.Refused == 3 })
}

func TestNobodyListens(t *testing.T) {
	g := newRig(t, Options{})
	g.target.Close()
	for range 3 {
		g.send([]byte{0})
		time.Sleep(2 * ms)
	}
	g.settled("refused by the network", func(s Stats) bool { return s.Up.Sent+s.Up.Failed == 3 && s.Clients == 1 })
}

func TestClose(t *testing.T) {
	g := newRig(t, Options{Profile: Profile{Base: time.Hour}})
	g.send([]byte{0}, []byte{1})
	g.settled("come", func(s Stats) bool { return s.Up.Received == 2 })
	g.send([]byte{2})
	for range 2 {
		if err := g.relay.Close(); err != nil {
			t.Error(err)
		}
	}
	for i := range byte(3) { // what was on its way has arrived
		if b, _ := receive(t, g.target, limit); !bytes.Equal(b, []byte{i}) {
			t.Errorf("% x", b)
		}
	}
	if err := g.relay.Move(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := open(t)
	for _, o := range []Options{
		{}, {Target: netip.MustParseAddrPort("127.0.0.1:0")},
		{Target: addr(taken), Listen: addr(taken)},
	} {
		if r, err := Listen(o); err == nil {
			r.Close()
			t.Errorf("%+v is fine", o)
		}
	}
}
