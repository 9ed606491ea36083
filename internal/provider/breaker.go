package provider

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How a Breaker behaves.
const (
	breakerFails = 3                // failures in a row that open it
	breakerPause = 5 * time.Second  // after which the first probe is made
	breakerMost  = 60 * time.Second // to which the pause grows, twofold each time
)

// Breaker keeps callers away from a provider that fails: it opens after three failures in a row, at once when our
// credentials are refused or the quota is used up. Tend closes it again. The zero value is closed. Safe for concurrent
// use: one belongs to a provider, all calls share it.
type Breaker struct {
	mu     sync.Mutex
	fails  int // in a row
	open   bool
	pause  time.Duration // before the next probe
	opened chan struct{} // closed when it opens; nil: nobody waits
}

// Closed says whether the provider may be asked.
func (b *Breaker) Closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.open
}

// Worked is told when the provider did what it was asked for.
func (b *Breaker) Worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails, b.open, b.pause = 0, false, 0
}

// Failed is told when it did not. A failure that the caller caused by leaving is none, and must not be told.
func (b *Breaker) Failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails++
	var told *Error
	switch {
	case b.open:
		b.pause = min(2*b.pause, breakerMost)
	case b.fails >= breakerFails, errors.Is(err, ErrAuth), errors.Is(err, ErrQuota):
		b.open, b.pause = true, breakerPause
		if b.opened != nil {
			close(b.opened)
			b.opened = nil
		}
	}
	if errors.As(err, &told) {
		b.pause = max(b.pause, told.RetryAfter)
	}
}

// Tend probes the provider while the breaker is open, until ctx ends: first after five seconds, then in growing pauses of
// up to a minute, later where the provider asked for that. A probe may last limit.
func (b *Breaker) Tend(ctx context.Context, limit time.Duration, probe func(context.Context) error) {
	for {
		select {
		case <-b.wait():
		case <-ctx.Done():
			return
		}
		for !b.Closed() {
			select {
			case <-time.After(b.rest()):
			case <-ctx.Done():
				return
			}
			own, done := context.WithTimeout(ctx, limit)
			err := probe(own)
			done()
			switch {
			case err == nil:
				b.Worked()
			case ctx.Err() == nil:
				b.Failed(err)
			}
		}
	}
}

// wait is closed when the breaker is open.
func (b *Breaker) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened == nil {
		b.opened = make(chan struct{})
	}
	c := b.opened
	if b.open {
		close(b.opened)
		b.opened = nil
	}
	return c
}

func (b *Breaker) rest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause
}
