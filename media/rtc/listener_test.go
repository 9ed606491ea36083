package rtc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// supervisor is a peer of ours that listens: a plain pion connection with two recvonly lines.
type supervisor struct {
	pc   *webrtc.PeerConnection
	hear [2]chan rtp.Packet // the newest packets of each line
}

// supervise makes the supervisor and its offer, without candidates: it is found by its own checks.
func supervise(t testing.TB) (*supervisor, string) {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	v := &supervisor{pc: pc, hear: [2]chan rtp.Packet{make(chan rtp.Packet, 500), make(chan rtp.Packet, 500)}}
	recv := webrtc.RTPTransceiverInit{Direction: recvonly}
	for range 2 {
		if _, err := pc.AddTransceiverFromKind(audio, recv); err != nil {
			t.Fatal(err)
		}
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		line := 0
		if r == pc.GetTransceivers()[1].Receiver() {
			line = 1
		}
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case v.hear[line] <- *p:
			default:
			}
		}
	})
	if _, err := pc.CreateDataChannel(Label, nil); err != nil {
		t.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return v, pc.LocalDescription().SDP
}

func (s *supervisor) accept(t testing.TB, answer string) {
	t.Helper()
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Error(err)
	}
}

// listening is a listener whose Run goes on.
type listening struct {
	*Listener
	*supervisor
	end chan error
}

func listenTo(t testing.TB, ctx context.Context, e *Endpoint, from *Call) listening {
	t.Helper()
	s, offer := supervise(t)
	l, answer, err := e.AnswerListener(ctx, offer, from)
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- l.Run(ctx) }()
	t.Cleanup(l.Close)
	s.accept(t, answer)
	select {
	case <-l.Connected():
	case <-time.After(20 * time.Second):
		t.Fatal("listener does not connect")
	}
	return listening{l, s, end}
}

func (l listening) why(t *testing.T) error {
	t.Helper()
	return ran{end: l.end}.why(t)
}

// hears takes n packets of each line, in order, and checks that they are the voice's: its payload, and steps of one
// packet and 20 ms.
func (l listening) hears(t *testing.T, n int, payloads ...string) {
	t.Helper()
	for line, want := range payloads {
		var before *rtp.Packet
		for range n {
			select {
			case p := <-l.hear[line]:
				if string(p.Payload) != want {
					t.Fatalf("line %d: payload %q, want %q", line, p.Payload, want)
				}
				if before != nil && (p.SequenceNumber != before.SequenceNumber+1 || p.Timestamp != before.Timestamp+960) {
					t.Fatalf("line %d: %v after %v", line, p.Header, before.Header)
				}
				before = &p
			case <-time.After(10 * time.Second):
				t.Fatalf("line %d is silent", line)
			}
		}
	}
}

// talking is a connected call whose two sides speak until the end of the test.
func talking(t *testing.T, server, caller *Endpoint) (in, out ran) {
	t.Helper()
	in, out = pair(t, server, caller)
	stop := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { feed(out.Call, media.Packet{Seq: 65500, Time: 1 << 31, Payload: []byte("caller")}, stop) })
	both.Go(func() { feed(in.Call, media.Packet{Seq: 7, Payload: []byte("agent")}, stop) })
	t.Cleanup(func() {
		close(stop)
		both.Wait()
	})
	return in, out
}

// TestListener: two listeners hear both sides; one leaves, the other stays; the end of the call ends it.
func TestListener(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{NoMedia: 2 * time.Second, NotReceived: 2 * time.Second})
	in, out := talking(t, e, e)
	first, second := listenTo(t, t.Context(), e, in.Call), listenTo(t, t.Context(), e, in.Call)
	first.hears(t, 50, "caller", "agent")
	second.hears(t, 50, "caller", "agent")
	if sent, lost := first.Stats(); sent < 100 || lost > 100 {
		t.Errorf("%d sent, %d lost", sent, lost)
	}
	first.Listener.Close()
	wantErr(t, first.why(t), ErrHangup)
	// A listener sends nothing for ever, and is not taken for one without media.
	time.Sleep(2500 * time.Millisecond)
	second.hears(t, 100, "caller", "agent")
	out.Close()
	wantErr(t, second.why(t), ErrOver)
	wantErr(t, in.why(t), ErrHangup)
	wantErr(t, out.why(t), ErrHangup)
}

