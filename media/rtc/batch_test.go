package rtc

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

func batchPair(t *testing.T) (*batched, net.Conn) {
	t.Helper()
	in, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	out, err := net.Dial("udp4", in.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); out.Close() })
	return newBatched(in), out
}

// Datagrams that come seldom are read as they come; those that come often are read together, all of them, in order.
func TestBatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		every time.Duration
		n     int
		most  time.Duration // wait of the median datagram
		least time.Duration
	}{
		{"seldom", 20 * time.Millisecond, 40, 2 * time.Millisecond, 0},
		{"often", 500 * time.Microsecond, 400, batchGrid + 2*time.Millisecond, time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, out := batchPair(t)
			sent := make([]atomic.Int64, c.n)
			go func() {
				start := time.Now()
				for i := range c.n {
					time.Sleep(time.Until(start.Add(time.Duration(i) * c.every)))
					sent[i].Store(time.Now().UnixNano())
					_, _ = out.Write([]byte{byte(i), byte(i >> 8)})
				}
			}()
			var waits []time.Duration
			buf := make([]byte, 100)
			for i := range c.n {
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				n, from, err := conn.ReadFromAddrPort(buf)
				if err != nil || n != 2 || int(buf[0])|int(buf[1])<<8 != i || from.Port() == 0 {
					t.Fatalf("datagram %d: %v from %v, %v", i, buf[:n], from, err)
				}
				waits = append(waits, time.Since(time.Unix(0, sent[i].Load())))
			}
			if m := median(waits[5:]); m < c.least || m > 10*c.most {
				t.Errorf("the median datagram waited %v, want %v to %v", m, c.least, c.most)
			}
			t.Logf("the median datagram waited %v", median(waits[5:]))
		})
	}
}

// TestPace: more datagrams in a batch than the kernel has room for are the end of batches for a while.
func TestPace(t *testing.T) {
	var p pace
	now := time.Now()
	read := func(after time.Duration) bool {
		began := now
		now = now.Add(after)
		p.dense = false
		p.note(began, now)
		return p.dense
	}
	for _, c := range []struct {
		name   string
		after  time.Duration
		n      int
		waited int // reads after which more was waited for
	}{
		{"two calls", 10 * time.Millisecond, 50, 0},
		{"dense", 2 * time.Millisecond, 50, 50},
		{"a batch of 300 calls", time.Microsecond, batchMost - 10, 0},
		{"dense after it", 2 * time.Millisecond, 50, 50},
		{"a flood", time.Microsecond, batchMost + 1, 0},
		{"dense after the flood", 2 * time.Millisecond, 499, 0},
		{"dense a second later", 2 * time.Millisecond, 50, 49},
	} {
		waited := 0
		for range c.n {
			if read(c.after) {
				waited++
			}
		}
		if waited != c.waited {
			t.Errorf("%s: waited for more after %d of %d, want %d", c.name, waited, c.n, c.waited)
		}
	}
}

func TestBatchedCloses(t *testing.T) {
	conn, out := batchPair(t)
	go func() {
		for range 50 {
			_, _ = out.Write([]byte{1})
			time.Sleep(time.Millisecond)
		}
		conn.Close()
	}()
	buf := make([]byte, 10)
	for {
		if _, _, err := conn.ReadFromAddrPort(buf); err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			return
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
