package rtc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// FuzzReceive: whatever an RTP datagram holds, pion's readers and ours take it or refuse it.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3})
	f.Add([]byte{0x81, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 1}) // one contributing source
	f.Add([]byte{0xa0, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 0, 0, 3})    // padding
	f.Add([]byte{0xa0, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 0, 0, 200})  // padding longer than all
	f.Add([]byte{0x90, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x30, 0xaa, 0, 0, 9, 1})
	f.Add([]byte{0x90, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0, 0, 1, 3, 1, 0xaa, 0, 9, 1}) // two-byte headers
	f.Add([]byte{0x90, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 255, 255, 0x3f, 0xaa})   // longer than all
	factory, err := report.NewReceiverInterceptor()
	if err != nil {
		f.Fatal(err)
	}
	i, err := lean{factory}.NewInterceptor("")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = i.Close() })
	var raw []byte
	reader := i.BindRemoteStream(&interceptor.StreamInfo{SSRC: 3, ClockRate: 48000, PayloadType: 111},
		interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
			return copy(b, raw), a, nil
		}))
	buf := make([]byte, receiveMTU)
	var h rtp.Header
	f.Fuzz(func(t *testing.T, datagram []byte) {
		raw = datagram
		n, _, err := reader.Read(buf, nil)
		if err != nil {
			return
		}
		p, ok := packet(buf[:n], &h, 3)
		if ok && (len(p.Payload) == 0 || len(p.Payload) > n-12 || p.Level < -1 || p.PT > 127) {
			t.Errorf("%+v of %x", p, datagram)
		}
	})
}

// FuzzControls: whatever an RTCP datagram holds, it is relayed as it is or refused.
func FuzzControls(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2, FractionLost: 128, LastSequenceNumber: 7}}},
		&rtcp.SenderReport{SSRC: 1, NTPTime: 1 << 40, Reports: []rtcp.ReceptionReport{{SSRC: 2}}},
		&rtcp.Goodbye{Sources: []uint32{1, 2}, Reason: "done"},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 1, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "a"}}}}},
		&rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 1, LostPackets: 3}}},
		&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: 2},
		&rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: 1, Bitrate: 64000, SSRCs: []uint32{2}},
		&rtcp.ExtendedReport{SenderSSRC: 1, Reports: []rtcp.ReportBlock{&rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{{SSRC: 2}}}}},
	} {
		raw, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-4])
	}
	f.Add([]byte{0x80, 207, 255, 255})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		datagram = datagram[:min(len(datagram), receiveMTU)]
		given := false
		read := func(b []byte) (int, interceptor.Attributes, error) {
			if given {
				return 0, nil, io.EOF
			}
			given = true
			return copy(b, datagram), make(interceptor.Attributes), nil
		}
		var c Call
		c.readControls(read, func(raw []byte, packets []rtcp.Packet) {
			if string(raw) != string(datagram) || len(packets) == 0 {
				t.Errorf("%d packets of %x, taken for %x", len(packets), datagram, raw)
			}
			_ = reports(packets)
			_ = about(packets, 2)
		})
	})
}

// FuzzFragment: what is taken from a trickled fragment is within its bounds and cannot become more than one line of a
// description.
func FuzzFragment(f *testing.F) {
	const head = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
	for _, s := range []string{
		"", head, head + "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 2113929471 192.0.2.1 50000 typ host\r\na=end-of-candidates\r\n",
		"m=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + head, "a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active ufrag abcd\r\n",
		"a=candidate:1 1 udp 1 x.local 9 typ host\n", "a=ice-ufrag:ab\rcd\r\na=ice-pwd:ab\rcd\r\n", "a=candidate:\r\n", "m=\na=mid:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseFragment(s)
		if err != nil {
			return
		}
		if len(got.mids) > maxLines || len(got.candidates) > maxCandidates {
			t.Errorf("%d lines, %d candidates", len(got.mids), len(got.candidates))
		}
		for _, v := range append([]string{got.ice.ufrag, got.ice.pwd}, got.candidates...) {
			if strings.ContainsAny(v, "\r\n\x00") {
				t.Errorf("more than a line: %q", v)
			}
		}
		for _, c := range got.candidates {
			if _, err := ice.UnmarshalCandidate(c); err != nil {
				t.Errorf("candidate %q: %v", c, err)
			}
		}
	})
}

