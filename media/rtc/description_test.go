package rtc

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// peerOffer makes the offer of a caller who did what add says.
func peerOffer(t *testing.T, add func(pc *webrtc.PeerConnection)) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	add(pc)
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

func with(kind webrtc.RTPCodecType, d webrtc.RTPTransceiverDirection) func(pc *webrtc.PeerConnection) {
	return func(pc *webrtc.PeerConnection) {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: d}); err != nil {
			panic(err)
		}
	}
}

const (
	audio    = webrtc.RTPCodecTypeAudio
	video    = webrtc.RTPCodecTypeVideo
	sendrecv = webrtc.RTPTransceiverDirectionSendrecv
	sendonly = webrtc.RTPTransceiverDirectionSendonly
	recvonly = webrtc.RTPTransceiverDirectionRecvonly
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	call := peerOffer(t, with(audio, sendrecv))
	edit := func(old, new string) string {
		out := strings.ReplaceAll(call, old, new)
		if out == call {
			t.Fatalf("no %q in\n%s", old, call)
		}
		return out
	}
	without := func(line string) string {
		return regexp.MustCompile(`(?m)^`+line+`.*\r\n`).ReplaceAllString(call, "")
	}
	formats := func(s, list string) string {
		return regexp.MustCompile(`SAVPF [0-9 ]*`).ReplaceAllString(s, "SAVPF "+list)
	}
	both := func(pc *webrtc.PeerConnection) {
		with(video, sendrecv)(pc)
		with(audio, sendrecv)(pc)
		with(audio, sendrecv)(pc)
		if _, err := pc.CreateDataChannel(Label, nil); err != nil {
			panic(err)
		}
	}
	for _, c := range []struct {
		name, offer string
		lines       []string // of the answer: kind and direction; "rejected" for port 0
		says        string   // of the error
	}{
		{"sendrecv", call, []string{"audio sendrecv"}, ""},
		{"no direction", without("a=sendrecv"), []string{"audio sendrecv"}, ""},
		{"video and a second audio", peerOffer(t, both), []string{"video rejected", "audio sendrecv", "audio inactive", "application sendrecv"}, ""},
		{"bundle-only audio", edit("m=audio 9", "a=x\r\nm=audio 0") + "a=bundle-only\r\n", []string{"audio sendrecv"}, ""},
		{"Opus under another number", strings.NewReplacer(":111 ", ":96 ", "SAVPF 111", "SAVPF 96").Replace(call), []string{"audio sendrecv"}, ""},
		{"recvonly", peerOffer(t, with(audio, recvonly)), nil, "recvonly"},
		{"sendonly", edit("a=sendrecv", "a=sendonly"), nil, "sendonly"},
		{"inactive", edit("a=sendrecv", "a=inactive"), nil, "inactive"},
		{"session recvonly", strings.Replace(without("a=sendrecv"), "m=audio", "a=recvonly\r\nm=audio", 1), nil, "recvonly"},
		{"first of two recvonly", peerOffer(t, func(pc *webrtc.PeerConnection) { with(audio, recvonly)(pc); with(audio, sendrecv)(pc) }), nil, "recvonly"},
		{"disabled", edit("m=audio 9", "m=audio 0"), nil, "disabled"},
		{"video only", peerOffer(t, with(video, sendrecv)), nil, "no audio"},
		{"no lines", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", nil, "no audio"},
		{"unknown codec only", formats(edit("opus/48000/2", "speex/16000/1"), "111"), nil, "no codec"},
		{"Opus mapped but not offered", formats(call, "120"), nil, "no codec"},
		{"no mid", without("a=mid"), nil, "mid"},
		{"no fingerprint", without("a=fingerprint"), nil, "fingerprint"},
		{"no ICE password", without("a=ice-pwd"), nil, "ice-pwd"},
		{"not SDP", "hello", nil, "cannot be read"},
		{"empty", "", nil, "no audio"},
		{"huge", call + strings.Repeat("a=x\r\n", maxDescription/5), nil, "bytes"},
		{"many lines", call + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", maxLines), nil, "media lines"},
		{"many candidates", call + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", maxCandidates+1), nil, "candidates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, answer, err := e.Answer(t.Context(), c.offer)
			if c.says != "" {
				if !errors.Is(err, ErrOffer) || !strings.Contains(err.Error(), c.says) || in != nil {
					t.Errorf("error %v; want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			in.Close()
			if got := lines(t, answer); strings.Join(got, ", ") != strings.Join(c.lines, ", ") {
				t.Errorf("answered %q, want %q", got, c.lines)
			}
			if !strings.Contains(answer, "a=setup:passive") || !strings.Contains(answer, "127.0.0.1") {
				t.Errorf("answer\n%s", answer)
			}
		})
	}
}

// lines are a description's media lines in short.
func lines(t *testing.T, text string) (out []string) {
	t.Helper()
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		t.Fatal(err)
	}
	for _, m := range d.MediaDescriptions {
		dir := direction(&d, m)
		if m.MediaName.Port.Value == 0 {
			dir = "rejected"
		}
		out = append(out, m.MediaName.Media+" "+dir)
	}
	return out
}

// TestOddOffers: offers that are not what a browser makes still become calls that both sides hear.
func TestOddOffers(t *testing.T) {
	t.Parallel()
	e := loopback(t, Timeouts{})
	for name, edit := range map[string]func(string) string{
		"as it is":             func(s string) string { return s },
		"waits for handshake":  func(s string) string { return strings.ReplaceAll(s, "setup:actpass", "setup:passive") },
		"begins the handshake": func(s string) string { return strings.ReplaceAll(s, "setup:actpass", "setup:active") },
		"tells no SSRC":        regexpDelete(`(?m)^a=(ssrc|msid).*\r\n`),
		"hides its addresses": func(s string) string {
			return regexp.MustCompile(`udp (\d+) [0-9.]+ `).ReplaceAllString(s, "udp $1 0a6d8a4e-0000.local ")
		},
		"gives no candidates": regexpDelete(`(?m)^a=(candidate|end-of-candidates).*\r\n`),
		"newlines only":       func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			out, offer, err := e.Offer(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			odd := edit(offer)
			if odd == offer && name != "as it is" {
				t.Fatalf("nothing changed in\n%s", offer)
			}
			in, answer, err := e.Answer(t.Context(), odd)
			if err != nil {
				out.Close()
				t.Fatal(err)
			}
			a, o := run(t.Context(), in), run(t.Context(), out)
			defer func() { out.Close(); in.Close(); _, _ = a.why(t), o.why(t) }()
			if err := out.Accept(answer); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			defer close(stop)
			for from, to := range map[*Call]*Call{in: out, out: in} {
				heard := to.Up().Tap(10, media.DropNewest)
				go feed(from, media.Packet{Payload: []byte{0xfc, 0}}, stop)
				n := 0
				for range heard.All(t.Context()) {
					if n++; n == 3 {
						break
					}
				}
				if n < 3 {
					t.Errorf("%d packets came", n)
				}
			}
		})
	}
}

func regexpDelete(expr string) func(string) string {
	return func(s string) string { return regexp.MustCompile(expr).ReplaceAllString(s, "") }
}

func TestAccept(t *testing.T) {
	e := loopback(t, Timeouts{})
	for _, c := range []struct{ name, old, new, says string }{
		{"half", "a=sendrecv", "a=recvonly", "only one side hears"},
		{"rejected", "m=audio 9", "m=audio 0", "no audio"},
		{"other codec", "opus/48000/2", "speex/16000", "no codec"},
		{"no fingerprint", "a=fingerprint", "a=x", "fingerprint"},
		{"no SDP", "v=0", "hello", "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
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
			err = out.Accept(strings.ReplaceAll(answer, c.old, c.new))
			if !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v; want %q", err, c.says)
			}
		})
	}
}

