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
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"parley/internal/provider"
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
	o     Options
	links []Link
}

var defaults = provider.Limits{First: 5 * time.Second, Gap: 4 * time.Second}

// probeLimit is how long a probe may last.
const probeLimit = 10 * time.Second

// New makes a chain of at least one link, the preferred first.
func New(o Options, links ...Link) (*Chain, error) {
	if len(links) == 0 {
		return nil, errors.New("a chain of language models needs at least one")
	}
	o.Limits = o.Limits.Or(defaults)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Chain{o: o, links: make([]Link, len(links))}
	for i, l := range links {
		if l.Breaker == nil {
			l.Breaker = new(provider.Breaker)
		}
		c.links[i] = l
	}
	return c, nil
}

// Each is the chain with other models behind the same names and breakers.
func (c *Chain) Each(f func(name string, m llm.Model) llm.Model) *Chain {
	other := &Chain{o: c.o, links: make([]Link, len(c.links))}
	for i, l := range c.links {
		l.Model = f(l.Name, l.Model)
		other.links[i] = l
	}
	return other
}

// Tend probes the models whose breakers are open until ctx ends.
func (c *Chain) Tend(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, l := range c.links {
		wg.Go(func() {
			l.Breaker.Tend(ctx, probeLimit, func(ctx context.Context) error {
				err := Probe(ctx, l.Model)
				if err == nil {
					c.o.Logger.Info("language model is back", "provider", l.Name)
				}
				return err
			})
		})
	}
}

// Probe asks a model for one token.
func Probe(ctx context.Context, m llm.Model) error {
	for _, err := range m.Generate(ctx, llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Say: yes."}}, MaxTokens: 1}) {
		return err
	}
	return provider.ErrTruncated
}

// Warm warms the first model, if it can be.
func (c *Chain) Warm(ctx context.Context, req llm.Request) error {
	if w, ok := c.links[0].Model.(llm.Warmer); ok {
		return w.Warm(ctx, req)
	}
	return nil
}

// Generate answers with the first model that works. The error, if all fail, is that of each.
func (c *Chain) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		a := &answer{Chain: c, req: req, yield: yield, tried: make([]bool, len(c.links))}
		for i := a.next(); ; {
			err := a.attempt(ctx, i)
			if err == nil {
				return
			}
			if ctx.Err() != nil {
				yield(llm.Delta{}, context.Cause(ctx))
				return
			}
			a.failed(ctx, i, err)
			if i = a.next(); i < 0 || a.called {
				yield(llm.Delta{}, a.all())
				return
			}
		}
	}
}

// answer is one call to Generate.
type answer struct {
	*Chain
	req    llm.Request
	yield  func(llm.Delta, error) bool
	tried  []bool // those that failed
	errs   []error
	said   strings.Builder // what was yielded so far
	called bool            // of tools
}

// next is the number of the model to try: the first whose breaker is closed, else the first. Negative: none is left.
func (a *answer) next() int {
	rest := -1
	for i, l := range a.links {
		switch {
		case a.tried[i]:
		case l.Breaker.Closed():
			return i
		case rest < 0:
			rest = i
		}
	}
	return rest
}

// failed notes that a model is left, and for which.
func (a *answer) failed(ctx context.Context, i int, err error) {
	if a.tried[i] {
		return
	}
	a.tried[i] = true
	l := a.links[i]
	l.Breaker.Failed(err)
	if len(a.links) == 1 {
		a.errs = append(a.errs, err)
		return // the caller is told by the error
	}
	a.errs = append(a.errs, fmt.Errorf("%s: %w", l.Name, err))
	n := provider.Note{Stage: "llm", Provider: l.Name, Failed: err}
	if k := a.next(); k >= 0 && !a.called {
		n.Next = a.links[k].Name
	}
	a.o.Logger.Warn("language model failed", "provider", l.Name, "next", n.Next, "err", err)
	provider.Tell(ctx, n)
}

func (a *answer) all() error { return errors.Join(a.errs...) }

// attempt yields what model i answers; an error says that it failed. It is nil also when the consumer left.
func (a *answer) attempt(ctx context.Context, i int) error {
	own, watch := provider.NewWatch(ctx, 0)
	defer watch.Stop()
	r := &request{links: [2]int{i, i}}
	spoken := false
	watch.Await("words that can be spoken", a.o.Limits.First)
	for d, err := range whole(a.said.String(), a.stream(own, r)) {
		if err != nil {
			return a.blame(ctx, own, r, err)
		}
		if spoken = spoken || speakable(d); spoken {
			watch.Rest()
		}
		a.called = a.called || d.Call != nil
		a.said.WriteString(d.Text)
		if !a.yield(d, nil) {
			return nil
		}
		if d.End != "" {
			a.links[r.link()].Breaker.Worked()
			return nil
		}
		if spoken {
			watch.Await("more words", a.o.Limits.Gap)
		}
	}
	return a.blame(ctx, own, r, provider.ErrTruncated)
}

// blame is the error of an attempt. If its hedge won, the hedge has failed, too.
func (a *answer) blame(ctx, own context.Context, r *request, err error) error {
	var late *provider.Timeout
	if errors.As(context.Cause(own), &late) {
		err = late
	}
	if k := r.link(); k != r.links[0] && ctx.Err() == nil {
		a.failed(ctx, k, err)
	}
	return err
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
			return counted(ctx, a.links[r.links[n]], req, func() bool { return r.won.Load() != n })
		}
	}
	if a.o.Hedge <= 0 {
		return start(0)(ctx)
	}
	r.links[1] = a.other(r.links[0])
	return provider.Race(ctx, a.o.Hedge, start(0), start(1), speakable, func(n int) { r.won.Store(int32(n)) }, func(n int, err error) {
		if n == 0 && r.links[1] != r.links[0] {
			a.failed(ctx, r.links[0], err)
		}
	})
}

// other is whom i is hedged with: the next one that may be asked, or itself.
func (a *answer) other(i int) int {
	for k, l := range a.links {
		if k != i && !a.tried[k] && l.Breaker.Closed() {
			return k
		}
	}
	return i
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
