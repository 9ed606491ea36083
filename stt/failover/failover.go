// Package failover is several recognizers as one: the first that works listens.
//
// A recognizer is left for the next one when it fails, when it ends before the audio does, or when it does not answer a
// Flush with a Final within Limits.First. The audio since the last Final is kept, up to 30 s of it, with the Flushes that
// were not answered: the next one hears it again at once, and then what comes. So exactly one Final comes for every Flush,
// whoever gives it. What it says takes the place of what the one before had said of the same speech and was not Final.
//
// Each recognizer has a [provider.Breaker] that all calls share, so that the callers of an hour do not all wait for one that
// is down; Tend closes it again when the recognizer answers a Flush. When all breakers are open all are tried nevertheless.
// A call that listens with another than the first goes back to one before as soon as its breaker is closed, right after a
// Final that answered a Flush, when nobody has spoken since: nothing is lost. It waits ten seconds after it left it, and
// twice as long each time.
//
// There is no hedge: a recognizer listens for as long as the call lasts, and two would be paid for all of it; the audio that
// is kept makes a change cheap at any moment.
//
// When all fail the error is that of each, and the audio that was kept is lost; a new call begins with what comes then. The
// error's class is that of the failure most likely to pass, so that it is not called hopeless while one may recover.
//
// What recognizers used and who was left for whom is told by [provider.Tell]. A chain of one counts and has limits, too.
package failover

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/internal/provider/chain"
	"parley/media"
	"parley/stt"
)

// Link is one recognizer of a chain.
type Link struct {
	Name       string // as in the flag
	Recognizer stt.Recognizer
	Breaker    *provider.Breaker // nil: its own
}

// Options are what concerns all of a chain. The zero value is good.
type Options struct {
	Limits provider.Limits // First 1.5 s unless set; the others are not looked at
	Logger *slog.Logger    // nil: discard
}

// Chain is a Recognizer.
type Chain struct {
	o           Options
	links       chain.Links
	recognizers []stt.Recognizer
}

var defaults = provider.Limits{First: 1500 * time.Millisecond}

// New makes a chain of at least one link, the preferred first.
func New(o Options, links ...Link) (*Chain, error) {
	if len(links) == 0 {
		return nil, errors.New("a chain of recognizers needs at least one")
	}
	o.Limits = o.Limits.Or(defaults)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Chain{o: o, links: chain.Links{Stage: "stt", Logger: o.Logger}}
	for _, l := range links {
		c.links.Add(l.Name, l.Breaker)
		c.recognizers = append(c.recognizers, l.Recognizer)
	}
	return c, nil
}

// Each is the chain with other recognizers behind the same names and breakers.
func (c *Chain) Each(f func(name string, r stt.Recognizer) stt.Recognizer) *Chain {
	other := &Chain{o: c.o, links: c.links}
	for i, r := range c.recognizers {
		other.recognizers = append(other.recognizers, f(c.links.Names[i], r))
	}
	return other
}

// Tend probes the recognizers whose breakers are open until ctx ends.
func (c *Chain) Tend(ctx context.Context) {
	c.links.Tend(ctx, func(ctx context.Context, i int) error { return Probe(ctx, c.recognizers[i]) })
}

// Probe has a recognizer hear 300 ms of silence, marked as voice, for else it need not ask anybody, and takes the Final.
func Probe(ctx context.Context, r stt.Recognizer) error {
	var frames []stt.Audio
	for at := time.Duration(0); at < 300*time.Millisecond; at += media.FrameDuration {
		f := media.Frame{At: at, Rate: media.ListenRate, PCM: make([]int16, media.FrameDuration*media.ListenRate/time.Second)}
		frames = append(frames, stt.Audio{Frame: f, Voice: true})
	}
	frames[len(frames)-1].Flush = true
	for res, err := range r.Recognize(ctx, media.Of(frames...)) {
		if err != nil || res.Kind == stt.Final {
			return err
		}
	}
	return provider.ErrTruncated
}

// Warm warms the first recognizer, if it can be.
func (c *Chain) Warm(ctx context.Context) error {
	if w, ok := c.recognizers[0].(stt.Warmer); ok {
		return w.Warm(ctx)
	}
	return nil
}

// Recognize hears with the first recognizer that works. The error, if all fail, is that of each.
func (c *Chain) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		own, cancel := context.WithCancel(ctx)
		h := &hearing{Chain: c, Call: c.links.Call(), yield: yield, left: make([]leaving, len(c.recognizers)), tape: newTape(c.o.Limits.First)}
		var reader sync.WaitGroup
		defer func() { // also when the consumer panics
			cancel()
			reader.Wait()
			h.tape.report(c.o.Logger)
		}()
		reader.Go(func() { h.read(own, in) })
		if err := h.hear(own); err != nil && !h.gone {
			yield(stt.Result{}, err)
		}
	}
}
