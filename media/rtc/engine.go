package rtc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/sdp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// The bounds of what a peer may make us hold.
const (
	receiveMTU   = 1500
	messageLimit = 16 << 10  // one data channel message, both ways
	sctpWindow   = 128 << 10 // messages not yet read
	handshakeGap = 200 * time.Millisecond
	resendMost   = time.Second // from one attempt to send a message to the next: after an outage it must not wait for as long again
)

// engines makes the three kinds of peer connection that the endpoint needs.
func (e *Endpoint) engines(o Options, logs scopes) error {
	var err error
	if e.port.mux != nil {
		if e.passive, err = e.engine(o, logs, spoken, e.answering(o, webrtc.DTLSRoleServer)); err != nil {
			return err
		}
		if e.active, err = e.engine(o, logs, spoken, e.answering(o, webrtc.DTLSRoleClient)); err != nil {
			return err
		}
	}
	if e.servers, err = serversOf(o); err != nil {
		return err
	}
	codecs, err := offerable(o.Codecs)
	if err != nil {
		return err
	}
	e.caller, err = e.engine(o, logs, codecs, func(s *webrtc.SettingEngine) error {
		s.SetPrflxAcceptanceMinWait(0) // take the first pair that works
		if o.RelayOnly {
			e.policy = webrtc.ICETransportPolicyRelay
			s.SetRelayAcceptanceMinWait(0) // no better pair can come
		}
		switch o.Network {
		case "", "udp":
		case "tcp":
			s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
		default:
			return fmt.Errorf("call by network %q: give udp or tcp", o.Network)
		}
		return nil
	})
	return err
}

func serversOf(o Options) (out []webrtc.ICEServer, err error) {
	if o.RelayOnly && len(o.Servers) == 0 {
		return nil, errors.New("call by a relay only: name a TURN server")
	}
	for _, s := range o.Servers {
		if len(s.URLs) == 0 {
			return nil, errors.New("use an ICE server: it has no URL")
		}
		for _, u := range s.URLs {
			if _, err := stun.ParseURI(u); err != nil {
				return nil, fmt.Errorf("use ICE server %q: %w", u, err)
			}
		}
		out = append(out, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return out, nil
}

// answering is what differs for answered calls: they share the port and have a fixed role.
func (e *Endpoint) answering(o Options, r webrtc.DTLSRole) func(*webrtc.SettingEngine) error {
	return func(s *webrtc.SettingEngine) error {
		s.SetICEUDPMux(lossyMux{e.port.mux})
		if e.port.streams != nil {
			s.SetICETCPMux(e.port.streams)
			s.SetNetworkTypes(append(e.networks(o), webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6))
		}
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

// engine makes peer connections of one kind.
type engine struct {
	settings webrtc.SettingEngine
	media    webrtc.MediaEngine
	logs     scopes
}

func (e *Endpoint) engine(o Options, logs scopes, codecs []media.Codec, more func(*webrtc.SettingEngine) error) (*engine, error) {
	kind := &engine{settings: e.settings(o, logs), logs: logs}
	if err := more(&kind.settings); err != nil {
		return nil, err
	}
	if err := register(&kind.media, codecs); err != nil {
		return nil, err
	}
	// Not sdes:mid: with it registered, a track whose SSRC the offer does not tell is taken for simulcast,
	// and refused for want of a stream id. Without it, the track is found by its payload type.
	level := webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}
	if err := kind.media.RegisterHeaderExtension(level, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register audio level: %w", err)
	}
	return kind, nil
}

// connection makes the peer connection of a call, with interceptors of its own.
func (k *engine) connection(config webrtc.Configuration, c *Call) (*webrtc.PeerConnection, error) {
	receiver, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(k.logs))
	if err != nil {
		return nil, fmt.Errorf("make receiver reports: %w", err)
	}
	sender, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(k.logs), report.SenderNow(c.wall))
	if err != nil {
		return nil, fmt.Errorf("make sender reports: %w", err)
	}
	var r interceptor.Registry
	r.Add(ownControls{c}) // the first: what the others send passes it, once
	r.Add(lean{receiver})
	r.Add(sender)
	api := webrtc.NewAPI(webrtc.WithSettingEngine(k.settings), webrtc.WithMediaEngine(&k.media), webrtc.WithInterceptorRegistry(&r))
	pc, err := api.NewPeerConnection(config)
	if err != nil {
		return nil, fmt.Errorf("make peer connection: %w", err)
	}
	return pc, nil
}

func (e *Endpoint) settings(o Options, logs scopes) webrtc.SettingEngine {
	s := webrtc.SettingEngine{LoggerFactory: logs}
	s.DetachDataChannels()
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(o.Loopback)
	s.SetNetworkTypes(e.networks(o))
	s.SetRemoteIPFilter(func(ip net.IP) bool { return reachable(ip, o.Loopback) })

	// The agent only notices the network's silence; when the call is over is ours to say.
	s.SetICETimeouts(e.limits.notice(), 0, e.limits.notice()*2/5)
	s.SetDTLSConnectContextMaker(func() (context.Context, func()) {
		return context.WithTimeout(context.Background(), e.limits.Connect)
	})
	s.SetDTLSRetransmissionInterval(handshakeGap)

	s.SetReceiveMTU(receiveMTU)
	s.SetSCTPMaxReceiveBufferSize(sctpWindow)
	s.SetSCTPMaxMessageSize(messageLimit)
	s.SetSCTPRTOMax(resendMost)
	return s
}

func (e *Endpoint) networks(o Options) []webrtc.NetworkType {
	types := []webrtc.NetworkType{webrtc.NetworkTypeUDP4}
	if e.port.addr.Addr().Is6() || wants6(o.Addr) {
		types = append(types, webrtc.NetworkTypeUDP6)
	}
	return types
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
