package rtc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/media"
)

// TestReoffer renegotiates a call: on hold in each direction and back, with lines added, and offers of another call.
func TestReoffer(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	out, offer, err := e.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, answer, err := e.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	a, o := run(t.Context(), in), run(t.Context(), out)
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() { feed(out, media.Packet{Payload: []byte{0xfc, 0}}, stop) })
	feeding.Go(func() { feed(in, media.Packet{Payload: []byte{0xfc, 0}}, stop) })
	connected(t, in)
	tag := in.Tag()
	hold := func(d string) string { return strings.Replace(offer, "a=sendrecv", "a="+d, 1) }
	const second = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:5\r\na=rtpmap:111 opus/48000/2\r\na=sendrecv\r\n"
	const video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:6\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n"
	for _, c := range []struct {
		name, offer string
		lines       string // of the answer
		says        string // of the error
	}{
		{"as it was", offer, "audio sendrecv, application sendrecv", ""},
		{"on hold", hold("sendonly"), "audio recvonly, application sendrecv", ""},
		{"back", offer, "audio sendrecv, application sendrecv", ""},
		{"muted", hold("recvonly"), "audio sendonly, application sendrecv", ""},
		{"both", hold("inactive"), "audio inactive, application sendrecv", ""},
		{"no direction", strings.Replace(offer, "a=sendrecv\r\n", "", 1), "audio sendrecv, application sendrecv", ""},
		{"more lines", offer + second + video, "audio sendrecv, application sendrecv, audio rejected, video rejected", ""},
		{"more lines again", offer + second + video, "audio sendrecv, application sendrecv, audio rejected, video rejected", ""},
		{"other codec", strings.ReplaceAll(offer, "opus/48000/2", "speex/48000/2"), "", "codec stays"},
		{"other number", strings.NewReplacer(":111 ", ":96 ", "SAVPF 111", "SAVPF 96").Replace(offer), "", "codec stays"},
		{"other certificate", strings.Replace(offer, "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:", 1), "", "another peer connection"},
		{"other line", strings.Replace(offer, "a=mid:", "a=mid:x", 1), "", "first audio line"},
		{"no credentials", strings.ReplaceAll(offer, "a=ice-ufrag", "a=x"), "", "ICE credentials"},
		{"disabled", strings.Replace(offer, "m=audio 9", "m=audio 0", 1), "", "disabled"},
		{"nonsense", "hello", "", "cannot be read"},
	} {
		got, err := in.Reoffer(t.Context(), c.offer)
		if c.says != "" {
			if !errors.Is(err, ErrOffer) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v; want %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if l := strings.Join(lines(t, got), ", "); l != c.lines {
			t.Errorf("%s: answered %q, want %q", c.name, l, c.lines)
		}
		sends := strings.HasPrefix(c.lines, "audio send")
		sent, unsent := in.Stats().Sent, in.Stats().Unsent
		eventually(t, c.name, func() bool {
			s := in.Stats()
			return sends && s.Sent > sent+2 || !sends && s.Unsent > unsent+2
		})
	}
	if in.Tag() != tag {
		t.Error("the ICE session changed")
	}
	close(stop)
	feeding.Wait()
	flows(t, in, out)
	out.Close()
	_, _ = a.why(t), o.why(t)
	for name, f := range map[string]func() error{
		"reoffer": func() error { _, err := in.Reoffer(t.Context(), offer); return err },
		"restart": func() error { _, err := out.Restart(t.Context()); return err },
		"accept":  func() error { return out.Accept(answer) },
	} {
		if err := f(); !errors.Is(err, ErrHangup) {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
}

// TestHold: a peer that said it sends nothing may be silent for as long as it likes; when it comes back it has all of
// its time.
func TestHold(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{NoMedia: 400 * time.Millisecond})
	out, offer, err := loopback(t, Timeouts{}).Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, answer, err := e.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Reoffer(t.Context(), strings.Replace(offer, "a=sendrecv", "a=inactive", 1)); err != nil {
		t.Fatal(err)
	}
	a, o := run(t.Context(), in), run(t.Context(), out)
	connected(t, in)
	select {
	case err := <-a.end:
		t.Fatalf("ended on hold: %v", err)
	case <-time.After(time.Second):
	}
	start := in.Now()
	if _, err := in.Reoffer(t.Context(), offer); err != nil {
		t.Fatal(err)
	}
	wantErr(t, a.why(t), ErrNoMedia)
	if d := in.Now() - start; d < 300*time.Millisecond {
		t.Errorf("ended %v after it was taken from hold", d)
	}
	out.Close()
	_ = o.why(t)
}

// TestSides: each side of a call negotiates as its role has it, one at a time.
func TestSides(t *testing.T) {
	e := loopback(t, Timeouts{})
	out, offer, err := e.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, answer, err := e.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.Restart(t.Context()); err == nil {
		t.Error("the answering side restarted")
	}
	if _, err := out.Reoffer(t.Context(), offer); err == nil {
		t.Error("the offering side answered")
	}
	if in.Tag() == "" || out.Tag() == "" || in.Tag() == out.Tag() {
		t.Errorf("tags %q and %q", in.Tag(), out.Tag())
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	in.talk.turn <- struct{}{} // somebody negotiates
	if _, err := in.Reoffer(ctx, offer); !errors.Is(err, errStop) {
		t.Errorf("waited: %v", err)
	}
	<-in.talk.turn
	if err := out.Accept(answer); err != nil {
		t.Error(err)
	}
	if err := out.Accept(answer); !errors.Is(err, ErrAnswer) {
		t.Errorf("accepted twice: %v", err)
	}
}
