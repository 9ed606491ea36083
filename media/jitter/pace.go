package jitter

import "time"

const (
	minDepth = 20 * time.Millisecond
	maxDepth = 200 * time.Millisecond
	headroom = 10 * time.Millisecond // beyond what was seen, so that the same again is in time
	window   = time.Second
	fewest   = 16 // packets of a window: in a pause they are rare, and the least delay of few says little
	steady   = 200 * time.Millisecond
	wobble   = 20 * time.Millisecond
)

// pace knows when packets are to be expected, from what the last one to two windows saw, which are of a
// second and 16 packets. A delay is a packet's arrival
// less its place.
type pace struct {
	since       time.Duration // when this window began
	now, before delays

	late  bool          // packets come behind their time
	start time.Duration // arrival of the first such
	first time.Duration // its delay
}

type delays struct {
	n           int           // packets in sequence
	least, most time.Duration // of packets in sequence
	overtaken   time.Duration // greatest beyond the least, of packets that came after a later one
}

// base is the delay of a packet that was not held up.
func (p *pace) base() time.Duration { return min(p.now.least, p.before.least) }

// depth is how long after its expected arrival an overtaken packet may come.
func (p *pace) depth() time.Duration { return depth(max(p.now.overtaken, p.before.overtaken)) }

// spread is how long after its expected arrival a packet in sequence may come.
func (p *pace) spread() time.Duration {
	return depth(max(p.now.most, p.before.most) - p.base())
}

func depth(d time.Duration) time.Duration { return min(max(d+headroom, minDepth), maxDepth) }

// arrived learns from a packet in sequence.
func (p *pace) arrived(at, place time.Duration) {
	d := at - place
	if at-p.since >= window && p.now.n >= fewest {
		p.before, p.now, p.since = p.now, delays{least: d, most: d}, at
	}
	p.now.n++
	p.now.least, p.now.most = min(p.now.least, d), max(p.now.most, d)
}

// overtaken learns from a packet that came after a later one.
func (p *pace) overtaken(at, place time.Duration) {
	p.now.overtaken = max(p.now.overtaken, at-place-p.base())
}

// longer reports that packets are late by the same amount for so long that it is the route, not a burst
// that will drain. It is asked for each packet that comes behind its time.
func (p *pace) longer(at, place time.Duration) bool {
	d := at - place
	if !p.late || d < p.first-wobble {
		p.late, p.start, p.first = true, at, d
		return false
	}
	return at-p.start >= steady
}

func (p *pace) inTime() { p.late = false }
