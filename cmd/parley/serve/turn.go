package serve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"parley/media/rtc"
	"parley/media/rtc/turn"
)

// turnPort is where the TURN server listens for --turn auto.
const turnPort = 3478

// remoteTTL is how long credentials for a TURN server elsewhere are good: longer than any call.
const remoteTTL = 12 * time.Hour

// relays are the TURN servers that callers are told.
type relays struct {
	own    *turn.Server // nil: none
	remote func(now time.Time) []rtc.ICEServer
}

// openRelays opens the TURN server that --turn asks for, for calls on the port at audio.
func (n Network) openRelays(audio netip.AddrPort, k *kit) (relays, error) {
	var r relays
	var err error
	if len(n.TURNServers) > 0 {
		if n.TURNSecret == "" {
			return r, errors.New("--turn-servers needs their shared secret in the environment as PARLEY_TURN_SECRET")
		}
		if r.remote, err = turn.Remote(n.TURNServers, []byte(n.TURNSecret), remoteTTL); err != nil {
			return r, err
		}
	}
	if n.TURN == "" {
		return r, nil
	}
	addr := n.TURN
	if addr == "auto" {
		host, _, err := net.SplitHostPort(n.Listen)
		if err != nil {
			return r, fmt.Errorf("--listen %s: %w", n.Listen, err)
		}
		addr = net.JoinHostPort(host, strconv.Itoa(turnPort))
	}
	r.own, err = turn.Listen(turn.Options{Addr: addr, Public: n.PublicIP, Media: []netip.AddrPort{audio}, Secret: []byte(n.TURNSecret), Logger: k.log})
	if err != nil {
		return r, fmt.Errorf("open the TURN server at %s: %w (--turn chooses another address)", addr, err)
	}
	return r, nil
}

// servers are what a caller is told now.
func (r relays) servers(now time.Time) (all []rtc.ICEServer) {
	if r.own != nil {
		all = append(all, r.own.Servers(now)...)
	}
	if r.remote != nil {
		all = append(all, r.remote(now)...)
	}
	return all
}

func (r relays) close() error {
	if r.own == nil {
		return nil
	}
	return r.own.Close()
}
