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
	received time.Duration // last RTP packet in, or when last none was due
	sent     time.Duration // last RTP packet out
	reported time.Duration // last receiver report that told of new packets
	alive    time.Duration // last sign of life by another way
}

// event is what a step has to tell beside the end.
type event uint8

const (
	nothing event = iota
	unheard       // half of the time for a receiver report has passed: once a spell
	lost          // the path is
	back          // likewise
)

// watch decides when a call is over. It is pure: step is told the time.
type watch struct {
	limits    Timeouts
	connected bool
	begun     time.Duration // when it was
	upSince   time.Duration // the peer has been up without a break
	downSince time.Duration
	wasUp     bool
	sendSince time.Duration // sending has gone on without a break; zero: we do not send
	warned    bool
}

// lostLimit is how long a call may be without a path, however alive its peer says it is: it is a conversation, and one
// that was broken for a minute is over for both.
const lostLimit = time.Minute

// notice is how long the network is silent until the path counts as lost: two checks that were not answered, or
// several packets. Keepalives go every 0.4 of it.
func (t Timeouts) notice() time.Duration { return min(2*time.Second, t.Vanish/3) }

// pause is how long a break in sending ends the wait for reports: silence is one packet every 400 ms.
const pause = 2 * time.Second

// step takes what is known at now and returns what happened, or why the call is over.
func (w *watch) step(now time.Duration, v vitals) (event, error) {
	switch v.peer {
	case closed:
		if !w.connected {
			return nothing, ErrNeverConnected
		}
		return nothing, ErrHangup
	case up:
		if w.wasUp {
			return w.media(now, v)
		}
		e := back
		if !w.connected {
			e, w.begun = nothing, now
		}
		w.connected, w.wasUp, w.upSince, w.sendSince = true, true, now, 0
		return e, nil
	default:
		if !w.connected {
			return nothing, w.unconnected(now, v.peer)
		}
		return w.lost(now, v)
	}
}

func (w *watch) unconnected(now time.Duration, p peer) error {
	if p == failed || now >= w.limits.Connect {
		return ErrNeverConnected
	}
	return nil
}

// lost is also where a call waits whose ICE was restarted.
func (w *watch) lost(now time.Duration, v vitals) (event, error) {
	e := nothing
	if w.wasUp {
		e, w.wasUp, w.downSince = lost, false, now
	}
	sign := max(w.downSince-w.limits.notice(), v.received, v.alive)
	if v.peer == failed || now-sign >= w.limits.Vanish || now-w.downSince >= lostLimit {
		return nothing, ErrVanished
	}
	return e, nil
}

func (w *watch) media(now time.Duration, v vitals) (event, error) {
	// A path that comes back gives the peer its time again, but not for ever: as much as one outage may take.
	if now-max(v.received, w.upSince) >= w.limits.NoMedia || now-max(v.received, w.begun)-lostLimit >= w.limits.NoMedia {
		return nothing, ErrNoMedia
	}
	if v.sent == 0 || now-v.sent >= pause {
		w.sendSince, w.warned = 0, false
		return nothing, nil
	}
	if w.sendSince == 0 {
		w.sendSince = now
	}
	switch quiet := now - max(v.reported, w.sendSince); {
	case quiet >= w.limits.NotReceived:
		return nothing, ErrNotReceived
	case quiet < w.limits.NotReceived/2:
		w.warned = false
	case !w.warned:
		w.warned = true
		return unheard, nil
	}
	return nothing, nil
}
