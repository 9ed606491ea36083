package rtc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// listenDepth is how many packets of a voice wait for a listener: a second of ordinary ones.
const listenDepth = 50

// Listener is one who only hears a call: on its first audio line what the caller says, on its second what is said to
// the caller, as packets, nothing decoded. It costs the call nothing: packets that it is too slow for are lost to it
// alone, and one relayed takes 4 µs of a processor (encryption and the socket) and no allocation: BenchmarkListener. It
// has no way to speak and none to come back: a listener whose network changed listens anew. Its methods are safe for
// concurrent use.
type Listener struct {
	call   *Call // the connection to the listener, which has the first voice's track
	from   *Call
	voices [2]voice
	sent   atomic.Uint64
	lost   atomic.Uint64
}

// voice is one of the two audio lines.
type voice struct {
	from *media.Relay[media.Packet]
	out  *outgoing
	send *webrtc.RTPSender
}

// AnswerListener takes the offer of one who listens to the call from, and returns the listener and the answer to send
// back. The offer has two audio lines, both recvonly, that speak the codec of the call; other lines are refused or
// ignored. Anything else is an ErrOffer whose text says what to do. The listener lives when its Run does; one that will
// not be run must be closed. Any number may listen to a call.
func (e *Endpoint) AnswerListener(ctx context.Context, offer string, from *Call) (*Listener, string, error) {
	if e.passive == nil {
		return nil, "", errors.New("answer listener: this endpoint has no port")
	}
	codec := from.Audio().Codec
	if codec == "" {
		return nil, "", errors.New("answer listener: the call to listen to has no audio yet")
	}
	o, err := checkListener(offer, codec)
	if err != nil {
		return nil, "", err
	}
	kind := e.passive
	if o.passive {
		kind = e.active
	}
	l, err := e.newListener(kind, from)
	if err != nil {
		return nil, "", err
	}
	answer, err := l.answer(ctx, o)
	if err != nil {
		l.Close()
		return nil, "", err
	}
	return l, answer, nil
}

func (e *Endpoint) newListener(kind *engine, from *Call) (*Listener, error) {
	c, err := e.newCall(kind)
	if err != nil {
		return nil, err
	}
	c.limits.NoMedia, c.limits.NotReceived = math.MaxInt64, math.MaxInt64 // it sends nothing, and need not listen well
	c.out.id = "caller"
	agent := &outgoing{id: "agent"}
	sender, err := c.pc.AddTrack(agent)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("add second track: %w", err)
	}
	return &Listener{call: c, from: from, voices: [2]voice{{&from.up, &c.out, c.sender}, {&from.down, agent, sender}}}, nil
}

// answer takes the offer and makes an answer whose two lines carry the two voices, each the right one.
func (l *Listener) answer(ctx context.Context, o listenerOffer) (string, error) {
	pc := l.call.pc
	for _, v := range l.voices {
		v.out.audio.Store(&o.audio)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.text}); err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	for i, v := range l.voices {
		if !slices.ContainsFunc(pc.GetTransceivers(), func(t *webrtc.RTPTransceiver) bool {
			return t.Mid() == o.mids[i] && t.Sender() == v.send
		}) {
			return "", fmt.Errorf("%w: its audio line %q cannot carry a voice of the call", ErrOffer, o.mids[i])
		}
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	if err := o.checkAnswer(answer.SDP); err != nil {
		return "", fmt.Errorf("%w: %s", ErrOffer, err)
	}
	return l.call.describe(ctx, answer)
}

// Connected is closed when the listener can hear. It stays open for one that never connects.
func (l *Listener) Connected() <-chan struct{} { return l.call.Connected() }

// Stats is how many packets were sent, of both voices, and how many were lost because there was no connection yet or
// the listener was too slow. It may be read at any time.
func (l *Listener) Stats() (sent, lost uint64) { return l.sent.Load(), l.lost.Load() }

// Close asks Run to end with ErrHangup. A listener that Run has not been called for is freed here; Run then returns at
// once. It may be called more than once, and from any goroutine.
func (l *Listener) Close() { l.call.Close() }

// Run relays both voices until the listener is gone, and waits for every goroutine. It returns why: ErrOver when the
// call listened to is over, ErrHangup, ErrNeverConnected, ErrVanished, ErrHostile or the cause of ctx. Call it once.
func (l *Listener) Run(ctx context.Context) error {
	relaying, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var work sync.WaitGroup
	for i := range l.voices {
		v := &l.voices[i]
		tap := v.from.Tap(listenDepth, media.DropOldest)
		work.Go(func() {
			l.relay(relaying, tap, v.out)
			stop(ErrOver) // unless there was another cause before
		})
	}
	agent := l.voices[1].send
	work.Go(func() { l.call.readControls(agent.Read, func([]byte, []rtcp.Packet) {}) })
	err := l.call.Run(relaying)
	stop(err)
	_ = agent.Stop() // ends its reader even if the connection does not close
	work.Wait()
	return err
}

// relay sends what comes from the tap until it ends or ctx does.
func (l *Listener) relay(ctx context.Context, tap *media.Tap[media.Packet], out *outgoing) {
	audio := l.from.Audio()
	r := renumber{clock: audio.Codec.Clock()}
	next := uint64(math.MaxUint64)
	for n, p := range tap.All(ctx) {
		l.lost.Add(max(n, next) - next)
		next = n + 1
		if p.PT != audio.PT {
			r.skip() // digits: they would be taken for audio
			continue
		}
		r.step(&p)
		if l.call.signals.open.Load() && out.write(&p) {
			l.sent.Add(1)
		} else {
			l.lost.Add(1)
		}
	}
}
