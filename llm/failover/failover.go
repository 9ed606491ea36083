// Package failover is several language models as one: the first that works answers.
//
// A model is left for the next one when it fails, when it gives nothing that can be spoken within Limits.First, or nothing
// more within Limits.Gap. What it had written by then stands, for it may have been spoken: the next one is asked to go on
// from there. An answer that ends well and has no text is an answer. After a call of a tool no other model is asked, for
// the tool may have run.
//
// Each model has a [provider.Breaker] that all calls share, so that the callers of an hour do not all wait for one that is
// down; Tend closes it again when the model answers a request of one token. When all breakers are open all models are
// tried nevertheless.
//
// With Hedge the next model is started as well when the first has given nothing in that time; whichever can be spoken
// sooner answers, the other is canceled. A single model is started twice.
//
// What requests used and who was left for whom is told by [provider.Tell]. A chain of one model counts and has limits, too.
package failover

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"parley/internal/provider"
	"parley/internal/provider/chain"
	"parley/llm"
)

// Link is one model of a chain.
type Link struct {
	Name    string // as in the flag
	Model   llm.Model
	Breaker *provider.Breaker // nil: its own
}

// Options are what concerns all of a chain. The zero value has no hedge.
type Options struct {
	Limits provider.Limits // First 5 s and Gap 4 s unless set; Total and Connect are not looked at
	Hedge  time.Duration   // 0: none
	Logger *slog.Logger    // nil: discard
}

// Chain is a Model.
type Chain struct {
	o      Options
	links  chain.Links
	models []llm.Model
}

var defaults = provider.Limits{First: 5 * time.Second, Gap: 4 * time.Second}

// New makes a chain of at least one link, the preferred first.
func New(o Options, links ...Link) (*Chain, error) {
	if len(links) == 0 {
		return nil, errors.New("a chain of language models needs at least one")
	}
	o.Limits = o.Limits.Or(defaults)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Chain{o: o, links: chain.Links{Stage: "llm", Logger: o.Logger}}
	for _, l := range links {
		c.links.Add(l.Name, l.Breaker)
		c.models = append(c.models, l.Model)
	}
	return c, nil
}

// Each is the chain with other models behind the same names and breakers.
func (c *Chain) Each(f func(name string, m llm.Model) llm.Model) *Chain {
	other := &Chain{o: c.o, links: c.links}
	for i, m := range c.models {
		other.models = append(other.models, f(c.links.Names[i], m))
	}
	return other
}

// Tend probes the models whose breakers are open until ctx ends.
func (c *Chain) Tend(ctx context.Context) {
	c.links.Tend(ctx, func(ctx context.Context, i int) error { return Probe(ctx, c.models[i]) })
}

// Probe asks a model for one token.
func Probe(ctx context.Context, m llm.Model) error {
	for _, err := range m.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Say: yes."}}, MaxTokens: 1}) {
		return err
	}
	return provider.ErrTruncated
}

// Warm warms the first model that works, if it can be. The error, if all fail, is that of each.
func (c *Chain) Warm(ctx context.Context, req llm.Request) error {
	call := c.links.Call()
	for i := call.Next(); i >= 0; i = call.Next() {
		w, ok := c.models[i].(llm.Warmer)
		if !ok {
			return nil
		}
		err := w.Warm(ctx, req)
		if err == nil || ctx.Err() != nil {
			return err
		}
		call.Failed(ctx, i, err)
	}
	return call.Err()
}

// Generate answers with the first model that works. The error, if all fail, is that of each.
func (c *Chain) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		a := &answer{Chain: c, Call: c.links.Call(), req: req, yield: yield}
		for i := a.Next(); i >= 0; i = a.Next() {
			r := &request{links: [2]int{i, i}}
			err := a.attempt(ctx, r)
			if err == nil {
				return
			}
			if ctx.Err() != nil {
				yield(llm.Delta{}, context.Cause(ctx))
				return
			}
			a.Failed(ctx, r.link(), err)
		}
		yield(llm.Delta{}, a.Err())
	}
}

// answer is one call to Generate.
type answer struct {
	*Chain
	*chain.Call
	req   llm.Request
	yield func(llm.Delta, error) bool
	said  strings.Builder // what was yielded so far
}

// attempt yields what the model of r answers, or its hedge; an error says that it failed. It is nil also when the consumer left.
func (a *answer) attempt(ctx context.Context, r *request) error {
	own, watch := provider.NewWatch(ctx, 0)
	defer watch.Stop()
	spoken := false
	watch.Await("words that can be spoken", a.o.Limits.First)
	for d, err := range whole(a.said.String(), a.stream(own, r)) {
		var late *provider.Timeout
		switch {
		case err != nil && errors.As(context.Cause(own), &late):
			return late
		case err != nil:
			return err
		}
		if spoken = spoken || speakable(d); spoken {
			watch.Rest()
		}
		a.Last = a.Last || d.Call != nil // a tool runs at most once
		a.said.WriteString(d.Text)
		if !a.yield(d, nil) {
			return nil
		}
		if d.End != "" {
			a.Worked(r.link())
			return nil
		}
		if spoken {
			watch.Await("more words", a.o.Limits.Gap)
		}
	}
	return provider.ErrTruncated
}

// request is one start, and its hedge.
type request struct {
	links [2]int
	won   atomic.Int32 // which of them gives the answer
}

func (r *request) link() int { return r.links[r.won.Load()] }

// stream is what the model of r answers, or its hedge.
func (a *answer) stream(ctx context.Context, r *request) iter.Seq2[llm.Delta, error] {
	req := onward(a.req, a.said.String())
	start := func(n int32) provider.Start[llm.Delta] {
		return func(ctx context.Context) iter.Seq2[llm.Delta, error] {
			i := r.links[n]
			return counted(ctx, a.links.Names[i], a.models[i], req, func() bool { return r.won.Load() != n })
		}
	}
	if a.o.Hedge <= 0 {
		return start(0)(ctx)
	}
	r.links[1] = a.Other(r.links[0])
	return provider.Race(ctx, a.o.Hedge, start(0), start(1), speakable, func(n int) { r.won.Store(int32(n)) }, func(n int, err error) {
		if r.links[0] != r.links[1] {
			a.Failed(ctx, r.links[n], err)
		}
	})
}

// speakable says whether a delta is something for the person in the call to hear, or work on it, or the end of it all.
func speakable(d llm.Delta) bool {
	for _, r := range d.Text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return true
		}
	}
	return d.Call != nil || d.End != ""
}
