package echo

import "sync/atomic"

// Back is whether the agent's own sound comes back.
type Back uint32

// What can be known of it.
const (
	Maybe  Back = iota // it may; or it does, and nothing else was heard lately
	Beside             // it does, and the caller was heard in the last two seconds
	None               // it does not: nothing is heard while the agent speaks
)

// How it is found out that nothing comes back: by frames in which the agent is sent and nothing is heard. The longest delay has 35.
const (
	quietEnough = 50
	quietMost   = 100
	quietLess   = 5        // what one in which something is heard takes away
	lately      = 2 * rate // a caller who was heard was there for so long
)

// back finds it out. Only known may be read by another goroutine than Heard's.
type back struct {
	quiet int  // frames in which the agent was sent and nothing was heard, less those in which something was
	none  bool // these were enough
	known atomic.Uint32
}

// Back is what was known when the agent was last sent. Any goroutine may ask.
func (g *Guard) Back() Back { return Back(g.back.known.Load()) }

// judge finds out whether anything comes back, by a frame at a place.
func (g *Guard) judge(from int, loud float32) {
	b := &g.back
	switch {
	case g.path.known:
		b.quiet, b.none = 0, false
	case b.none && !g.sending(from): // a caller answers
	case loud <= max(softest, 4*g.floor):
		if g.sending(from) {
			b.quiet = min(quietMost, b.quiet+1)
			b.none = b.none || b.quiet >= quietEnough
		}
	default:
		b.quiet = max(0, b.quiet-quietLess)
		b.none = b.none && b.quiet > 0
	}
	known := Maybe
	switch {
	case b.none:
		known = None
	case g.path.known && g.until > 0 && g.end < g.until+lately:
		known = Beside
	}
	b.known.Store(uint32(known))
}

// sending says whether the agent is sent at a place.
func (g *Guard) sending(from int) bool {
	g.sent.mu.Lock()
	defer g.sent.mu.Unlock()
	return from < g.sent.ring.end
}
