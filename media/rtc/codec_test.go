package rtc

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// TestPick: one codec a line.
func TestPick(t *testing.T) {
	for _, c := range []struct {
		formats, maps string
		want          Audio // without a codec: none
	}{
		{"111", "111 opus/48000/2", Audio{media.Opus, 111, 0}},
		{"0", "", Audio{media.PCMU, 0, 0}},
		{"8", "", Audio{media.PCMA, 8, 0}},
		{"9", "", Audio{media.G722, 9, 0}},
		{"0 111", "111 opus/48000/2", Audio{media.Opus, 111, 0}},
		{"8 0", "", Audio{media.PCMA, 8, 0}},
		{"9 0", "", Audio{media.G722, 9, 0}},
		{"0 9 8", "0 PCMU/8000", Audio{media.PCMU, 0, 0}},
		{"3 18 97 8", "97 speex/16000", Audio{media.PCMA, 8, 0}},
		{"96", "96 pcmu/8000/1", Audio{media.PCMU, 96, 0}},
		{"96", "96 PCMU/16000", Audio{}},
		{"96", "96 G722/16000", Audio{}},
		{"96", "96 opus/48000", Audio{}},
		{"0", "0 speex/8000", Audio{}},
		{"x 300", "300 opus/48000/2", Audio{}},
		{"126", "126 telephone-event/8000", Audio{}},
		{"", "", Audio{}},
		{"111 110 126", "111 opus/48000/2,110 telephone-event/48000,126 telephone-event/8000", Audio{media.Opus, 111, 110}},
		{"126 110 0", "110 telephone-event/48000,126 telephone-event/8000", Audio{media.PCMU, 0, 126}},
		{"111 126", "111 opus/48000/2,126 telephone-event/8000", Audio{media.Opus, 111, 0}},
	} {
		m := &sdp.MediaDescription{MediaName: sdp.MediaName{Media: "audio", Formats: strings.Fields(c.formats)}}
		for _, v := range strings.Split(c.maps, ",") {
			m.Attributes = append(m.Attributes, sdp.NewAttribute("rtpmap", v))
		}
		if got, ok := pick(m); got != c.want || ok != (c.want.Codec != "") {
			t.Errorf("%q with %q: %+v, %v; want %+v", c.formats, c.maps, got, ok, c.want)
		}
	}
}

// TestCodecs has each codec, alone and among others, carry packets both ways between two endpoints.
func TestCodecs(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	for _, c := range []struct {
		offered []media.Codec
		want    Audio
	}{
		{nil, Audio{media.Opus, 111, 110}},
		{[]media.Codec{media.Opus}, Audio{media.Opus, 111, 110}},
		{[]media.Codec{media.G722}, Audio{media.G722, 9, 126}},
		{[]media.Codec{media.PCMU}, Audio{media.PCMU, 0, 126}},
		{[]media.Codec{media.PCMA}, Audio{media.PCMA, 8, 126}},
		{[]media.Codec{media.PCMU, media.Opus}, Audio{media.Opus, 111, 110}},
		{[]media.Codec{media.PCMA, media.PCMU}, Audio{media.PCMA, 8, 126}},
		{[]media.Codec{media.G722, media.PCMU}, Audio{media.G722, 9, 126}},
		{[]media.Codec{media.G722, media.Opus}, Audio{media.Opus, 111, 110}},
	} {
		t.Run(fmt.Sprint(c.offered), func(t *testing.T) {
			in, out := pair(t, e, endpoint(t, Options{Codecs: c.offered}))
			if in.Audio() != c.want || out.Audio() != c.want {
				t.Fatalf("%+v and %+v; want %+v", in.Audio(), out.Audio(), c.want)
			}
			flows(t, in.Call, out.Call)
		})
	}
	both := &sdp.MediaDescription{MediaName: sdp.MediaName{Media: "audio", Formats: []string{"111", "0"}},
		Attributes: []sdp.Attribute{sdp.NewAttribute("rtpmap", "111 opus/48000/2")}}
	if a, ok := pick(both, media.PCMU); !ok || a.Codec != media.PCMU { // a call of PCMU, to which Opus is offered later
		t.Errorf("%+v, %v", a, ok)
	}
	if _, err := Listen(Options{Codecs: []media.Codec{"speex"}}); err == nil {
		t.Error("speex is offered")
	}
	if _, err := Listen(Options{Codecs: []media.Codec{media.PCMU, media.PCMU}}); err == nil {
		t.Error("a codec is offered twice")
	}
}