// FuzzCheckOffer: any text is either an offer with one audio line of both directions, or an ErrOffer.
func FuzzCheckOffer(f *testing.F) {
	const head = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	const line = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"
	for _, s := range []string{"", "v=0", head, head + line, head + "a=setup:passive\r\n" + line + "a=recvonly\r\n", head + "m=audio 0 RTP/AVP 0\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, offer string) {
		line, err := checkOffer(offer)
		switch {
		case err != nil && !errors.Is(err, ErrOffer):
			t.Errorf("unclassed error %v", err)
		case err == nil && line.mid == "":
			t.Error("a line without mid")
		case err == nil:
			if _, err := checkAnswer(offer, line.mid); err != nil && !strings.Contains(offer, "bundle-only") {
				t.Errorf("an offer that would be no answer: %v", err)
			}
		}
	})
}

// TestCandidatesBounded: however many lines an offer has, it makes us send to few addresses.
func TestCandidatesBounded(t *testing.T) {
	offer := peerOffer(t, with(audio, sendrecv))
	var b strings.Builder
	b.WriteString(offer)
	b.WriteString(strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", 30))
	for i := range 10 {
		fmt.Fprintf(&b, "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v%d\r\na=rtpmap:96 VP8/90000\r\n", i)
		b.WriteString(strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", 30))
	}
	l, err := readOffer(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(l.text, "a=candidate:"); n != maxCandidates {
		t.Errorf("%d candidates of 330 are taken, want %d", n, maxCandidates)
	}
	if n := strings.Count(l.text, "a=mid:"); n != 11 {
		t.Errorf("%d lines", n)
	}
}