// TestListenerEnds: each way in which listening is over has its reason.
func TestListenerEnds(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{Connect: 2 * time.Second, Vanish: 900 * time.Millisecond})
	in, _ := talking(t, e, e)
	for _, c := range []struct {
		name string
		want error
		end  func(t *testing.T) error
	}{
		{"leaves", ErrHangup, func(t *testing.T) error {
			l := listenTo(t, t.Context(), e, in.Call)
			l.hears(t, 1, "caller", "agent") // only one that is connected itself says goodbye
			if err := l.pc.Close(); err != nil {
				t.Error(err)
			}
			return l.why(t)
		}},
		{"vanishes", ErrVanished, func(t *testing.T) error {
			l := listenTo(t, t.Context(), e, in.Call)
			if err := l.pc.SCTP().Transport().ICETransport().Stop(); err != nil {
				t.Error(err)
			}
			return l.why(t)
		}},
		{"never connects", ErrNeverConnected, func(t *testing.T) error {
			_, offer := supervise(t)
			l, _, err := e.AnswerListener(t.Context(), offer, in.Call)
			if err != nil {
				t.Fatal(err)
			}
			return l.Run(t.Context())
		}},
		{"canceled", errStop, func(t *testing.T) error {
			ctx, cancel := context.WithCancelCause(t.Context())
			l := listenTo(t, ctx, e, in.Call)
			cancel(errStop)
			return l.why(t)
		}},
		{"never run", ErrHangup, func(t *testing.T) error {
			_, offer := supervise(t)
			l, _, err := e.AnswerListener(t.Context(), offer, in.Call)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			return l.Run(t.Context())
		}},
		{"the call is over before", ErrOver, func(t *testing.T) error {
			over, _ := pair(t, e, e)
			over.Close()
			_ = over.why(t)
			_, offer := supervise(t)
			l, _, err := e.AnswerListener(t.Context(), offer, over.Call)
			if err != nil {
				t.Fatal(err)
			}
			return l.Run(t.Context())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wantErr(t, c.end(t), c.want)
		})
	}
}

// TestListenerChurn: listeners of every kind come and go, and nothing of them stays.
func TestListenerChurn(t *testing.T) {
	e := loopback(t, Timeouts{})
	in, out := talking(t, e, e)
	eventually(t, "all readers run", func() bool { return in.Stats().Received > 20 && out.Stats().Received > 20 && in.Open() && out.Open() })
	goroutines, files := usage(t)
	t.Run("30", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				switch i % 3 {
				case 0: // hears, and leaves
					l := listenTo(t, t.Context(), e, in.Call)
					l.hears(t, 3, "caller", "agent")
					_ = l.pc.Close()
					wantErr(t, l.why(t), ErrHangup)
				case 1: // is sent away while it connects
					s, offer := supervise(t)
					l, answer, err := e.AnswerListener(t.Context(), offer, in.Call)
					if err != nil {
						t.Error(err)
						return
					}
					end := make(chan error, 1)
					go func() { end <- l.Run(t.Context()) }()
					s.accept(t, answer)
					l.Close()
					wantErr(t, <-end, ErrHangup)
				case 2: // never run
					_, offer := supervise(t)
					l, _, err := e.AnswerListener(t.Context(), offer, in.Call)
					if err != nil {
						t.Error(err)
						return
					}
					l.Close()
				}
			})
		}
		all.Wait()
	})
	settled(t, goroutines, files)
	if in.Stats().Received == 0 {
		t.Error("the call itself is silent")
	}
}

// onLast is a description whose last audio line was edited.
func onLast(text string, replace ...string) string {
	i := strings.LastIndex(text, "m=audio")
	return text[:i] + strings.NewReplacer(replace...).Replace(text[i:])
}

// TestListenerCodec: what the call speaks is what the listener is answered, whatever else it offers.
func TestListenerCodec(t *testing.T) {
	t.Parallel()
	server := loopback(t, Timeouts{})
	for _, codec := range spoken {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			caller := endpoint(t, Options{Codecs: []media.Codec{codec}})
			in, _ := talking(t, server, caller)
			l := listenTo(t, t.Context(), server, in.Call)
			l.hears(t, 5, "caller", "agent")
			for _, r := range l.pc.GetReceivers() {
				if got := r.Track().Codec(); uint8(got.PayloadType) != payloads[codec] {
					t.Errorf("hears %+v", got)
				}
			}
		})
	}
}

