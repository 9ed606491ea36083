package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"parley/media/rtc"
	"parley/web"
	"parley/web/console"
	"parley/web/page"
)

// mediaPort is where audio goes unless --media says otherwise.
const mediaPort = 7882

// drainTime is how long calls under way may go on when the server is told to stop.
const drainTime = 10 * time.Second

// serve answers callers until ctx ends.
func (c *Cmd) serve(ctx context.Context, e *engines, k *kit) error {
	cert, scheme, err := certificate(c.TLS, c.Listen)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serve on %s: %w (--listen chooses another address)", c.Listen, err)
	}
	defer ln.Close()
	endpoint, err := c.endpoint(k.log)
	if err != nil {
		return err
	}
	defer endpoint.Close()
	relays, err := c.openRelays(endpoint.Addr(), k)
	if err != nil {
		return err
	}
	defer relays.close()
	limit := c.MaxSessions
	if limit <= 0 {
		limit = e.capacity
	}
	server := &web.Server{Endpoint: endpoint, MaxSessions: limit, Page: page.FS(), Logger: k.log,
		ICE: relays.servers, Origins: c.Origins, Listeners: c.Listeners, Turn: c.turns(), FixedTurn: !c.OwnTurns}
	d, err := c.openDeck(k.log)
	if err != nil {
		return err
	}
	if d != nil {
		shown := console.Handler(console.Options{Archive: d.archive, Allow: web.Local, Logger: k.log})
		defer shown.Close()
		server.Console = shown
		defer c.retain(ctx, d)()
	}
	server.Converse = func(ctx context.Context, s *web.Session) error {
		id := s.ID
		a := &account{price: e.prices.of}
		s.Used = a
		return conversation{
			engines: e, profile: c.profile(s.Turn),
			hello: web.Hello{Session: id, Build: Build(), STT: e.record["stt"], LLM: e.record["llm"], TTS: e.record["tts"], Recorded: d != nil},
			deck:  d, account: a,
			log: k.log.With(slog.String("call", short(id))),
		}.run(ctx, s)
	}
	h := &http.Server{Handler: withStats(server.Handler()), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, TLSConfig: cert,
		ErrorLog: slog.NewLogLogger(k.log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { // ends with h.Shutdown below
		if cert != nil {
			failed <- h.ServeTLS(ln, "", "")
		} else {
			failed <- h.Serve(ln)
		}
	}()
	c.announce(k, scheme, ln.Addr(), endpoint.Addr(), limit)
	select {
	case err = <-failed:
	case <-ctx.Done():
		k.log.Info("stopping", "limit", drainTime)
	}
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer done()
	_ = server.Drain(drain) // its error says only that calls were cut short
	stop, stopped := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stopped()
	return errors.Join(err, h.Shutdown(stop))
}

// short is the part of a session's id that may be logged: all of it is the right to end the session.
func short(id string) string { return id[:min(8, len(id))] }

// announce tells where the page is.
func (c *Cmd) announce(k *kit, scheme string, http net.Addr, audio netip.AddrPort, limit int) {
	host, port, _ := net.SplitHostPort(http.String())
	shown := host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		shown = "localhost"
	}
	url := scheme + "://" + net.JoinHostPort(shown, port)
	fmt.Fprintf(k.out, "listening on %s\n", url)
	fmt.Fprintf(k.out, "audio on UDP %s, up to %d at once\n", audio, limit)
	if !page.Built() {
		fmt.Fprintln(k.out, "this binary holds no page: 'make build' makes it")
	}
	if shown != host && scheme == "http" {
		fmt.Fprintln(k.out, "from other computers browsers give no microphone over plain http: add --tls self, and let the browser trust the certificate")
	}
	k.log.Info("serving", "url", url, "media", audio.String(), "maxSessions", limit)
}

// endpoint opens the UDP port for audio.
func (c *Cmd) endpoint(log *slog.Logger) (*rtc.Endpoint, error) {
	addr, auto, err := c.Audio()
	if err != nil {
		return nil, err
	}
	o := rtc.Options{Addr: addr, Public: c.PublicIP, Loopback: true, TCP: c.TCP, Logger: log,
		Timeouts: rtc.Timeouts{Connect: c.Connect, Vanish: c.Vanish, NoMedia: c.NoMedia, NotReceived: c.NotReceived}}
	e, err := rtc.Listen(o)
	if err != nil && auto {
		o.Addr = strings.TrimSuffix(addr, strconv.Itoa(mediaPort)) + "0"
		e, err = rtc.Listen(o)
	}
	if err != nil {
		return nil, fmt.Errorf("open the audio port %s: %w (--media chooses another)", addr, err)
	}
	return e, nil
}

// Build is the version of this binary: its commit, if it was built from one.
func Build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "development"
}
