package rtc

import (
	"strings"
	"testing"
	"time"
)

// eventually waits for a counter.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func channels(t *testing.T) (in, out ran) {
	t.Helper()
	e := loopback(t, Timeouts{})
	in, out = pair(t, e, e)
	eventually(t, "open", func() bool { return out.Post([]byte("hello")) })
	eventually(t, "open", func() bool { return in.Post([]byte("welcome")) })
	for c, want := range map[*Call]string{in.Call: "hello", out.Call: "welcome"} {
		for m := range c.Messages()(t.Context()) {
			if string(m) != want {
				t.Errorf("%q, want %q", m, want)
			}
			break
		}
	}
	return in, out
}

func TestHostileMessages(t *testing.T) {
	t.Parallel()
	t.Run("binary", func(t *testing.T) {
		in, out := channels(t)
		if _, err := out.channel.out.Load().raw.WriteDataChannel([]byte{1, 2, 3}, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, "ignored", func() bool { return in.Stats().Ignored == 1 })
		if !out.Post([]byte("still here")) {
			t.Error("channel is gone")
		}
		for m := range in.Messages()(t.Context()) {
			if string(m) != "still here" {
				t.Errorf("message %q", m)
			}
			break
		}
	})
	t.Run("long", func(t *testing.T) {
		in, out := channels(t)
		full := strings.Repeat("x", messageLimit)
		if out.Post([]byte(full+"x")) || !out.Post([]byte(full)) {
			t.Error("wrong limit")
		}
		for m := range in.Messages()(t.Context()) {
			if string(m) != full {
				t.Errorf("%d bytes", len(m))
			}
			break
		}
		if _, err := out.channel.out.Load().raw.WriteDataChannel([]byte(full+full), true); err != nil {
			return // the peer's limit is kept by our own side
		}
		eventually(t, "closed", func() bool { return in.Stats().Ignored == 1 && !in.Post([]byte("x")) })
	})
	t.Run("flood", func(t *testing.T) {
		in, out := channels(t)
		posted := 0
		for range 2000 {
			if out.Post([]byte(strings.Repeat("x", 1000))) {
				posted++
			}
		}
		if n := out.Stats().DroppedPosts; n == 0 || int(n)+posted < 2000 {
			t.Errorf("%d posted, %d refused", posted, n)
		}
		eventually(t, "all there", func() bool {
			n := in.Stats()
			return int(n.DroppedMessages+n.Dropped) == posted-inboxDepth
		})
		if n := in.Stats().Dropped; int(n) > 1+posted-int(messageBounds.items.burst) { // one came before
			t.Errorf("%d of %d messages were beyond the bounds", n, posted)
		}
	})
	t.Run("many channels", func(t *testing.T) {
		in, out := channels(t)
		for i := range maxForeign + 1 {
			name := "other"
			if i%2 == 0 {
				name = Label
			}
			if _, err := out.pc.CreateDataChannel(name, nil); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, in.why(t), ErrHostile)
	})
	t.Run("a few channels", func(t *testing.T) {
		in, out := channels(t)
		dc, err := out.pc.CreateDataChannel("other", nil)
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		dc.OnOpen(func() {
			raw, err := dc.Detach()
			if err != nil {
				t.Error(err)
				return
			}
			for {
				if _, err := raw.Read(make([]byte, 100)); err != nil {
					close(gone)
					return
				}
			}
		})
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Error("other channel stays open")
		}
		if !in.Post([]byte("x")) || !out.Post([]byte("x")) {
			t.Error("our channel is gone")
		}
	})
}

// TestMessagesEnd: a reader of Messages ends with the call.
func TestMessagesEnd(t *testing.T) {
	in, out := channels(t)
	end := make(chan struct{})
	go func() {
		defer close(end)
		for range in.Messages()(t.Context()) {
		}
	}()
	out.Close()
	wantErr(t, in.why(t), ErrHangup)
	<-end
	if in.Post([]byte("x")) {
		t.Error("posted after the end")
	}
}
