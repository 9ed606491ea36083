package rtc

import (
	"context"
	"errors"
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/media"
)

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // the parallel ones wait more than they compute; the command line comes after it
	goleak.VerifyTestMain(m)
}

func endpoint(t *testing.T, o Options) *Endpoint {
	t.Helper()
	o.Loopback = true
	e, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// loopback is an endpoint that answers on 127.0.0.1.
func loopback(t *testing.T, limits Timeouts) *Endpoint {
	return endpoint(t, Options{Addr: "127.0.0.1:0", Timeouts: limits})
}

// ran is a call whose Run goes on.
type ran struct {
	*Call
	end chan error
}

func run(ctx context.Context, c *Call) ran {
	r := ran{c, make(chan error, 1)}
	go func() { r.end <- c.Run(ctx) }()
	return r
}

// why waits for the end of Run.
func (r ran) why(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.end:
		return err
	case <-time.After(20 * time.Second):
		t.Error("Run does not end")
		return nil
	}
}

// pair connects a caller to a server, both running until the end of the test.
func pair(t testing.TB, server, caller *Endpoint) (answering, offering ran) {
	t.Helper()
	ctx := t.Context()
	out, offer, err := caller.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	offering = run(ctx, out)
	in, answer, err := server.Answer(ctx, offer)
	if err != nil {
		out.Close()
		t.Fatal(err)
	}
	answering = run(ctx, in)
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		out.Close()
		in.Close()
	})
	for _, c := range []*Call{in, out} {
		select {
		case <-c.Connected():
		case <-time.After(20 * time.Second):
			t.Error("not connected") // Fatal is for the test's own goroutine
		}
	}
	return answering, offering
}

// feed sends a packet every 20 ms until stop is closed.
func feed(c *Call, first media.Packet, stop <-chan struct{}) {
	tick := time.NewTicker(media.FrameDuration)
	defer tick.Stop()
	for p := first; ; p.Seq++ {
		c.Send(p)
		p.Time += 960
		p.Marker = false
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("ended with %v, want %v", got, want)
	}
}

// allocations is how many f makes, each time. The runtime counts those of the whole process: what ends from the tests before
// may add to some of the tries, but not to all of them.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(100, f)
	for range 9 {
		least = min(least, testing.AllocsPerRun(100, f))
	}
	return least
}
