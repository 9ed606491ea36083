// Package netverb is the verb "net": a bad network to try by hand. It stands before a running server as an HTTP proxy and
// rewrites the descriptions that pass, so that the audio of a page opened through it goes through an impairment relay
// (package netsim). Neither side learns of the other's own addresses, and no TURN server is told: there is no way around.
package netverb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"parley/internal/netsim"
)

// Cmd is the verb.
type Cmd struct {
	Profile  string `default:"lte-edge" env:"-" help:"The network: clean, wifi, lte-edge, burst5 or blackout2s."`
	Seed     uint64 `default:"1" env:"-" help:"Another seed loses other packets."`
	Server   string `default:"http://127.0.0.1:8321" placeholder:"URL" env:"-" help:"The server to stand before."`
	Listen   string `default:"127.0.0.1:8322" env:"-" help:"Where to open the page; an address of this computer only."`
	Insecure bool   `env:"-" help:"Do not check the certificate of an https server."`
}

// Help is what the verb says about itself below its first line.
func (*Cmd) Help() string {
	return `Open the page that it names in a browser and talk: the audio goes through the network.

While it runs,
  curl -X POST http://127.0.0.1:8322/-/cut    kills the path,
  curl -X POST http://127.0.0.1:8322/-/join   brings it back,
  curl -X POST http://127.0.0.1:8322/-/move   changes the caller's address,
  curl http://127.0.0.1:8322/-/net            tells what happened so far.`
}

const (
	headLimit = 10 * time.Second
	stopLimit = 2 * time.Second
)

// Run proxies until ctx ends and prints what the network did.
func (cmd *Cmd) Run(ctx context.Context, out io.Writer) (err error) {
	p, err := cmd.proxy()
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cmd.Listen)
	if err != nil {
		return fmt.Errorf("listen for the page: %w", err)
	}
	s := &http.Server{Handler: p.handler(), ReadHeaderTimeout: headLimit}
	fmt.Fprintf(out, "open http://%s/ : audio goes through %s, seed %d, to %s\n", ln.Addr(), p.profile.Name, p.seed, p.server)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		_ = s.Shutdown(limit) // what has not ended by then is cut off below
		cancel()
		<-served
	}
	err = errors.Join(err, s.Close(), p.close())
	fmt.Fprintln(out, p.report())
	return err
}

// proxy reads the flags.
func (cmd *Cmd) proxy() (*proxy, error) {
	profile, err := netsim.Named(cmd.Profile)
	if err != nil {
		return nil, fmt.Errorf("--profile: %w", err)
	}
	if err := local(cmd.Listen); err != nil {
		return nil, err
	}
	if !strings.Contains(cmd.Server, "://") {
		cmd.Server = "http://" + cmd.Server
	}
	server, err := url.Parse(cmd.Server)
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		return nil, fmt.Errorf("--server %s: it is not like http://host:port", cmd.Server)
	}
	t := &http.Transport{ResponseHeaderTimeout: time.Minute, IdleConnTimeout: time.Minute}
	if cmd.Insecure {
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // the flag says so
	}
	return &proxy{profile: profile, seed: cmd.Seed, server: server, transport: t, relays: map[netip.AddrPort]*netsim.Relay{}}, nil
}

// local refuses addresses that others reach: to the server everybody who comes through here is this computer.
func local(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", listen, err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %s: only an address of this computer, as 127.0.0.1, is served", listen)
	}
	return nil
}
