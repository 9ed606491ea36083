package rtc

import "time"

// peer is what the peer connection says of the other side.
type peer uint8

const (
	connecting peer = iota
	up
	down   // no sign of life for a while
	failed // the handshake failed, or the like: no use waiting
	closed // the peer said goodbye
)

// vitals are what the timers of a call look at; times are on the session clock, zero for never.
type vitals struct {
	peer     peer
	received time.Duration // last RTP packet in
	sent     time.Duration // last RTP packet out
	reported time.Duration // last receiver report that told of new packets
}

// watch decides when a call is over. It is pure: step is told the time.
type watch struct {
	limits    Timeouts
	connected bool
	upSince   time.Duration // the peer has been up without a break
	downSince time.Duration
	wasUp     bool
	sendSince time.Duration // sending has gone on without a break; zero: we do not send
	warned    bool
}

// pause is how long a break in sending ends the wait for reports: silence is one packet every 400 ms.
const pause = 2 * time.Second

// step takes what is known at now and returns why the call is over, if it is. warn is true once a spell when
// half of the time for a receiver report has passed.
func (w *watch) step(now time.Duration, v vitals) (warn bool, err error) {
	switch v.peer {
	case closed:
		if !w.connected {
			return false, ErrNeverConnected
		}
		return false, ErrHangup
	case connecting:
		return false, w.unconnected(now)
	case up:
		if !w.wasUp {
			w.connected, w.wasUp, w.upSince, w.sendSince = true, true, now, 0
		}
		return w.media(now, v)
	default:
		return false, w.lost(now, v.peer)
	}
}

// unconnected is also where a call that was connected waits while its peer comes back.
func (w *watch) unconnected(now time.Duration) error {
	if w.connected {
		return w.lost(now, down)
	}
	if now >= w.limits.Connect {
		return ErrNeverConnected
	}
	return nil
}

func (w *watch) lost(now time.Duration, p peer) error {
	if !w.connected {
		if p == failed {
			return ErrNeverConnected
		}
		return w.unconnected(now)
	}
	if w.wasUp {
		w.wasUp, w.downSince = false, now
	}
	// A third of the time was gone before the network's silence was noticed.
	if p == failed || now-w.downSince >= w.limits.Vanish*2/3 {
		return ErrVanished
	}
	return nil
}

func (w *watch) media(now time.Duration, v vitals) (warn bool, err error) {
	if now-max(v.received, w.upSince) >= w.limits.NoMedia {
		return false, ErrNoMedia
	}
	if v.sent == 0 || now-v.sent >= pause {
		w.sendSince, w.warned = 0, false
		return false, nil
	}
	if w.sendSince == 0 {
		w.sendSince = now
	}
	switch quiet := now - max(v.reported, w.sendSince); {
	case quiet >= w.limits.NotReceived:
		return false, ErrNotReceived
	case quiet < w.limits.NotReceived/2:
		w.warned = false
	case !w.warned:
		w.warned = true
		return true, nil
	}
	return false, nil
}