// flows makes sure that packets come both ways from now on, of the payload type that was negotiated.
func flows(t *testing.T, a, b *Call) {
	t.Helper()
	stop := make(chan struct{})
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer close(stop)
	for from, to := range map[*Call]*Call{a: b, b: a} {
		heard := to.Up().Tap(100, media.DropOldest)
		p := media.Packet{Seq: uint16(from.Now() / media.FrameDuration), Payload: []byte{0xfc, 0}} // beyond what was sent before
		feeding.Go(func() { feed(from, p, stop) })
		comes(t, heard, 3, to.Audio().PT)
	}
}

// connected waits for calls to be.
func connected(t *testing.T, calls ...*Call) {
	t.Helper()
	for _, c := range calls {
		select {
		case <-c.Connected():
		case <-time.After(20 * time.Second):
			t.Fatal("not connected")
		}
	}
}

// comes waits for packets, and leaves the tap.
func comes(t *testing.T, tap *media.Tap[media.Packet], want int, pt uint8) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	n := 0
	for _, p := range tap.All(ctx) {
		if p.PT != pt {
			t.Errorf("payload type %d, want %d", p.PT, pt)
		}
		if n++; n == want {
			return
		}
	}
	t.Errorf("%d packets came, want %d", n, want)
}

// foreign is a caller made of nothing but pion, as a browser would be.
type foreign struct {
	pc    *webrtc.PeerConnection
	out   outgoing
	heard chan rtp.Packet
}

