package rtc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/media"
)

// forwarder is a path to a UDP port that can be cut.
type forwarder struct {
	front, back *net.UDPConn // towards the caller and the server
	cut         atomic.Bool
	caller      atomic.Pointer[netip.AddrPort] // who sent last
	checks      atomic.Int64                   // STUN datagrams, both ways
}

func forward(t *testing.T, to netip.AddrPort) *forwarder {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{front: front, back: back}
	var both sync.WaitGroup
	both.Go(func() {
		f.copy(front, func(b []byte, from netip.AddrPort) {
			f.caller.Store(&from)
			_, _ = back.Write(b)
		})
	})
	both.Go(func() {
		f.copy(back, func(b []byte, _ netip.AddrPort) {
			if to := f.caller.Load(); to != nil {
				_, _ = front.WriteToUDPAddrPort(b, *to)
			}
		})
	})
	t.Cleanup(func() { front.Close(); back.Close(); both.Wait() })
	return f
}

func (f *forwarder) copy(from *net.UDPConn, send func([]byte, netip.AddrPort)) {
	buf := make([]byte, 2000)
	for {
		n, who, err := from.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && !f.cut.Load() {
			if n > 0 && buf[0] < 4 {
				f.checks.Add(1)
			}
			send(buf[:n], who)
		}
	}
}

var bareCandidates = regexpDelete(`(?m)^a=(candidate|end-of-candidates).*\r\n`)

// through has an answer name the forwarder's port. It is put in the place of a candidate that may have gone.
func (f *forwarder) through(answer string) string {
	line := fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host\r\n", f.front.LocalAddr().(*net.UDPAddr).Port)
	return regexp.MustCompile(`(?m)^(a=mid:.*\r\n)`).ReplaceAllString(bareCandidates(answer), "${1}"+line)
}

// by connects a caller by way of the forwarder alone.
func by(t *testing.T, f *forwarder, server, caller *Endpoint) (in, out ran) {
	t.Helper()
	c, offer, err := caller.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out = run(t.Context(), c)
	a, answer, err := server.Answer(t.Context(), bareCandidates(offer))
	if err != nil {
		c.Close()
		t.Fatal(err)
	}
	in = run(t.Context(), a)
	if err := c.Accept(f.through(answer)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); c.Close() })
	connected(t, a, c)
	return in, out
}

// restart is what a page does when its network has changed.
func restart(t *testing.T, in, out *Call, route func(string) string) {
	t.Helper()
	offer, err := out.Restart(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := in.Reoffer(t.Context(), bareCandidates(offer))
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Accept(route(answer)); err != nil {
		t.Fatal(err)
	}
}

// next waits for a change of the path.
func next(t *testing.T, c *Call) Path {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for p := range c.Paths()(ctx) {
		return p
	}
	t.Fatal("no change of the path")
	return Path{}
}

// TestCut has a path be cut and come back, at less than half of the usual times: 4 s are a radio gap of ten, 8 s the
// most that a page bridges by itself.
func TestCut(t *testing.T) {
	t.Parallel()
	limits := Timeouts{Vanish: 6 * time.Second}
	begin := func(t *testing.T) (f *forwarder, in, out ran, p media.Packet) {
		t.Parallel()
		server, caller := loopback(t, limits), endpoint(t, Options{})
		f = forward(t, server.Addr())
		in, out = by(t, f, server, caller)
		stop := make(chan struct{})
		t.Cleanup(func() { close(stop) })
		go feed(out.Call, media.Packet{Payload: []byte{0xfc, 0}}, stop)
		go feed(in.Call, media.Packet{Payload: []byte{0xfc, 0}}, stop)
		return f, in, out, first(t, in.Up().Tap(1000, media.DropOldest))
	}
	lose := func(t *testing.T, f *forwarder, in ran) Path {
		at := in.Now()
		f.cut.Store(true)
		p := next(t, in.Call)
		if p.Up || p.Since > p.At || p.At-at > 4*time.Second || (p.Since-at).Abs() > 500*time.Millisecond {
			t.Errorf("cut at %v: %+v", at, p)
		}
		return p
	}
	t.Run("comes back by itself", func(t *testing.T) {
		f, in, _, _ := begin(t)
		was := lose(t, f, in)
		time.Sleep(4*time.Second - (in.Now() - was.Since))
		f.cut.Store(false)
		if p := next(t, in.Call); !p.Up || p.Since != was.Since || p.At <= was.At {
			t.Errorf("%+v after %+v", p, was)
		}
		comes(t, in.Up().Tap(100, media.DropOldest), 5, 111)
	})
	t.Run("comes back by a restart", func(t *testing.T) {
		f, in, out, before := begin(t)
		tag := in.Tag()
		was := lose(t, f, in)
		for in.Now()-was.Since < 8*time.Second {
			time.Sleep(100 * time.Millisecond)
			in.Alive()
			out.Alive()
		}
		again := forward(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), f.back.RemoteAddr().(*net.UDPAddr).AddrPort().Port()))
		restart(t, in.Call, out.Call, again.through)
		if p := next(t, in.Call); !p.Up || p.Since != was.Since {
			t.Errorf("%+v after %+v", p, was)
		}
		if in.Tag() == tag || in.Tag() == "" {
			t.Errorf("tag %q after %q", in.Tag(), tag)
		}
		p := first(t, in.Up().Tap(100, media.DropOldest))
		if p.SSRC != before.SSRC || p.Seq <= before.Seq || p.Time <= before.Time || p.At < was.Since+8*time.Second {
			t.Errorf("goes on with %+v after %+v", p, before)
		}
	})
	t.Run("vanishes", func(t *testing.T) {
		f, in, _, _ := begin(t)
		was := lose(t, f, in)
		wantErr(t, in.why(t), ErrVanished)
		if d := in.Now() - was.Since; d < 5900*time.Millisecond || d > 9*time.Second {
			t.Errorf("vanished after %v", d)
		}
	})
}

