package rtc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestGoodbye: from the caller's hanging up until nothing is left of the call on the server.
func TestGoodbye(t *testing.T) {
	const limit = 100 * time.Millisecond
	server, caller := loopback(t, Timeouts{}), endpoint(t, Options{})
	var took []time.Duration
	for range 20 {
		in, out := pair(t, server, caller)
		start := time.Now()
		out.Close()
		wantErr(t, in.why(t), ErrHangup)
		took = append(took, time.Since(start))
		wantErr(t, out.why(t), ErrHangup)
	}
	slices.Sort(took)
	t.Logf("median %v, longest %v", took[10], took[19])
	if took[10] > limit || took[19] > 10*limit {
		t.Errorf("median %v, longest %v", took[10], took[19])
	}
}

// TestCloseWhile closes calls while something goes on in them: it does not hang, and what went on ends with an error.
func TestCloseWhile(t *testing.T) {
	server, caller := loopback(t, Timeouts{}), endpoint(t, Options{})
	deaf := endpoint(t, Options{Servers: []ICEServer{{URLs: []string{"stun:" + silent(t)}}}}) // its search for candidates takes long
	for _, c := range []struct {
		name string
		do   func(in, out *Call, offer string) error
		want error
	}{
		{"answers", func(in, _ *Call, offer string) error { _, err := in.Reoffer(t.Context(), offer); return err }, ErrHangup},
		{"restarts by fragment", func(in, _ *Call, _ string) error {
			_, err := in.Patch(t.Context(), fmt.Sprintf("a=ice-ufrag:n%09d\r\na=ice-pwd:abcdefabcdefabcdefabcdef\r\n", in.Now()), true)
			return err
		}, ErrHangup},
		{"restarts", func(_, out *Call, _ string) error { _, err := out.Restart(t.Context()); return err }, ErrHangup},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range 10 {
				in, out := pair(t, server, caller)
				offer, err := out.Restart(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() {
					for {
						if err := c.do(in.Call, out.Call, offer); err != nil {
							done <- err
							return
						}
					}
				}()
				time.Sleep(time.Duration(i) * time.Millisecond)
				in.Close()
				out.Close()
				_, _ = in.why(t), out.why(t)
				if err := <-done; !errors.Is(err, c.want) {
					t.Errorf("ended with %v", err)
				}
			}
		})
	}
	t.Run("gathers", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(errStop) })
		if _, _, err := deaf.Offer(ctx); !errors.Is(err, errStop) {
			t.Errorf("offered: %v", err)
		}
	})
	t.Run("gathers again", func(t *testing.T) {
		in, out := pair(t, server, caller)
		old := out.pc.GetConfiguration()
		old.ICEServers = deaf.servers
		if err := out.pc.SetConfiguration(old); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, out.Close)
		start := time.Now()
		if _, err := out.Restart(t.Context()); !errors.Is(err, ErrHangup) {
			t.Errorf("restarted: %v", err)
		}
		wantErr(t, out.why(t), ErrHangup)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		in.Close()
		_ = in.why(t)
	})
}

// silent is a UDP address that never answers.
func silent(t *testing.T) string {
	f := forward(t, loopback(t, Timeouts{}).Addr())
	f.cut.Store(true)
	return f.front.LocalAddr().String()
}