// foreignCaller begins a call of a foreign peer that offers these formats, and returns its offer.
func foreignCaller(t *testing.T, codecs ...webrtc.RTPCodecParameters) (*foreign, string) {
	t.Helper()
	var m webrtc.MediaEngine
	for _, c := range codecs {
		if err := m.RegisterCodec(c, audio); err != nil {
			t.Fatal(err)
		}
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	api := webrtc.NewAPI(webrtc.WithMediaEngine(&m), webrtc.WithSettingEngine(s), webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	f := &foreign{pc: pc, heard: make(chan rtp.Packet, 100)}
	f.out.id = "a"
	if _, err := pc.AddTrack(&f.out); err != nil {
		t.Fatal(err)
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case f.heard <- *p:
			default:
			}
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return f, pc.LocalDescription().SDP
}

func (f *foreign) accept(t *testing.T, as Audio, answer string) {
	t.Helper()
	f.out.audio.Store(&as)
	if err := f.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
}

// TestForeignCodecs answers pion's own offers: the answer names one codec, and telephone-event at its clock, whose
// packets come on the same SSRC under their own payload type.
func TestForeignCodecs(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	of := func(mime string, clock uint32, channels uint16, fmtp string, pt uint8) webrtc.RTPCodecParameters {
		return webrtc.RTPCodecParameters{PayloadType: webrtc.PayloadType(pt), RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: "audio/" + mime, ClockRate: clock, Channels: channels, SDPFmtpLine: fmtp}}
	}
	opus := of("opus", 48000, 2, "minptime=10;useinbandfec=1;stereo=1", 96)
	other := func(s string) string { return strings.ReplaceAll(s, "useinbandfec=1", "useinbandfec=0;maxptime=60") }
	wide, digits := of("telephone-event", 48000, 0, "0-15", 101), of("telephone-event", 8000, 0, "", 102)
	g722, pcmu, pcma := of("G722", 8000, 0, "", 9), of("PCMU", 8000, 0, "", 0), of("PCMA", 8000, 0, "", 8)
	for _, c := range []struct {
		offered []webrtc.RTPCodecParameters
		edit    func(string) string
		want    Audio
		formats string
	}{
		{[]webrtc.RTPCodecParameters{opus, g722, pcmu, pcma, wide, digits}, other, Audio{media.Opus, 96, 101}, "96 101"},
		{[]webrtc.RTPCodecParameters{opus}, nil, Audio{media.Opus, 96, 0}, "96"},
		{[]webrtc.RTPCodecParameters{opus, digits}, nil, Audio{media.Opus, 96, 0}, "96"},
		{[]webrtc.RTPCodecParameters{g722, digits, wide}, nil, Audio{media.G722, 9, 102}, "9 102"},
		{[]webrtc.RTPCodecParameters{pcmu, pcma, digits}, nil, Audio{media.PCMU, 0, 102}, "0 102"},
		{[]webrtc.RTPCodecParameters{pcma, pcmu}, nil, Audio{media.PCMA, 8, 0}, "8"},
		{[]webrtc.RTPCodecParameters{pcmu}, regexpDelete(`(?m)^a=rtpmap.*\r\n`), Audio{media.PCMU, 0, 0}, "0"},
		{[]webrtc.RTPCodecParameters{pcma}, regexpDelete(`(?m)^a=rtpmap.*\r\n`), Audio{media.PCMA, 8, 0}, "8"},
		{[]webrtc.RTPCodecParameters{g722}, regexpDelete(`(?m)^a=rtpmap.*\r\n`), Audio{media.G722, 9, 0}, "9"},
	} {
		t.Run(c.formats, func(t *testing.T) {
			f, offer := foreignCaller(t, c.offered...)
			if c.edit != nil {
				offer = c.edit(offer)
			}
			in, answer, err := e.Answer(t.Context(), offer)
			if err != nil {
				t.Fatal(err)
			}
			r := run(t.Context(), in)
			defer func() { in.Close(); _ = r.why(t) }()
			if in.Audio() != c.want || !strings.Contains(answer, "UDP/TLS/RTP/SAVPF "+c.formats+"\r\n") {
				t.Fatalf("%+v, want %+v; answer\n%s", in.Audio(), c.want, answer)
			}
			heard := in.Up().Tap(100, media.DropNewest)
			f.accept(t, c.want, answer)
			connected(t, in)
			stop := make(chan struct{})
			defer close(stop)
			go feed(in, media.Packet{Payload: []byte{0xfc, 0}}, stop)
			select {
			case p := <-f.heard:
				if p.PayloadType != c.want.PT {
					t.Errorf("sent as %d", p.PayloadType)
				}
			case <-time.After(5 * time.Second):
				t.Error("nothing heard")
			}
			f.speak(t, heard, c.want)
		})
	}
}

// speak sends audio, a digit if there can be one, and audio again, and makes sure that all of it came.
func (f *foreign) speak(t *testing.T, heard *media.Tap[media.Packet], as Audio) {
	t.Helper()
	var want []uint8
	for i := range 30 {
		pt := as.PT
		if i%10 == 9 && as.Events != 0 {
			pt = as.Events
		}
		want = append(want, pt)
	}
	go func() {
		for i, pt := range want {
			f.out.write(&media.Packet{Seq: uint16(i), PT: pt, Payload: []byte{1, 2, 3, 4}})
			time.Sleep(5 * time.Millisecond)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	n := 0
	for _, p := range heard.All(ctx) {
		if int(p.Seq) != n || p.PT != want[n] {
			t.Errorf("packet %d of %d, want %d of %d", p.Seq, p.PT, n, want[n])
		}
		if n++; n == len(want) {
			return
		}
	}
	t.Errorf("%d packets came, want %d", n, len(want))
}