// FuzzOffer: any text given as an offer, to call or to listen, is an ErrOffer or makes a call whose answer the offering
// side could take, and which is freed at once.
func FuzzOffer(f *testing.F) {
	e, err := Listen(Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	out, offer, err := e.Offer(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(out.Close)
	from, _, err := e.Answer(f.Context(), offer)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(from.Close)
	_, two := supervise(f)
	for _, s := range []string{
		offer, two,
		strings.ReplaceAll(offer, "a=mid:0", "a=mid:0\r\na=rid:x send\r\na=simulcast:send x"),
		strings.ReplaceAll(offer, "a=ssrc:", "a=ssrc-group:FID 1 2\r\na=ssrc:"),
		strings.ReplaceAll(offer, "a=candidate:", "a=candidate:x\r\na=candidate:"),
		strings.ReplaceAll(offer, "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:"),
		strings.ReplaceAll(offer, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=application 0 DTLS/SCTP 5000"),
		strings.ReplaceAll(offer, "a=rtpmap:111 opus/48000/2", "a=extmap:0 x\r\na=extmap:15/sendonly urn:x\r\na=rtpmap:111 opus/48000/2"),
		strings.ReplaceAll(offer, "a=sctp-port:5000", "a=sctp-port:99999"),
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, offer string, listen bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		end, answer, err := offered(ctx, e, offer, from, listen)
		if err != nil {
			if !errors.Is(err, ErrOffer) {
				t.Errorf("unclassed error %v", err)
			}
			return
		}
		start := time.Now()
		end()
		if d := time.Since(start); d >= closeLimit {
			t.Errorf("closing took %v", d)
		}
		described := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
		if _, err := described.Unmarshal(); err != nil {
			t.Errorf("answer cannot be read: %v", err)
		}
	})
}

// FuzzReoffer: whatever a further offer says, the call is either answered it or told an ErrOffer, and goes on: it takes
// the next good one.
func FuzzReoffer(f *testing.F) {
	e, err := Listen(Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	out, offer, err := e.Offer(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(out.Close)
	const candidate = "a=mid:0\r\na=candidate:1 1 "
	for _, edit := range [][2]string{
		{"a=mid:1", "a=mid:0"}, {"a=mid:1\r\n", ""}, {"SAVPF 111 110", "SAVPF 111"}, {"a=rtpmap:110 telephone-event/48000", "a=rtpmap:110 x/8000"},
		{"a=mid:0", candidate + "udp 1 foo.local 9 typ host"}, {"a=mid:0", candidate + "tcp 1 192.0.2.1 9 typ host tcptype x"},
		{"a=mid:0", candidate + "udp 1 192.0.2.1 9 typ srflx"}, {"a=mid:0", candidate + "udp 1 192.0.2.1 9 typ host generation"},
		{"a=ice-pwd:", "a=ice-pwd: x"}, {"a=ice-ufrag:", "a=ice-ufrag:ab\r\na=y:"}, {"a=ice-ufrag:", "a=ice-ufrag:new"}, {"a=setup:actpass", "a=setup:passive"},
		{"a=group:BUNDLE 0 1", "a=group:BUNDLE 1"}, {"m=application 9", "m=application 0"}, {"a=mid:0", "a=mid:0\r\na=rid:x send\r\na=simulcast:send x"},
		{"a=ssrc:", "a=ssrc:x"}, {"a=sendrecv", "a=inactive"}, {"m=application", "m=video"}, {"m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 RTP/AVP 0"},
	} {
		f.Add(strings.ReplaceAll(offer, edit[0], edit[1]))
	}
	f.Fuzz(func(t *testing.T, further string) {
		in, _, err := e.Answer(t.Context(), offer)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if _, err := in.Reoffer(t.Context(), further); err != nil && !errors.Is(err, ErrOffer) {
			t.Errorf("unclassed error %v", err)
		}
		if _, err := in.Reoffer(t.Context(), offer); err != nil {
			t.Errorf("it takes no further offer: %v", err)
		}
	})
}

// FuzzRestart: a fragment that restarts ICE, with any candidate, leaves the call as able to restart as before.
func FuzzRestart(f *testing.F) {
	e, err := Listen(Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	out, offer, err := e.Offer(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(out.Close)
	for _, c := range []string{
		"1 1 udp 2113929471 192.0.2.1 50000 typ host", "1 1 tcp 1 192.0.2.1 9 typ host tcptype active ufrag abcd", "1 1 udp 1 x.local 9 typ host",
		"1 1 udp 1 192.0.2.1 9 typ srflx raddr 10.0.0.1 rport 9 generation 0", "1 1 udp 1 2001:db8::1 9 typ relay raddr :: rport 0 network-cost 10 x y",
		" 1 udp 1 192.0.2.1 9 typ prflx raddr 1 rport 2 a  b", "1 1 tcp 1 192.0.2.1 9 typ srflx raddr 1.1.1.1 rport 2 tcptype so",
	} {
		f.Add(c)
	}
	const head = "a=ice-ufrag:%s\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
	f.Fuzz(func(t *testing.T, candidate string) {
		in, _, err := e.Answer(t.Context(), offer)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if _, err := in.Patch(t.Context(), fmt.Sprintf(head, "first")+"a=candidate:"+candidate, true); err != nil && !errors.Is(err, ErrOffer) {
			t.Errorf("unclassed error %v", err)
		}
		if _, err := in.Patch(t.Context(), fmt.Sprintf(head, "second"), true); err != nil {
			t.Errorf("it takes no further restart: %v", err)
		}
	})
}

// offered makes a call or a listener of an offer; end frees it.
func offered(ctx context.Context, e *Endpoint, offer string, from *Call, listen bool) (end func(), answer string, err error) {
	if listen {
		l, answer, err := e.AnswerListener(ctx, offer, from)
		if err != nil {
			return nil, "", err
		}
		return l.Close, answer, nil
	}
	c, answer, err := e.Answer(ctx, offer)
	if err != nil {
		return nil, "", err
	}
	return c.Close, answer, nil
}
