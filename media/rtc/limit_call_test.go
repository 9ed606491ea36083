package rtc

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/media"
)

// hammer calls hit n times a second, at absolute times, until ctx ends.
func hammer(ctx context.Context, n int, hit func(i int)) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start, i := time.Now(), 0; ctx.Err() == nil; <-tick.C {
		for ; float64(i) < time.Since(start).Seconds()*float64(n); i++ {
			hit(i)
		}
	}
}

// lateness is how much later than 20 ms after the one before packets of the call come: the median and p99 of n.
func lateness(t *testing.T, c *Call, n int) (median, p99 time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*4*media.FrameDuration)
	defer cancel()
	var late []time.Duration
	var before time.Duration
	for _, p := range c.Up().Tap(100, media.DropNewest).All(ctx) {
		if before > 0 {
			late = append(late, max(0, p.At-before-media.FrameDuration))
		}
		before = p.At
		if len(late) == n {
			break
		}
	}
	if len(late) < n {
		t.Fatalf("only %d packets came", len(late))
	}
	slices.Sort(late)
	return late[n/2], late[n*99/100]
}

// TestFlooders: a peer that sends thirty times the packets, one that sends a thousand messages a second, and a stranger who
// throws datagrams of 64 KB at the port: the first two are sent away, and another call on the port hardly notices.
func TestFlooders(t *testing.T) {
	server, caller := loopback(t, Timeouts{}), endpoint(t, Options{})
	victim, _ := talking(t, server, caller)
	quietMedian, quiet := lateness(t, victim.Call, 50)

	ctx, stop := context.WithCancel(t.Context())
	var flooders sync.WaitGroup
	defer flooders.Wait()
	defer stop()
	packets, packeteer := pair(t, server, caller)
	flooders.Go(func() {
		payload := make([]byte, 80)
		hammer(ctx, 1500, func(i int) { // ten times is TestFlood's: it takes longer
			packeteer.Send(media.Packet{Seq: uint16(i), Time: uint32(i) * 960, Payload: payload})
		})
	})
	messages, poster := pair(t, server, caller)
	eventually(t, "open", poster.Open)
	flooders.Go(func() {
		hammer(ctx, 1000, func(int) { poster.Post([]byte(`{"type":"text","text":"hello"}`)) })
	})
	stranger, err := net.Dial("udp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	flooders.Go(func() {
		big := make([]byte, 65507)
		big[0] = 0x80 // RTP, by its looks
		hammer(ctx, 500, func(int) { _, _ = stranger.Write(big) })
	})

	start := time.Now()
	loudMedian, loud := lateness(t, victim.Call, 100)
	for name, c := range map[string]ran{"packets": packets, "messages": messages} {
		wantErr(t, c.why(t), ErrHostile)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: sent away after %v", name, d)
		}
		if c.Stats().Dropped == 0 {
			t.Errorf("%s: nothing dropped", name)
		}
		t.Logf("%s: after %v, %+v", name, time.Since(start).Round(time.Millisecond), c.Stats())
	}
	t.Logf("lateness of another call: median %v, p99 %v; without the flood %v, %v", loudMedian, loud, quietMedian, quiet)
	if loudMedian > quietMedian+5*time.Millisecond || loud > quiet+100*time.Millisecond {
		t.Errorf("another call is late: median %v, p99 %v; without the flood %v, %v", loudMedian, loud, quietMedian, quiet)
	}
	if s := victim.Stats(); s.Dropped != 0 {
		t.Errorf("the other call lost: %+v", s)
	}
	select {
	case err := <-victim.end:
		t.Errorf("the other call ended: %v", err)
	default:
	}
}
