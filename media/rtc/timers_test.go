package rtc

import (
	"testing"
	"time"

	"parley/media"
)

// TestTimers has each timer of a connected call end it for real; the stories are TestWatch's.
func TestTimers(t *testing.T) {
	t.Parallel()
	caller := loopback(t, Timeouts{})
	t.Run("no media", func(t *testing.T) {
		t.Parallel()
		in, _ := pair(t, loopback(t, Timeouts{NoMedia: 300 * time.Millisecond}), caller)
		wantErr(t, in.why(t), ErrNoMedia)
	})
	t.Run("not received", func(t *testing.T) {
		t.Parallel()
		in, out := pair(t, loopback(t, Timeouts{NotReceived: 2 * time.Second}), caller)
		stop := make(chan struct{})
		defer close(stop)
		go feed(in.Call, media.Packet{Payload: []byte{0xfc, 0}}, stop)
		controls := in.Controls().Tap(10, media.DropNewest)
		for _, c := range controls.All(t.Context()) { // the caller reports once a second
			if c.At <= 0 || len(c.Raw) < 8 {
				t.Errorf("control %+v", c)
			}
			if c.Up {
				break
			}
		}
		eventually(t, "round trip", func() bool { s := in.Stats(); return s.RTT > 0 && s.RTT < time.Second && s.Jitter < time.Second })
		select {
		case err := <-in.end:
			t.Fatalf("ended with %v while reports come", err)
		case <-time.After(2500 * time.Millisecond):
		}
		for _, r := range out.pc.GetReceivers() { // its reports end
			_ = r.Stop()
		}
		wantErr(t, in.why(t), ErrNotReceived)
	})
}
