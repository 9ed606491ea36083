package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley/media"
	"parley/media/record"
)

const (
	freshness = 4 * time.Second // how old what was derived of a live call may be
	share     = 10              // deriving a live call again and again takes this part of one processor at most
)

// errFull says that nothing more can be derived now.
var errFull = errors.New("all room for derived sound is in use: stop listening elsewhere, then try again")

// errClosed says that the server ends.
var errClosed = errors.New("the server is ending")

// shelf holds what was derived, within its bounds.
type shelf struct {
	dir    string
	most   int64 // bytes of files
	logger *slog.Logger
	one    chan struct{} // held by the one that is being derived
	all    sync.WaitGroup

	mu     sync.Mutex // of what follows
	items  map[string]*item
	making map[*item]context.CancelFunc
	size   int64
	closed bool
}

// item is a derivation on the shelf.
type item struct {
	*derived
	id      string
	bytes   int64
	users   int
	used    time.Time
	since   time.Time
	took    time.Duration // 0: it goes on
	start   time.Time     // of the recording
	live    bool
	dropped bool // not on the shelf any more; closed when the last user leaves
}

func newShelf(dir string, most int64, logger *slog.Logger) *shelf {
	return &shelf{dir: dir, most: most, logger: logger, one: make(chan struct{}, 1), items: map[string]*item{}, making: map[*item]context.CancelFunc{}}
}

// close ends what goes on and lets all go.
func (s *shelf) close() {
	s.mu.Lock()
	s.closed = true
	for _, cancel := range s.making {
		cancel()
	}
	s.mu.Unlock()
	s.all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.items {
		s.dropLocked(it)
	}
}

// get is what was derived of the recording that open opens, or what is being derived from now on. Give it back with put.
func (s *shelf) get(id string, open func() (*record.Bundle, error)) (*item, error) {
	b, err := open()
	if err != nil {
		return nil, err
	}
	live := b.State() == record.Live
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(errClosed, b.Close())
	}
	if it := s.items[id]; it != nil && it.suits(b, live) {
		it.users++
		it.used = time.Now()
		return it, b.Close()
	} else if it != nil {
		s.dropLocked(it)
	}
	it, err := s.addLocked(id, b, live)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.making[it] = cancel
	s.all.Go(func() {
		defer cancel()
		s.derive(ctx, it, b)
	})
	return it, nil
}

// suits reports that what was derived is still what the bundle holds.
func (it *item) suits(b *record.Bundle, live bool) bool {
	if !it.start.Equal(b.Start) {
		return false
	}
	if !it.live {
		return true
	}
	age := time.Since(it.since)
	return live && (it.took == 0 || age < freshness || age < share*it.took)
}

// addLocked makes room and an item in it, with one user.
func (s *shelf) addLocked(id string, b *record.Bundle, live bool) (*item, error) {
	rate := soundRate
	if b.Codec == media.PCMU || b.Codec == media.PCMA {
		rate = 8000
	}
	length := b.Duration()
	bytes := 2 * int64(len(sides)) * int64(length.Seconds()*float64(rate))
	if bytes > s.most {
		return nil, fmt.Errorf("derive the sound of %v: it takes %d MB, more than the %d MB that are allowed: use parley rec export", length.Round(time.Second), bytes>>20, s.most>>20)
	}
	for s.size+bytes > s.most {
		oldest := s.oldestLocked()
		if oldest == nil {
			return nil, errFull
		}
		s.dropLocked(oldest)
	}
	d, err := newDerived(s.dir, length, rate)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	it := &item{derived: d, id: id, bytes: bytes, users: 2 /* who asks, and who derives */, used: now, since: now, start: b.Start, live: live}
	s.items[id] = it
	s.size += bytes
	return it, nil
}

// oldestLocked is the one that nobody has used for longest.
func (s *shelf) oldestLocked() (oldest *item) {
	for _, it := range s.items {
		if it.users == 0 && (oldest == nil || it.used.Before(oldest.used)) {
			oldest = it
		}
	}
	return oldest
}

// dropLocked takes an item off the shelf. It is closed when nobody uses it any more.
func (s *shelf) dropLocked(it *item) {
	delete(s.items, it.id)
	it.dropped = true
	if it.users == 0 {
		s.closeLocked(it)
	}
}

func (s *shelf) closeLocked(it *item) {
	s.size -= it.bytes
	if err := it.derived.close(); err != nil {
		s.logger.Warn("cannot close a derived sound", "err", err)
	}
}

// put gives an item back.
func (s *shelf) put(it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it.users--
	switch {
	case it.users > 0:
	case it.dropped:
		s.closeLocked(it)
	case it.users == 0:
		it.used = time.Now()
	}
}

// forget drops what was derived of a recording that is no more.
func (s *shelf) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.items[id]; it != nil {
		if cancel := s.making[it]; cancel != nil {
			cancel()
		}
		s.dropLocked(it)
	}
}

// derive runs in a goroutine of its own, which is a user of the item.
func (s *shelf) derive(ctx context.Context, it *item, b *record.Bundle) {
	defer func() {
		s.mu.Lock()
		delete(s.making, it)
		s.mu.Unlock()
		s.put(it)
		if err := b.Close(); err != nil {
			s.logger.Warn("cannot close a recording", "call", brief(it.id), "err", err)
		}
	}()
	select {
	case s.one <- struct{}{}:
	case <-ctx.Done():
		it.end(context.Cause(ctx))
		return
	}
	begin := time.Now()
	it.run(ctx, b)
	<-s.one
	s.mu.Lock()
	defer s.mu.Unlock()
	it.took = max(1, time.Since(begin))
}