func TestListenerOffers(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	in, out, err := e.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	from, _, err := e.Answer(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	lines := func(directions ...webrtc.RTPTransceiverDirection) string {
		return peerOffer(t, func(pc *webrtc.PeerConnection) {
			for _, d := range directions {
				with(audio, d)(pc)
			}
		})
	}
	two := lines(recvonly, recvonly)
	for _, c := range []struct{ name, offer, says string }{
		{"two lines", two, ""},
		{"with video", peerOffer(t, func(pc *webrtc.PeerConnection) {
			with(video, recvonly)(pc)
			with(audio, recvonly)(pc)
			with(audio, recvonly)(pc)
		}), ""},
		{"three lines", lines(recvonly, recvonly, recvonly), "it has 3"},
		{"one line", lines(recvonly), "it has 1"},
		{"no audio", peerOffer(t, with(video, recvonly)), "it has 0"},
		{"sendrecv", lines(sendrecv, sendrecv), "audio line 1 is sendrecv; a listener only hears: make it recvonly"},
		{"second sendrecv", lines(recvonly, sendrecv), "audio line 2 is sendrecv"},
		{"inactive", strings.ReplaceAll(two, "a=recvonly", "a=inactive"), "audio line 1 is inactive"},
		{"another codec", strings.ReplaceAll(two, "opus/48000/2", "speex/16000/1"), "does not offer opus"},
		{"second disabled", onLast(two, "m=audio 9", "m=audio 0"), "audio line 2 is disabled"},
		{"second only in the bundle", onLast(two, "m=audio 9", "a=x\r\nm=audio 0") + "a=bundle-only\r\n", ""},
		{"the second under another number", onLast(two, ":111 ", ":96 ", " 111 ", " 96 "), "give both the same"},
		{"Opus under another number", strings.NewReplacer(":111 ", ":96 ", " 111 ", " 96 ").Replace(two), ""},
		{"no mid", strings.ReplaceAll(two, "a=mid", "a=x"), "has no a=mid"},
		{"the same mid", strings.ReplaceAll(two, "a=mid:1", "a=mid:0"), "two media lines with a=mid:0"},
		{"no fingerprint", strings.ReplaceAll(two, "a=fingerprint", "a=x"), "fingerprint"},
		{"not SDP", "hello", "cannot be read"},
		{"huge", two + strings.Repeat("a=x\r\n", maxDescription/5), "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, answer, err := e.AnswerListener(t.Context(), c.offer, from)
			if c.says != "" {
				if !errors.Is(err, ErrOffer) || !strings.Contains(err.Error(), c.says) || l != nil {
					t.Errorf("error %v; want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
			if n := strings.Count(answer, "a=sendonly"); n != 2 || strings.Contains(answer, "a=sendrecv") {
				t.Errorf("answer\n%s", answer)
			}
		})
	}
	if _, _, err := e.AnswerListener(t.Context(), two, in); err == nil || errors.Is(err, ErrOffer) {
		t.Errorf("a call that was not answered: %v", err)
	}
	offering := endpoint(t, Options{})
	if _, _, err := offering.AnswerListener(t.Context(), two, from); err == nil || errors.Is(err, ErrOffer) {
		t.Errorf("an endpoint without a port: %v", err)
	}
}

// blocked is a network that takes nothing until it is opened.
type blocked struct{ asked, open chan struct{} }

func (b blocked) WriteRTP(_ *rtp.Header, payload []byte) (int, error) {
	select {
	case b.asked <- struct{}{}:
	default:
	}
	<-b.open
	return len(payload), nil
}

func (b blocked) Write(p []byte) (int, error) { return len(p), nil }

// wired is a listener to a call, both without connections, and the line of the first voice on a network of ours.
func wired() (*Listener, *Call, *outgoing, blocked) {
	from, out := new(Call), new(outgoing)
	from.out.audio.Store(&Audio{Codec: media.Opus, PT: 111})
	l := &Listener{call: new(Call), from: from}
	l.call.signals.open.Store(true)
	network := blocked{make(chan struct{}, 1), make(chan struct{})}
	out.wire.Store(&wire{out: network})
	return l, from, out, network
}

// TestListenerStalls: a listener whose network takes nothing costs the call nothing, and knows what it lost.
func TestListenerStalls(t *testing.T) {
	l, from, out, network := wired()
	tap := from.up.Tap(listenDepth, media.DropOldest)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.relay(t.Context(), tap, out)
	}()
	start := time.Now()
	pt := from.Audio().PT
	from.up.Send(media.Packet{PT: pt, Payload: []byte{1}})
	<-network.asked
	for i := range 999 {
		from.up.Send(media.Packet{PT: pt, Seq: uint16(i), Payload: []byte{1}})
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("sending took %v", d)
	}
	close(network.open)
	from.up.Close()
	<-done
	sent, lost := l.Stats()
	if sent+lost != 1000 || sent != listenDepth+1 {
		t.Errorf("%d sent, %d lost", sent, lost)
	}
}
