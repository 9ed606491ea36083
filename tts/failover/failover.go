// Package failover is several voices as one: the first that works speaks.
//
// A voice is left for the next one when it fails, when it gives no sound within Limits.First after it could have had a
// phrase to say, or nothing more within Limits.Gap. It owes nothing while it waits for the next phrase: by asking for it,
// or by ending well, a voice tells that it has done with those before, also with one that has no sound, such as "…".
//
// What was given as sound stands. The next voice goes on from there, to the word: where the words' times were told, with
// the first that had not ended; else from an estimate by the length of a letter, at the beginning of the word there, for it
// is better to repeat a word than to lose one. Its sound and its words go on on the same timeline, maybe at another rate.
//
// Each voice has a [provider.Breaker] that all calls share, so that the callers of an hour do not all wait for one that is
// down; Tend closes it again when the voice says "Hi.". When all breakers are open all voices are tried nevertheless: in
// front of one there may be a cache that has the phrase.
//
// With Hedge the next voice is started as well when the first has given no sound in that time after the first phrase was
// there; whichever sounds sooner speaks, the other is canceled. A single voice is started twice.
//
// What requests used and who was left for whom is told by [provider.Tell]. A chain of one voice counts and has limits, too.
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
	"parley/tts"
)

// Link is one voice of a chain.
type Link struct {
	Name    string // as in the flag
	Voice   tts.Voice
	Breaker *provider.Breaker // nil: its own
}

// Options are what concerns all of a chain. The zero value has no hedge.
type Options struct {
	Limits provider.Limits // First 3 s and Gap 3 s unless set; Total and Connect are not looked at
	Hedge  time.Duration   // 0: none
	Logger *slog.Logger    // nil: discard
}

// Chain is a Voice.
type Chain struct {
	o      Options
	links  chain.Links
	bare   []tts.Voice // as they were given to New
	voices []tts.Voice // they, counted, and whatever Each has put around them
}

var defaults = provider.Limits{First: 3 * time.Second, Gap: 3 * time.Second}

// New makes a chain of at least one link, the preferred first.
func New(o Options, links ...Link) (*Chain, error) {
	if len(links) == 0 {
		return nil, errors.New("a chain of voices needs at least one")
	}
	o.Limits = o.Limits.Or(defaults)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Chain{o: o, links: chain.Links{Stage: "tts", Logger: o.Logger}}
	for _, l := range links {
		c.links.Add(l.Name, l.Breaker)
		c.bare = append(c.bare, l.Voice)
		c.voices = append(c.voices, counted(l.Name, l.Voice))
	}
	return c, nil
}

// Each is the chain with other voices behind the same names and breakers. What f puts around a voice is not counted: of
// what a cache there says itself nothing was used.
func (c *Chain) Each(f func(name string, v tts.Voice) tts.Voice) *Chain {
	other := &Chain{o: c.o, links: c.links, bare: c.bare}
	for i, v := range c.voices {
		other.voices = append(other.voices, f(c.links.Names[i], v))
	}
	return other
}

// Tend probes the voices whose breakers are open until ctx ends: those that were given to New, whatever is around them.
func (c *Chain) Tend(ctx context.Context) {
	c.links.Tend(ctx, func(ctx context.Context, i int) error { return Probe(ctx, c.bare[i]) })
}

// Probe has a voice say "Hi." and takes the first sound.
func Probe(ctx context.Context, v tts.Voice) error {
	for a, err := range v.Speak(ctx, media.Of("Hi.")) {
		if err != nil || len(a.PCM) > 0 {
			return err
		}
	}
	return provider.ErrTruncated
}

// Warm warms the first voice, if it can be.
func (c *Chain) Warm(ctx context.Context) error {
	if w, ok := c.bare[0].(interface{ Warm(context.Context) error }); ok {
		return w.Warm(ctx)
	}
	return nil
}

// Speak speaks with the first voice that works. The error, if all fail, is that of each.
func (c *Chain) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		s := &speech{Chain: c, Call: c.links.Call(), yield: yield, came: make(chan struct{})}
		var readers sync.WaitGroup
		defer func() { // also when the consumer panics
			cancel()
			readers.Wait()
		}()
		readers.Go(func() { s.text.Read(own, text) })
		readers.Go(func() { s.begin(own) })
		if err := s.speak(own); err != nil && !s.left {
			yield(tts.Audio{}, err)
		}
	}
}
