package netverb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"parley/internal/netsim"
)

// The bounds of what passes.
const (
	bodyLimit = 256 << 10 // of a description
	maxRelays = 16        // a server has one port for audio, seldom more
)

// proxy stands before a server. Safe for concurrent use.
type proxy struct {
	profile   netsim.Profile
	seed      uint64
	server    *url.URL
	transport *http.Transport

	mu     sync.Mutex
	relays map[netip.AddrPort]*netsim.Relay // by target
	cut    bool
	closed bool
}

var (
	errLarge  = errors.New("a description over 256 KiB")
	errRelays = errors.New("the server has more ports for audio than there are relays")
	errClosed = errors.New("the proxy has ended")
)

// handler proxies; its own addresses are below /-/.
func (p *proxy) handler() http.Handler {
	r := &httputil.ReverseProxy{
		Transport: p.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.server)
			r.Out.Host = r.In.Host // so that the page's origin is the server's own
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: p.answer,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the server behind the network: "+err.Error(), http.StatusBadGateway)
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /-/cut", func(w http.ResponseWriter, _ *http.Request) { p.setCut(true) })
	mux.HandleFunc("POST /-/join", func(w http.ResponseWriter, _ *http.Request) { p.setCut(false) })
	mux.HandleFunc("POST /-/move", p.move)
	mux.HandleFunc("GET /-/net", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, p.report()) })
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		if err := hide(req); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		r.ServeHTTP(w, req)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// kind is what a body is: a description in JSON, or bare (a fragment of one too).
type kind uint8

const (
	other kind = iota
	inJSON
	bare
)

func kindOf(h http.Header) kind {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case err != nil:
	case t == "application/json":
		return inJSON
	case t == "application/sdp" || t == "application/trickle-ice-sdpfrag":
		return bare
	}
	return other
}

// hide drops the candidates of what the caller describes: the server learns of the path when it is used.
func hide(r *http.Request) error {
	k := kindOf(r.Header)
	if k == other || r.Body == nil {
		return nil
	}
	body, err := readAll(r.Body)
	if err != nil {
		return err
	}
	body, err = rewrite(k, body, func(sdp string) (string, error) {
		return netsim.Rewrite(sdp, netip.AddrPort{}, netip.AddrPort{}), nil
	})
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// answer lets the server's descriptions lead to a relay, and tells of no other way.
func (p *proxy) answer(res *http.Response) error {
	k := kindOf(res.Header)
	if k == other || res.Request.Method != http.MethodPost && res.Request.Method != http.MethodPatch {
		return nil
	}
	body, err := readAll(res.Body)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if body, err = rewrite(k, body, p.lead); err != nil {
		return err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Set("Content-Length", fmt.Sprint(len(body)))
	res.Header.Del("Link") // TURN servers of a WHIP answer
	return nil
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, bodyLimit+1))
	if err == nil && len(b) > bodyLimit {
		err = errLarge
	}
	return b, err
}

// rewrite changes the description in a body. A JSON body without one stays as it is; in one with a description the
// list of TURN servers becomes empty.
func rewrite(k kind, body []byte, change func(sdp string) (string, error)) ([]byte, error) {
	if k == bare {
		sdp, err := change(string(body))
		return []byte(sdp), err
	}
	var fields map[string]json.RawMessage
	var sdp string
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields["sdp"], &sdp) != nil {
		return body, nil
	}
	sdp, err := change(sdp)
	if err != nil {
		return nil, err
	}
	if fields["sdp"], err = json.Marshal(sdp); err != nil {
		return nil, fmt.Errorf("write description: %w", err)
	}
	if fields["iceServers"] != nil {
		fields["iceServers"] = json.RawMessage("[]")
	}
	return json.Marshal(fields)
}

// lead lets a description name the relay to its target. One that names no address, as an error or a fragment without
// candidates, stays.
func (p *proxy) lead(sdp string) (string, error) {
	if len(netsim.Candidates(sdp)) == 0 {
		return sdp, nil
	}
	target, err := netsim.Target(sdp, p.server.Hostname())
	if err != nil {
		return "", err
	}
	r, err := p.relay(target)
	if err != nil {
		return "", err
	}
	return netsim.Rewrite(sdp, target, r.Addr()), nil
}

// relay is the one to target.
func (p *proxy) relay(target netip.AddrPort) (*netsim.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r := p.relays[target]; {
	case r != nil:
		return r, nil
	case p.closed:
		return nil, errClosed
	case len(p.relays) >= maxRelays:
		return nil, errRelays
	}
	r, err := netsim.Listen(netsim.Options{Profile: p.profile, Seed: p.seed, Target: target})
	if err != nil {
		return nil, err
	}
	r.Cut(p.cut)
	p.relays[target] = r
	return r, nil
}

func (p *proxy) setCut(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	for _, r := range p.relays {
		r.Cut(cut)
	}
}

func (p *proxy) move(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.relays {
		if err := r.Move(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

// close ends the network.
func (p *proxy) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.transport.CloseIdleConnections()
	var errs []error
	for _, r := range p.relays {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// report says what the network did to the audio.
func (p *proxy) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var up, down netsim.Count
	for _, r := range p.relays {
		s := r.Stats()
		up.Audio, up.AudioLost, up.Cut = up.Audio+s.Up.Audio, up.AudioLost+s.Up.AudioLost, up.Cut+s.Up.Cut
		down.Audio, down.AudioLost, down.Cut = down.Audio+s.Down.Audio, down.AudioLost+s.Down.AudioLost, down.Cut+s.Down.Cut
	}
	var parts []string
	for _, way := range []struct {
		name string
		netsim.Count
	}{{"to the server", up}, {"from it", down}} {
		parts = append(parts, fmt.Sprintf("%s %d packets of audio, %d lost (%.1f %%), %d datagrams cut off",
			way.name, way.Audio, way.AudioLost, 100*float64(way.AudioLost)/float64(max(1, way.Audio)), way.Cut))
	}
	return fmt.Sprintf("network %s, seed %d: %s", p.profile.Name, p.seed, strings.Join(parts, "; "))
}
