package media

import "time"

// Early lets speech that comes to a silent line begin at once, not at its next tick: at the point of the 10 ms grid that is nearest
// to now, where the ticks go on from. The first frame is sent up to 5 ms late then, so that none but that moment lies off the grid,
// and its At is before the end of a silent frame that was given earlier: as late as that one's or 10 ms later. free
// is called by Run and must not block; it says whether nothing that was sent lasts beyond at, so that a frame there
// overlaps none. It is set once, before Run. Without it the ticks stay where they are.
func (p *Playout) Early(free func(at time.Duration) bool) { p.out.free = free }

// hurry wakes Run when speech waits that no earlier speech is sent before.
func (p *Playout) hurry() {
	if p.out.free != nil && p.idle() {
		ring(p.wake)
	}
}

// idle says whether the line is silent and speech waits.
func (p *Playout) idle() bool { return !p.voiced && !p.held && !p.cutting && p.ready() }

// early is when to tick next, now that speech may wait and the next tick is due at next.
func (p *Playout) early(now, next time.Duration) time.Duration {
	at := max(now.Round(playoutGrid), next-FrameDuration)
	p.mu.Lock()
	idle := p.idle()
	p.mu.Unlock()
	if !idle || at >= next || !p.out.free(at) {
		return next
	}
	return at
}