func first(t *testing.T, tap *media.Tap[media.Packet]) media.Packet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, p := range tap.All(ctx) {
		return p
	}
	t.Fatal("no packet")
	return media.Packet{}
}

// TestPathsForgotten: who does not read changes of the path has the last ones.
func TestPathsForgotten(t *testing.T) {
	c := &Call{signals: signals{paths: make(chan Path, pathDepth)}}
	for i := range 3 * pathDepth {
		c.tell(Path{At: time.Duration(i)})
	}
	close(c.signals.paths)
	at := time.Duration(2 * pathDepth)
	for p := range c.Paths()(t.Context()) {
		if p.At != at {
			t.Errorf("change %d, want %d", p.At, at)
		}
		at++
	}
	if at != 3*pathDepth {
		t.Errorf("read up to %d", at)
	}
}

// TestRestarts restarts ICE in every state of a call, with UDP and TCP.
func TestRestarts(t *testing.T) {
	t.Parallel()
	same := func(s string) string { return s }
	server := endpoint(t, Options{Addr: "127.0.0.1:0", TCP: true})
	for name, caller := range map[string]*Endpoint{"udp": endpoint(t, Options{}), "tcp": endpoint(t, Options{Network: "tcp"})} {
		t.Run(name+" in a row", func(t *testing.T) {
			t.Parallel()
			in, out := pair(t, server, caller)
			for range 4 {
				restart(t, in.Call, out.Call, same)
				flows(t, in.Call, out.Call)
			}
			if name == "tcp" {
				return // a dial of pion's own caller that is under way at a restart is taken for one of the next session
			}
			restart(t, in.Call, out.Call, same)
			restart(t, in.Call, out.Call, same)
			flows(t, in.Call, out.Call)
		})
		t.Run(name+" before the answer", func(t *testing.T) {
			t.Parallel()
			in, out, _ := answered(t, server, caller)
			r := run(t.Context(), out)
			restart(t, in.Call, out, same)
			connected(t, in.Call)
			flows(t, in.Call, out)
			out.Close()
			_, _ = r.why(t), in.why(t)
		})
		t.Run(name+" while it connects", func(t *testing.T) {
			t.Parallel()
			in, out, answer := answered(t, server, caller)
			r := run(t.Context(), out)
			if err := out.Accept(bareCandidates(answer)); err != nil { // it cannot connect
				t.Fatal(err)
			}
			restart(t, in.Call, out, same)
			connected(t, in.Call)
			flows(t, in.Call, out)
			out.Close()
			_, _ = r.why(t), in.why(t)
		})
		t.Run(name+" that nobody answers", func(t *testing.T) {
			t.Parallel()
			in, out := pair(t, server, caller)
			for range 3 {
				if _, err := out.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			restart(t, in.Call, out.Call, same)
			flows(t, in.Call, out.Call)
		})
	}
}

// TestKeepalive: how often the path is checked. Packets that flow do not spare the checks: pion takes them for consent
// (RFC 7675).
func TestKeepalive(t *testing.T) {
	t.Parallel()
	server, caller := loopback(t, Timeouts{}), endpoint(t, Options{})
	f := forward(t, server.Addr())
	in, out := by(t, f, server, caller)
	stop := make(chan struct{})
	defer close(stop)
	count := func() int64 {
		before := f.checks.Load()
		time.Sleep(2400 * time.Millisecond)
		return f.checks.Load() - before
	}
	silent := count()
	go feed(in.Call, media.Packet{Payload: []byte{0xfc, 0}}, stop)
	go feed(out.Call, media.Packet{Payload: []byte{0xfc, 0}}, stop)
	spoken := count()
	t.Logf("%d checks in 2.4 s of silence, %d of speech", silent, spoken)
	for _, n := range []int64{silent, spoken} { // three of each side, and their answers
		if n < 4 || n > 24 {
			t.Errorf("%d checks in 2.4 s", n)
		}
	}
}

// TestPostsThroughRestarts: what is written while ICE restarts may be lost, but ends nothing.
func TestPostsThroughRestarts(t *testing.T) {
	t.Parallel()
	server, caller := loopback(t, Timeouts{}), endpoint(t, Options{})
	in, out := pair(t, server, caller)
	eventually(t, "open", func() bool { return in.Open() && out.Open() })
	stop := make(chan struct{})
	var posting sync.WaitGroup
	posting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Microsecond):
				in.Post([]byte("x"))
			}
		}
	})
	for range 40 {
		restart(t, in.Call, out.Call, func(s string) string { return s })
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	posting.Wait()
	flows(t, in.Call, out.Call)
	if !in.Open() || !out.Open() {
		t.Error("the data channel is gone")
	}
}
