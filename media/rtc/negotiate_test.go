package rtc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

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
		{"other number of the keys", strings.NewReplacer(":110 ", ":101 ", " 110 ", " 101 ").Replace(offer), "", "codec stays"},
		{"the same line twice", strings.Replace(offer, "a=mid:1", "a=mid:0", 1), "", "two media lines"},
		{"other lines", strings.Replace(offer, "a=mid:1", "a=mid:2", 1), "", "do not begin with those of the call"},
		{"fewer lines", offer[:strings.Index(offer, "m=application")], "", "do not begin with those of the call"},
		{"another kind of line", strings.Replace(offer, "m=application", "m=video", 1), "", "do not begin with those of the call"},
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
		if m, where := strings.Count(got, "\nm="), strings.Count(got, "\nc="); where != m {
			t.Errorf("%s: %d lines, %d addresses", c.name, m, where)
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
		if err := f(); !errors.Is(err, ErrOver) || !errors.Is(err, ErrHangup) {
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

// TestGivenUp: who asked for a change may leave in the middle of it; the call is not left between two ICE sessions.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	in, out := pair(t, e, e)
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errStop)
	begun := 0
	for i := range 40 { // half of them are taken: the turn was free, too
		_, err := in.Patch(gone, fmt.Sprintf("a=ice-ufrag:gone%d\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", i), true)
		if err == nil {
			begun++
		} else if !errors.Is(err, errStop) {
			t.Fatal(err)
		}
		if local := in.pc.LocalDescription().SDP; !strings.Contains(local, "a=ice-ufrag:"+in.Tag()) {
			t.Fatalf("the tag is %s, the ICE session another", in.Tag())
		}
	}
	t.Logf("%d changes were made", begun)
	restart(t, in.Call, out.Call, func(s string) string { return s })
	flows(t, in.Call, out.Call)
}

// TestNegotiateAfterGoodbye: the peer's goodbye is the reason also if Run has not noticed yet.
func TestNegotiateAfterGoodbye(t *testing.T) {
	t.Parallel()
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
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	if err := in.underway(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := in.pc.Close(); err != nil { // as pion does by itself
		t.Fatal(err)
	}
	if _, err := in.Reoffer(t.Context(), offer); !errors.Is(err, ErrOver) || !errors.Is(err, ErrHangup) || errors.Is(err, ErrOffer) {
		t.Errorf("reoffer: %v", err)
	}
	if err := in.over(fmt.Errorf("%w: %w", ErrOffer, webrtc.ErrConnectionClosed)); !errors.Is(err, ErrOver) {
		t.Errorf("closed a moment ago: %v", err)
	}
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
