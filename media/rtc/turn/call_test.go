package turn

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	parley "parley/media"
	"parley/media/rtc"
)

// phone is a caller of pion's, as a browser with iceTransportPolicy "relay" is.
type phone struct {
	*webrtc.PeerConnection
	track *webrtc.TrackLocalStaticSample
	heard chan struct{} // a packet came
}

func newPhone(t *testing.T, servers []rtc.ICEServer) *phone {
	t.Helper()
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetRelayAcceptanceMinWait(0)
	e.LoggerFactory = silent
	config := webrtc.Configuration{ICETransportPolicy: webrtc.ICETransportPolicyRelay}
	for _, s := range servers {
		config.ICEServers = append(config.ICEServers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e)).NewPeerConnection(config)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{PeerConnection: pc, heard: make(chan struct{}, 1)}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Error(err)
		}
	})
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			if _, _, err := r.ReadRTP(); err != nil {
				return
			}
			select {
			case p.heard <- struct{}{}:
			default:
			}
		}
	})
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	if p.track, err = webrtc.NewTrackLocalStaticSample(opus, "audio", "voice"); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(p.track); err != nil {
		t.Fatal(err)
	}
	if _, err := pc.CreateDataChannel(rtc.Label, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// offer has all candidates.
func (p *phone) offer(t *testing.T) string {
	t.Helper()
	offer, err := p.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := webrtc.GatheringCompletePromise(p.PeerConnection)
	if err := p.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	select {
	case <-all:
	case <-time.After(patience):
		t.Fatal("it gathers for ever")
	}
	return p.LocalDescription().SDP
}

// talk sends a packet every 20 ms, both ways, until each side has heard n of them.
func talk(t *testing.T, p *phone, call *rtc.Call, n int) {
	t.Helper()
	up := call.Up().Tap(100, parley.DropNewest)
	defer up.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	done := make(chan struct{})
	defer close(done)
	all.Go(func() {
		tick := time.NewTicker(parley.FrameDuration)
		defer tick.Stop()
		for i := uint16(0); ; i++ {
			call.Send(parley.Packet{Seq: i, Time: uint32(i) * 960, Payload: []byte{0xfc, 1, 2}})
			if err := p.track.WriteSample(media.Sample{Data: []byte{0xfc, 1, 2}, Duration: parley.FrameDuration}); err != nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	got := 0
	for range up.All(ctx) {
		if got++; got == n {
			break
		}
	}
	for i := range n {
		select {
		case <-p.heard:
		case <-ctx.Done():
			t.Errorf("%d packets were heard by the caller", i)
			return
		}
	}
	if got < n {
		t.Errorf("%d packets came from the caller", got)
	}
}

// A caller that can reach nothing but the TURN server has a call as any other.
func TestRelayOnlyCall(t *testing.T) {
	for i, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			s := server(t, Options{}, e.Addr())
			servers := s.Servers(time.Now())
			servers[0].URLs = servers[0].URLs[i : i+1]
			began := time.Now()
			p := newPhone(t, servers)
			call, answer, err := e.Answer(t.Context(), p.offer(t))
			if err != nil {
				t.Fatal(err)
			}
			end := make(chan error, 1)
			go func() { end <- call.Run(t.Context()) }()
			defer func() { <-end }()
			defer call.Close()
			if err := p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-call.Connected():
				t.Logf("connected after %v, gathering included", time.Since(began).Round(time.Millisecond))
			case <-time.After(patience):
				t.Fatal("not connected")
			}
			before := s.Stats().Relayed
			talk(t, p, call, 25)
			if got := s.Stats(); got.Relayed-before < 50 || got.Strangers != 0 || got.Excess != 0 {
				t.Errorf("%+v: not over the relay?", got)
			}
			if err := p.GracefulClose(); err != nil {
				t.Error(err)
			}
			gone(t, s)
		})
	}
}

// The call is the same when the media port is told by its public address, which only the relay can reach here.
func TestRelayOnlyCallBehindNAT(t *testing.T) {
	public := []netip.Addr{netip.MustParseAddr("192.0.2.9")}
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true, Public: public})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := server(t, Options{Public: public}, e.Addr())
	servers := s.Servers(time.Now())
	servers[0].URLs = urls([]netip.Addr{s.Addr().Addr()}, s.Addr().Port())
	p := newPhone(t, servers)
	call, answer, err := e.Answer(t.Context(), p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan error, 1)
	go func() { end <- call.Run(t.Context()) }()
	defer func() { <-end }()
	defer call.Close()
	if err := p.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-call.Connected():
	case <-time.After(patience):
		t.Fatal("not connected")
	}
	talk(t, p, call, 10)
}

// Twenty calls of our own caller's role, one after the other: how long they take to be set up, gathering included, and
// that nothing is left of them.
func TestRelayOnlyCalls(t *testing.T) {
	e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := server(t, Options{}, e.Addr())
	for i, transport := range transports {
		var took []time.Duration
		for range 20 {
			servers := s.Servers(time.Now())
			servers[0].URLs = servers[0].URLs[i : i+1]
			took = append(took, relayed(t, e, servers))
		}
		slices.Sort(took)
		t.Logf("over %s: connected after %v (median), %v (longest)", transport, took[10].Round(time.Millisecond), took[19].Round(time.Millisecond))
		if took[10] > time.Second {
			t.Errorf("over %s calls take %v", transport, took[10])
		}
	}
	gone(t, s)
}

// relayed makes a call by these servers alone, hangs up and says how long it took to connect.
func relayed(t *testing.T, e *rtc.Endpoint, servers []rtc.ICEServer) time.Duration {
	t.Helper()
	caller, err := rtc.Listen(rtc.Options{Loopback: true, Servers: servers, RelayOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	began := time.Now()
	out, offer, err := caller.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, answer, err := e.Answer(t.Context(), offer)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, c := range []*rtc.Call{in, out} {
		all.Go(func() { _ = c.Run(t.Context()) }) // they are hung up below
		defer c.Close()
	}
	if err := out.Accept(answer); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*rtc.Call{in, out} {
		select {
		case <-c.Connected():
		case <-time.After(patience):
			t.Fatal("not connected")
		}
	}
	return time.Since(began)
}
