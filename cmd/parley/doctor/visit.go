package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/media/rtc"
)

// ErrUnreachable is returned when no call to the server of --url is possible from this computer.
var ErrUnreachable = errors.New("no call to that server is possible from here: mend what failed")

// visit looks at a running server from this computer.
type visit struct {
	*remote
	answer answer        // to a first offer
	places []candidate   // of the answer
	works  []string      // the ways that do
	best   time.Duration // of the quickest
	wait   time.Duration // a way may take
}

// visit examines the server: whether it answers, and by which ways its audio can be reached.
func (c *Cmd) visit(ctx context.Context, r *report) error {
	to, err := newRemote(c.URL, c.Insecure)
	if err != nil {
		return err
	}
	return (&visit{remote: to, wait: pathTime}).examine(ctx, r)
}

func (v *visit) examine(ctx context.Context, r *report) error {
	for _, step := range []check{{"server", v.health}, {"addresses", v.offered}} {
		if err := r.all(ctx, nil, []check{step}); err != nil {
			return err
		}
		if r.failed > 0 {
			r.say("No call was tried: that comes when this is mended.")
			return r.end("", ErrUnreachable)
		}
	}
	var ways []check
	for _, w := range v.ways() {
		ways = append(ways, check{w.name, func(ctx context.Context, _ *patient) Finding { return v.walk(ctx, w) }})
	}
	if err := r.all(ctx, nil, append(ways, check{"call", v.verdict})); err != nil {
		return err
	}
	return r.end("A call to "+v.base.Redacted()+" is possible from here.", ErrUnreachable)
}

// health asks whether the server takes calls.
func (v *visit) health(ctx context.Context, _ *patient) Finding {
	began := time.Now()
	_, err := v.ask(ctx, http.MethodGet, "healthz", nil)
	took := millis(time.Since(began))
	var status errStatus
	var untrusted *tls.CertificateVerificationError
	switch {
	case err == nil:
		return fine("it takes calls, and said so after " + took)
	case errors.As(err, &untrusted):
		return fail("its certificate is not trusted: "+untrusted.Err.Error(), "--insecure does not check it; browsers do: get one with a name that they trust")
	case errors.As(err, &status) && status.code == http.StatusNotFound:
		return warn("it has no /healthz: perhaps it is another program than parley", "check the host and the port of --url")
	case errors.As(err, &status):
		return fail(status.text, "wait until it is ready, or look at its log")
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the method and the URL
	}
	return fail(err.Error(), "start it there, with --listen on an address that this computer can reach, and let a firewall pass TCP "+v.base.Host)
}

// offered makes an offer to see what the server answers.
func (v *visit) offered(ctx context.Context, _ *patient) Finding {
	e, err := rtc.Listen(rtc.Options{Loopback: true})
	if err != nil {
		return fail(err.Error(), "this computer needs a network address")
	}
	defer e.Close() // it has no port that could fail to close
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return fail(err.Error(), "this computer needs a network address")
	}
	defer call.Close()
	began := time.Now()
	if v.answer, err = v.offer(ctx, offer); err != nil {
		var status errStatus
		if errors.As(err, &status) && status.code == http.StatusServiceUnavailable {
			return fail("it takes no call now: "+status.text, "call again in a moment, or raise its --max-sessions")
		}
		return fail("it did not answer an offer: "+err.Error(), "'parley serve' takes offers at /offer: check --url")
	}
	took := time.Since(began)
	v.hangUp(ctx, v.answer.Session)
	v.places = candidates(v.answer.SDP)
	found := fmt.Sprintf("ours %s; the server's, after %s, %s", list(candidates(offer), "udp"), millis(took), list(v.places, "udp", "tcp"))
	if turn := v.relays("udp", "tcp", "tls"); len(turn) > 0 {
		found += " and " + strings.Join(turn, ", ")
	}
	if len(v.places) == 0 {
		return fail(found, "start the server with --listen or --media on an address of its machine")
	}
	if mend := v.misled(); mend != "" {
		return warn(found, mend)
	}
	return fine(found)
}

// list names candidates by their transport.
func list(all []candidate, transports ...string) string {
	var words []string
	for _, t := range transports {
		var of []string
		for _, c := range all {
			if c.transport == t {
				of = append(of, c.addr.String())
			}
		}
		if len(of) > 0 {
			words = append(words, strings.ToUpper(t)+" "+strings.Join(of, ", "))
		}
	}
	if len(words) == 0 {
		return "no address"
	}
	return strings.Join(words, " and ")
}

