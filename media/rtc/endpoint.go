package rtc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/pion/webrtc/v4"

	"parley/media"
)

// Options configure an Endpoint. The zero value can offer calls but not answer them.
type Options struct {
	// Addr is the one UDP "host:port" that all answered calls share; port 0 takes any free one. An empty or
	// unspecified host means every address of the machine. IPv6 is used only if the host is an IPv6
	// address, "[::]" for both. Empty: the endpoint has no port and cannot answer.
	Addr string
	// Public are the addresses told to callers in place of the local ones, for a machine behind a 1:1 NAT.
	Public []netip.Addr
	// Loopback offers this machine's loopback addresses too, and accepts a caller's.
	Loopback bool
	// TCP takes ICE over TCP too, on the same port number, for callers whose network lets no UDP out.
	TCP bool
	// Codecs are what a caller offers, in this order; empty: all. An answer takes Opus if it is offered, else the
	// first of the offer that is spoken.
	Codecs []media.Codec
	// Servers are a caller's STUN and TURN servers, and RelayOnly has it use the latter alone.
	Servers   []ICEServer
	RelayOnly bool
	// Network is a caller's: "udp", also if empty, or "tcp" for a connection by TCP alone, to a peer that takes it.
	Network string

	Timeouts Timeouts
	Logger   *slog.Logger // nil: discard
}

// ICEServer is a STUN or TURN server, as WebRTC describes it.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Timeouts say after how long a call is over. A zero field has the default; others are 100 ms to 10 minutes.
type Timeouts struct {
	// Connect is from the making of the call until it is connected, whatever state it hangs in: 15 s.
	Connect time.Duration
	// Vanish is from the last sign of life, on the network or by Call.Alive, until the call is given up: 15 s. A
	// peer that returns before that goes on as if nothing had been.
	Vanish time.Duration
	// NoMedia is how long a connected peer may send no RTP at all: 30 s. Muted browsers send, and a sender
	// that is silent by discontinuous transmission sends at least every 400 ms.
	NoMedia time.Duration
	// NotReceived is how long we may send without a receiver report that tells of new packets: 15 s, with
	// a warning in the log at half of it. Browsers report every 2.5 to 7.5 s.
	NotReceived time.Duration
}

// The bounds of a timeout: below, the network's ordinary jitter ends calls; above, it frees nothing.
const leastTimeout, mostTimeout = 100 * time.Millisecond, 10 * time.Minute

func (t Timeouts) orDefault() (Timeouts, error) {
	for _, f := range []struct {
		name string
		d    *time.Duration
		v    time.Duration
	}{
		{"Connect", &t.Connect, 15 * time.Second},
		{"Vanish", &t.Vanish, 15 * time.Second},
		{"NoMedia", &t.NoMedia, 30 * time.Second},
		{"NotReceived", &t.NotReceived, 15 * time.Second},
	} {
		switch {
		case *f.d == 0:
			*f.d = f.v
		case *f.d < leastTimeout || *f.d > mostTimeout:
			return t, fmt.Errorf("time out %s after %v: give %v to %v, or zero for %v", f.name, *f.d, leastTimeout, mostTimeout, f.v)
		}
	}
	return t, nil
}

// Endpoint makes calls. All answered calls share its UDP port and every call its certificate; a call that it
// offers has a socket of its own. Safe for concurrent use.
type Endpoint struct {
	limits  Timeouts
	log     *slog.Logger
	cert    webrtc.Certificate
	port    *port
	passive *engine // answers, waits for the DTLS handshake
	active  *engine // answers, begins the DTLS handshake
	caller  *engine // offers
	servers []webrtc.ICEServer
	policy  webrtc.ICETransportPolicy
}

// Listen opens the port and makes the certificate. The endpoint is freed by Close.
func Listen(o Options) (*Endpoint, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	limits, err := o.Timeouts.orDefault()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	cert, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	e := &Endpoint{limits: limits, log: log, cert: *cert}
	logs := scopes{log}
	if e.port, err = listen(o, logs); err != nil {
		return nil, err
	}
	if err := e.engines(o, logs); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Addr is the address of the port: its host is that of Options.Addr, its number the one really opened. Zero
// for an endpoint without a port.
func (e *Endpoint) Addr() netip.AddrPort { return e.port.addr }

// Close frees the port. Calls that are still on it lose their peer: end them first.
func (e *Endpoint) Close() error { return e.port.close() }

// Answer takes a caller's offer (SDP) and returns the call and the answer to send back, with all candidates
// in it. An offer that cannot become a call that both sides hear is the caller's fault: the error is an
// ErrOffer and its text says what to do. The call lives when its Run does; a call that will not be run must
// be closed.
func (e *Endpoint) Answer(ctx context.Context, offer string) (*Call, string, error) {
	if e.passive == nil {
		return nil, "", errors.New("answer offer: this endpoint has no port")
	}
	line, err := checkOffer(offer)
	if err != nil {
		return nil, "", err
	}
	kind := e.passive
	if line.passive {
		kind = e.active
	}
	c, err := e.newCall(kind)
	if err != nil {
		return nil, "", err
	}
	answer, err := c.answer(ctx, line, nil)
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, answer, nil
}

// Offer begins a call in the caller's role and returns it with the offer to send, all candidates in it. The
// peer's answer goes to Accept, before or while Run runs.
func (e *Endpoint) Offer(ctx context.Context) (*Call, string, error) {
	c, err := e.newCall(e.caller)
	if err != nil {
		return nil, "", err
	}
	offer, err := c.offer(ctx)
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, offer, nil
}
