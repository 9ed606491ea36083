// Package caller is a caller without a page: it phones any server that takes a WebRTC offer by POST, speaks audio
// it is given, and knows when each packet of sound crossed the wire, in both directions. The call verb, the
// benchmarks and the end-to-end tests are made of it.
//
// It speaks as a browser does that uses no discontinuous transmission: an encoded packet every 20 ms on absolute
// deadlines, also of silence, from the moment the call is connected. It hears each packet as it arrives, without a
// jitter buffer, and places its sound by RTP time.
//
// With a [netsim.Profile] all of it goes through a bad network in this process: the offer names no address of the caller, and
// the answer is rewritten so that the caller sends to a relay.
//
// All times are since the call was connected. A packet is audible when its sound is above −45 dBFS; see [Audible].
package caller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"parley/internal/netsim"
	"parley/media"
	"parley/media/rtc"
)

// Rate is that of all samples a Caller takes and gives.
const Rate = media.ListenRate

// Audible is the level in dBFS above which a packet counts as sound.
const Audible = -45.0

// Options of a call. The zero value calls from any address of this machine, loopback included.
type Options struct {
	Client *http.Client // for the offer; nil: one of its own
	// Hear gets all that is heard, from one goroutine: at is the number of pcm's first sample since the call was
	// connected, by RTP time. It goes back for a packet that came late. pcm is valid until Hear returns.
	Hear    func(at int64, pcm []int16)
	Message func(m Message) // gets the server's messages, from another goroutine
	Connect time.Duration   // how long the call may take to connect; 0: 15 s
	Codecs  []media.Codec   // what is offered, in this order; empty: all
	Net     *netsim.Profile // the network between the caller and the server; nil: this machine's own
	Seed    uint64          // of Net: another one loses other packets
	Logger  *slog.Logger    // nil: discard
}

// Caller is one call in progress. Its methods may be used by several goroutines, until Run's script returns.
type Caller struct {
	call      *rtc.Call
	relay     *netsim.Relay // nil without Options.Net
	connected time.Duration // on the call's own clock
	log       record
	mouth     *mouth
	ear       *ear
	session   string
}

// Run makes one call: it connects to the server at url, runs script, hangs up and returns when everything has
// ended. url names the server; POST goes to its path /offer unless it has another path. The script's ctx ends with
// the call, its cause says why ([rtc.ErrHangup]: the server hung up). The error is the script's, or why there was
// no call.
func Run(ctx context.Context, url string, o Options, script func(context.Context, *Caller) error) (err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := rtc.Listen(rtc.Options{Loopback: true, Codecs: o.Codecs, Timeouts: rtc.Timeouts{Connect: o.Connect}, Logger: o.Logger})
	if err != nil {
		return fmt.Errorf("prepare call: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	call, offer, err := e.Offer(ctx)
	if err != nil {
		return fmt.Errorf("prepare call: %w", err)
	}
	defer call.Close()
	if o.Net != nil {
		offer = netsim.Rewrite(offer, netip.AddrPort{}, netip.AddrPort{})
	}
	answer, err := Post(ctx, o.Client, url, offer)
	if err != nil {
		return err
	}
	c := &Caller{call: call, session: answer.Session}
	if answer.SDP, err = c.through(o, url, answer.SDP); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.leave()) }()
	if err := call.Accept(answer.SDP); err != nil {
		return fmt.Errorf("take the server's answer: %w", err)
	}
	if err := c.prepare(o); err != nil {
		return err
	}
	return c.run(ctx, o, script)
}

// through puts the network, if there is one, before the server: it gives the answer that leads there.
func (c *Caller) through(o Options, server, answer string) (string, error) {
	if o.Net == nil {
		return answer, nil
	}
	target, err := netsim.Target(answer, host(server))
	if err != nil {
		return "", err
	}
	if c.relay, err = netsim.Listen(netsim.Options{Profile: *o.Net, Seed: o.Seed, Target: target}); err != nil {
		return "", err
	}
	return netsim.Rewrite(answer, target, c.relay.Addr()), nil
}

// leave closes the network.
func (c *Caller) leave() error {
	if c.relay == nil {
		return nil
	}
	return c.relay.Close()
}

func (c *Caller) prepare(o Options) (err error) {
	if c.mouth, err = newMouth(c.call); err != nil {
		return err
	}
	c.ear, err = newEar(c.Codec(), o.Hear)
	return err
}

// run lives the call. Nothing outlives it.
func (c *Caller) run(ctx context.Context, o Options, script func(context.Context, *Caller) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	up := c.call.Up().Tap(upDepth, media.DropNewest)
	var all sync.WaitGroup
	defer all.Wait()
	defer c.call.Close()
	all.Go(func() { cancel(c.call.Run(ctx)) })
	select {
	case <-c.call.Connected():
	case <-ctx.Done():
		return fmt.Errorf("connect: %w", context.Cause(ctx))
	}
	c.connected = c.call.Now()
	all.Go(func() { c.listen(up) })
	all.Go(func() { c.read(ctx, o.Message) })
	all.Go(func() { c.speak(ctx, cancel) })
	return script(ctx, c)
}

// Now is the time since the call was connected.
func (c *Caller) Now() time.Duration { return c.call.Now() - c.connected }

// Relay is the network of Options.Net: it can be cut, moved and asked what it did. Nil without one.
func (c *Caller) Relay() *netsim.Relay { return c.relay }

// Codec is what the server chose.
func (c *Caller) Codec() media.Codec { return c.call.Audio().Codec }

// Session is the server's name for the call; empty if it gave none.
func (c *Caller) Session() string { return c.session }

// Post sends a text message on the data channel. It is false if the channel is not open.
func (c *Caller) Post(message []byte) bool { return c.call.Post(message) }

// read records the server's messages until the call ends.
func (c *Caller) read(ctx context.Context, each func(Message)) {
	for raw := range c.call.Messages()(ctx) {
		m := newMessage(c.Now(), raw)
		c.log.message(m)
		if each != nil {
			each(m)
		}
	}
}
