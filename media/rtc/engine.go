package rtc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// opus is the one codec of a call.
var opus = webrtc.RTPCodecParameters{
	RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: media.ClockRate, Channels: 2,
		SDPFmtpLine: "minptime=10;useinbandfec=1",
	},
	PayloadType: 111,
}

// The bounds of what a peer may make us hold.
const (
	receiveMTU   = 1500
	messageLimit = 16 << 10  // one data channel message, both ways
	sctpWindow   = 128 << 10 // messages not yet read
	handshakeGap = 200 * time.Millisecond
)

// engines makes the three kinds of peer connection that the endpoint needs.
func (e *Endpoint) engines(o Options, logs scopes) error {
	var err error
	if e.port.mux != nil {
		if e.passive, err = e.engine(o, logs, e.answering(o, webrtc.DTLSRoleServer)); err != nil {
			return err
		}
		if e.active, err = e.engine(o, logs, e.answering(o, webrtc.DTLSRoleClient)); err != nil {
			return err
		}
	}
	e.caller, err = e.engine(o, logs, func(s *webrtc.SettingEngine) error {
		s.SetPrflxAcceptanceMinWait(0) // take the first pair that works
		return nil
	})
	return err
}

// answering is what differs for answered calls: they share the port and have a fixed role.
func (e *Endpoint) answering(o Options, r webrtc.DTLSRole) func(*webrtc.SettingEngine) error {
	return func(s *webrtc.SettingEngine) error {
		s.SetICEUDPMux(e.port.mux)
		if len(o.Public) > 0 {
			rule := webrtc.ICEAddressRewriteRule{AsCandidateType: webrtc.ICECandidateTypeHost}
			for _, a := range o.Public {
				if !a.IsValid() || a.IsUnspecified() {
					return fmt.Errorf("announce public address %v: not an address that callers can use", a)
				}
				rule.External = append(rule.External, a.String())
			}
			if err := s.SetICEAddressRewriteRules(rule); err != nil {
				return fmt.Errorf("announce public addresses: %w", err)
			}
		}
		return s.SetAnsweringDTLSRole(r)
	}
}

func (e *Endpoint) engine(o Options, logs scopes, more func(*webrtc.SettingEngine) error) (*webrtc.API, error) {
	s := e.settings(o, logs)
	if err := more(&s); err != nil {
		return nil, err
	}
	var m webrtc.MediaEngine
	if err := m.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register Opus: %w", err)
	}
	// Not sdes:mid: with it registered, a track whose SSRC the offer does not tell is taken for simulcast,
	// and refused for want of a stream id. Without it, the track is found by its payload type.
	level := webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}
	if err := m.RegisterHeaderExtension(level, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register audio level: %w", err)
	}
	receiver, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(logs))
	if err != nil {
		return nil, fmt.Errorf("make receiver reports: %w", err)
	}
	sender, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(logs))
	if err != nil {
		return nil, fmt.Errorf("make sender reports: %w", err)
	}
	var r interceptor.Registry
	r.Add(lean{receiver})
	r.Add(sender)
	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(&m), webrtc.WithInterceptorRegistry(&r)), nil
}

func (e *Endpoint) settings(o Options, logs scopes) webrtc.SettingEngine {
	s := webrtc.SettingEngine{LoggerFactory: logs}
	s.DetachDataChannels()
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(o.Loopback)
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	if a := e.port.addr.Addr(); a.Is6() || wants6(o.Addr) {
		types = append(types, webrtc.NetworkTypeUDP6)
	}
	s.SetNetworkTypes(types)
	s.SetRemoteIPFilter(func(ip net.IP) bool { return reachable(ip, o.Loopback) })

	// The network's silence is noticed after a third of Vanish; when the call is over is ours to say.
	disconnected := e.limits.Vanish / 3
	s.SetICETimeouts(disconnected, 0, min(disconnected/2, 2*time.Second))
	s.SetDTLSConnectContextMaker(func() (context.Context, func()) {
		return context.WithTimeout(context.Background(), e.limits.Connect)
	})
	s.SetDTLSRetransmissionInterval(handshakeGap)

	s.SetReceiveMTU(receiveMTU)
	s.SetSCTPMaxReceiveBufferSize(sctpWindow)
	s.SetSCTPMaxMessageSize(messageLimit)
	return s
}

// wants6 is whether addr names the unspecified IPv6 address.
func wants6(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is6()
}

// reachable is whether a caller may make us send to ip: never to a group, and to this machine itself only
// if loopback is allowed.
func reachable(ip net.IP, loopback bool) bool {
	return !ip.IsMulticast() && !ip.IsUnspecified() && !ip.Equal(net.IPv4bcast) && (loopback || !ip.IsLoopback())
}
