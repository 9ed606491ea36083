package rtc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/media"
)

// usage is what a leak would show in.
func usage(t *testing.T) (goroutines, files int) {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(dir)
}

// settled fails unless the process comes back to what it used before.
func settled(t *testing.T, goroutines, files int) {
	t.Helper()
	end := time.Now().Add(5 * time.Second)
	for {
		g, f := usage(t)
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(end) {
			var b strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
			t.Fatalf("%d goroutines, %d files; before %d, %d\n%s", g, f, goroutines, files, b.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// answered is a running call of a caller that may never come.
func answered(t *testing.T, server, caller *Endpoint) (in ran, out *Call, answer string) {
	t.Helper()
	out, offer, err := caller.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, answer, err := server.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	return run(t.Context(), c), out, answer
}

// TestGone has 20 callers at a time leave in each way that there is: nothing of them may stay.
func TestGone(t *testing.T) {
	slow := Timeouts{Connect: time.Minute, Vanish: time.Minute, NoMedia: time.Minute, NotReceived: time.Minute}
	never, vanish := slow, slow
	never.Connect, vanish.Vanish = 500*time.Millisecond, 900*time.Millisecond
	caller := loopback(t, Timeouts{})
	for _, c := range []struct {
		name   string
		limits Timeouts
		want   error
		call   func(t *testing.T, server *Endpoint) error
	}{
		{"offer only", never, ErrNeverConnected, func(t *testing.T, server *Endpoint) error {
			in, out, _ := answered(t, server, caller)
			out.Close() // its sockets are gone before a check is answered
			return in.why(t)
		}},
		{"silent network", never, ErrNeverConnected, func(t *testing.T, server *Endpoint) error {
			in, out, _ := answered(t, server, caller)
			defer out.Close() // its sockets are open until then, but it never has the answer
			return in.why(t)
		}},
		{"vanishes", vanish, ErrVanished, func(t *testing.T, server *Endpoint) error {
			in, out := pair(t, server, caller)
			mute(out.Call)
			return in.why(t)
		}},
		{"says goodbye", slow, ErrHangup, func(t *testing.T, server *Endpoint) error {
			in, out := pair(t, server, caller)
			out.Close()
			return in.why(t)
		}},
		{"closed twice", slow, ErrHangup, func(t *testing.T, server *Endpoint) error {
			in, _ := pair(t, server, caller)
			go in.Close()
			in.Close()
			return in.why(t)
		}},
		{"closed while it connects", slow, ErrHangup, func(t *testing.T, server *Endpoint) error {
			in, out, answer := answered(t, server, caller)
			caller := run(t.Context(), out)
			if err := out.Accept(answer); err != nil {
				t.Error(err)
			}
			in.Close()
			err := in.why(t)
			out.Close()
			_ = caller.why(t) // hung up by either side
			return err
		}},
		{"never run", slow, ErrHangup, func(t *testing.T, server *Endpoint) error {
			out, offer, err := caller.Offer(t.Context())
			if err != nil {
				return err
			}
			defer out.Close()
			in, _, err := server.Answer(t.Context(), offer)
			if err != nil {
				return err
			}
			in.Close()
			return in.Run(t.Context())
		}},
		{"canceled", slow, errStop, func(t *testing.T, server *Endpoint) error {
			out, offer, err := caller.Offer(t.Context())
			if err != nil {
				return err
			}
			defer out.Close()
			in, _, err := server.Answer(t.Context(), offer)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errStop)
			return in.Run(ctx)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := loopback(t, c.limits)
			time.Sleep(10 * time.Millisecond)
			goroutines, files := usage(t)
			t.Run("20", func(t *testing.T) {
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if err := c.call(t, server); !errors.Is(err, c.want) {
							t.Errorf("ended with %v, want %v", err, c.want)
						}
					})
				}
				all.Wait()
			})
			settled(t, goroutines, files)
		})
	}
}

var errStop = errors.New("stop")

// mute cuts the caller off the network without a goodbye.
func mute(c *Call) {
	if pair, err := c.sender.Transport().ICETransport().GetSelectedCandidatePair(); err == nil && pair != nil {
		_ = c.sender.Transport().ICETransport().Stop()
	}
}

// TestStalledTap: a reader that never reads costs nothing but its own packets.
func TestStalledTap(t *testing.T) {
	e := loopback(t, Timeouts{})
	in, out := pair(t, e, e)
	stalled := in.Up().Tap(2, media.DropOldest)
	read := in.Up().Tap(200, media.DropNewest)
	for i := range 100 {
		out.Send(media.Packet{Seq: uint16(i), Payload: []byte{0xfc, byte(i)}})
		time.Sleep(time.Millisecond)
	}
	n := 0
	for range read.All(t.Context()) {
		if n++; n == 100 {
			break
		}
	}
	if d := stalled.Dropped(); d != 98 {
		t.Errorf("%d dropped, want 98", d)
	}
}
