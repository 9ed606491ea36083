// Package chain is what chains of recognizers, models and voices share: whom a call asks, who is left for whom, and what
// all their failures mean together.
package chain

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/internal/provider"
)

// probeLimit is how long a probe may last.
const probeLimit = 10 * time.Second

// Links are the providers of a chain, the preferred first, without what they do. All its calls share them.
type Links struct {
	Stage    string // "stt", "llm" or "tts"
	Names    []string
	Breakers []*provider.Breaker // one for each name
	Logger   *slog.Logger
}

// Add appends a provider. A nil breaker is one of its own.
func (l *Links) Add(name string, b *provider.Breaker) {
	if b == nil {
		b = new(provider.Breaker)
	}
	l.Names, l.Breakers = append(l.Names, name), append(l.Breakers, b)
}

// Tend probes the providers whose breakers are open, each by its number, until ctx ends.
func (l *Links) Tend(ctx context.Context, probe func(ctx context.Context, i int) error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, b := range l.Breakers {
		wg.Go(func() {
			b.Tend(ctx, probeLimit, func(ctx context.Context) error {
				err := probe(ctx, i)
				if err == nil {
					l.Logger.Info("provider is back", "stage", l.Stage, "provider", l.Names[i])
				}
				return err
			})
		})
	}
}

// Call begins the choice of one call.
func (l *Links) Call() *Call { return &Call{Links: l, tried: make([]bool, len(l.Names))} }

// Call is whom one call asks, and why no longer those before. Not safe for concurrent use.
type Call struct {
	*Links
	Last bool // whoever fails from now on, nobody else is asked

	tried []bool // those that failed since anything worked
	errs  []error
}

// Next is the number of the provider to ask: the first whose breaker is closed, else the first. Negative: none is left.
func (c *Call) Next() int {
	rest := -1
	for i, b := range c.Breakers {
		switch {
		case c.tried[i] || c.Last:
		case b.Closed():
			return i
		case rest < 0:
			rest = i
		}
	}
	return rest
}

// Other is whom i is hedged with: the next one that may be asked, or itself.
func (c *Call) Other(i int) int {
	for k, b := range c.Breakers {
		if k != i && !c.tried[k] && b.Closed() {
			return k
		}
	}
	return i
}

// Worked notes that a provider did what it was asked for: all may be asked again when it fails later.
func (c *Call) Worked(i int) {
	c.Breakers[i].Worked()
	clear(c.tried)
	c.errs = c.errs[:0]
}

// Failed notes that a provider is left, and for which. Of a provider alone only the caller is told, by the error.
func (c *Call) Failed(ctx context.Context, i int, err error) {
	if c.tried[i] {
		return
	}
	c.tried[i] = true
	c.Breakers[i].Failed(err)
	if len(c.Names) == 1 {
		c.errs = append(c.errs, err)
		return
	}
	c.errs = append(c.errs, fmt.Errorf("%s: %w", c.Names[i], err))
	n := provider.Note{Stage: c.Stage, Provider: c.Names[i], Failed: err}
	if k := c.Next(); k >= 0 {
		n.Next = c.Names[k]
	}
	c.Logger.Warn("provider failed", "stage", c.Stage, "provider", n.Provider, "next", n.Next, "err", err)
	provider.Tell(ctx, n)
}

// Err is what all failed with: their errors, each after its name, as one whose class is that of the failure that is most
// likely to pass. So it is provider.ErrAuth only if all of them are: while one may recover, another attempt may mend it.
func (c *Call) Err() error {
	if len(c.errs) == 1 {
		return c.errs[0]
	}
	return failures(c.errs)
}