// misled says what is wrong with the addresses of an answer that lead elsewhere than the server's own.
func (v *visit) misled() string {
	host := v.base.Hostname()
	at, err := netip.ParseAddr(host)
	here := host == "localhost" || err == nil && at.IsLoopback()
	loopback, private := true, true
	for _, p := range v.places {
		loopback = loopback && p.addr.Addr().IsLoopback()
		private = private && (p.addr.Addr().IsPrivate() || p.addr.Addr().IsLoopback())
	}
	switch {
	case here:
		return ""
	case loopback:
		return "these lead to the server's own machine only: start it with --listen or --media on 0.0.0.0, or on its address"
	case private && err == nil && !at.IsPrivate():
		return "these are private, and " + host + " is not: if the server stands behind a NAT, start it with --public-ip " + host
	}
	return ""
}

// relays are the URLs of the TURN servers that the answer names, by the transport to them.
func (v *visit) relays(transports ...string) (urls []string) {
	for _, s := range v.answer.ICEServers {
		for _, u := range s.URLs {
			if slices.Contains(transports, transport(u)) {
				urls = append(urls, u)
			}
		}
	}
	return urls
}

// transport is how the server of a URL is reached; empty: it is no TURN server.
func transport(url string) string {
	switch {
	case strings.HasPrefix(url, "turns:"):
		return "tls"
	case !strings.HasPrefix(url, "turn:"):
		return ""
	case strings.HasSuffix(url, "?transport=tcp"):
		return "tcp"
	}
	return "udp"
}

// ways are those that the answer offers.
func (v *visit) ways() (all []way) {
	for _, t := range []string{"udp", "tcp"} {
		if at := list(v.places, t); at != "no address" {
			all = append(all, way{
				name: strings.ToUpper(t), take: t, via: rtc.Options{Network: t},
				mend: "let " + at + " through, in the server's firewall and in that of this network",
			})
		}
	}
	for _, t := range []string{"udp", "tcp", "tls"} {
		w := way{name: "TURN over " + strings.ToUpper(t), take: "udp", urls: v.relays(t), via: rtc.Options{RelayOnly: true}}
		for _, s := range v.answer.ICEServers {
			s.URLs = slices.DeleteFunc(slices.Clone(s.URLs), func(u string) bool { return transport(u) != t })
			if len(s.URLs) > 0 {
				w.via.Servers = append(w.via.Servers, s)
			}
		}
		if len(w.urls) > 0 {
			w.mend = "let the TURN server reach " + list(v.places, "udp")
			all = append(all, w)
		}
	}
	return all
}

// walk tries one way. One that fails is only a warning: another may do.
func (v *visit) walk(ctx context.Context, w way) Finding {
	o, err := v.try(ctx, w, v.wait)
	switch {
	case err != nil:
		return warn("no call: "+err.Error(), w.mend)
	case o.unrelayed:
		return warn("no relay from "+strings.Join(w.urls, ", "),
			"let that port through, here and there; if it is open, the server's secret or its clock is not the TURN server's")
	case o.connected == 0:
		return warn(fmt.Sprintf("not connected within %v", v.wait), w.mend)
	}
	v.works = append(v.works, w.name)
	if v.best == 0 || o.connected < v.best {
		v.best = o.connected
	}
	if o.heard == 0 {
		return warn(fmt.Sprintf("connected after %s, and no sound came in %v", millis(o.connected), hearTime), "look at the server's log: its agent may be silent by design")
	}
	return fine(fmt.Sprintf("connected after %s, first sound after %s", millis(o.connected), millis(o.heard)))
}

// verdict says whether there is a way, and what would make one.
func (v *visit) verdict(context.Context, *patient) Finding {
	if len(v.works) > 0 {
		return fine("possible by " + strings.Join(v.works, ", ") + "; the quickest was connected after " + millis(v.best))
	}
	var more []string
	if list(v.places, "tcp") == "no address" {
		more = append(more, "--tcp takes audio over TCP too")
	}
	if len(v.relays("udp", "tcp", "tls")) == 0 {
		more = append(more, "--turn auto runs a TURN server beside it")
	}
	mend := "mend one of the ways above"
	if len(more) > 0 {
		mend += ", or start the server with more: " + strings.Join(more, ", ")
	}
	return fail("none of the ways that the server offers works from here", mend)
}
