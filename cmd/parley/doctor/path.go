package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/media"
	"parley/media/rtc"
)

const (
	pathTime = 10 * time.Second // a way may take to be gone
	hearTime = 2 * time.Second  // the first packet may take to come once it is
)

// silence is 20 ms of it in Opus.
var silence = []byte{0xf8, 0xff, 0xfe}

// way is one way of reaching the server's audio.
type way struct {
	name string      // of the finding
	take string      // the transport of the candidates of the answer that are kept: "udp" or "tcp"
	via  rtc.Options // how the call is made
	urls []string    // of the TURN servers it goes by
	mend string
}

// outcome is how far a call came.
type outcome struct {
	unrelayed bool          // the TURN servers gave no relay
	connected time.Duration // since the beginning; 0: it did not
	heard     time.Duration // since the beginning, the first packet; 0: none
}

// candidate is a place where audio is taken.
type candidate struct {
	transport string // "udp" or "tcp"
	addr      netip.AddrPort
}

// parseCandidate reads the value of an SDP line "a=candidate:…"; one that names no address is none.
func parseCandidate(line string) (candidate, bool) {
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "a=candidate:")
	f := strings.Fields(text)
	if !ok || len(f) < 8 {
		return candidate{}, false
	}
	a, err := netip.ParseAddrPort(f[4] + ":" + f[5])
	if strings.Contains(f[4], ":") {
		a, err = netip.ParseAddrPort("[" + f[4] + "]:" + f[5])
	}
	return candidate{strings.ToLower(f[2]), a}, err == nil
}

// candidates are those of a description, each once.
func candidates(sdp string) (all []candidate) {
	for line := range strings.Lines(sdp) {
		if c, ok := parseCandidate(line); ok && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// only leaves the candidates of one transport in a description.
func only(sdp, transport string) string {
	var out strings.Builder
	for line := range strings.Lines(sdp) {
		if c, ok := parseCandidate(line); strings.HasPrefix(line, "a=candidate:") && (!ok || c.transport != transport) {
			continue
		}
		out.WriteString(line)
	}
	return out.String()
}

// try makes a call by one way, which may take a while, and hangs up.
func (r *remote) try(ctx context.Context, w way, wait time.Duration) (o outcome, err error) {
	w.via.Loopback, w.via.Codecs = true, []media.Codec{media.Opus}
	e, err := rtc.Listen(w.via)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("not connected within %v", wait))
	defer cancel()
	began := time.Now()
	call, offer, err := e.Offer(ctx)
	if err != nil && w.via.RelayOnly { // a TURN server that does not answer is waited for too long
		return outcome{unrelayed: true}, nil
	}
	if err != nil {
		return o, err
	}
	defer call.Close()
	if w.via.RelayOnly && len(candidates(offer)) == 0 {
		return outcome{unrelayed: true}, nil
	}
	a, err := r.offer(ctx, offer)
	if err != nil {
		return o, err
	}
	defer r.hangUp(context.WithoutCancel(ctx), a.Session)
	if err := call.Accept(only(a.SDP, w.take)); err != nil {
		return o, err
	}
	o.connected, o.heard = lives(ctx, call, began)
	return o, nil
}

// lives runs a call until it is connected and something was heard. It returns when that was.
func lives(ctx context.Context, call *rtc.Call, began time.Time) (connected, heard time.Duration) {
	up := call.Up().Tap(50, media.DropNewest)
	defer up.Close()
	var all sync.WaitGroup
	defer all.Wait()
	defer call.Close()
	ended := make(chan struct{})
	all.Go(func() {
		defer close(ended)
		_ = call.Run(ctx) // that it does not connect is told by connected
	})
	select {
	case <-call.Connected():
		connected = time.Since(began)
	case <-ended:
		return 0, 0
	}
	own, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	all.Go(func() { speak(own, call) })
	for range up.All(own) {
		return connected, time.Since(began)
	}
	return connected, 0
}

// speak sends silence, as a caller who listens does.
func speak(ctx context.Context, call *rtc.Call) {
	tick := time.NewTicker(media.FrameDuration)
	defer tick.Stop()
	for p := (media.Packet{Marker: true, Payload: silence}); ; p.Seq++ {
		call.Send(p)
		p.Marker = false
		p.Time += media.ClockRate / 50
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
