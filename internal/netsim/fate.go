package netsim

import (
	"time"

	"parley/media"
)

// Way is a direction.
type Way uint8

// The directions.
const (
	Up   Way = iota // from the client to the target
	Down            // and back
)

// Fate is what happens to a packet.
type Fate struct {
	Delay time.Duration // what it takes to arrive; also told of a lost one
	Lost  bool
}

// Packets of a queue leave it so far apart, and it forgets a stall after so many.
const (
	drain  = media.FrameDuration - ms/2
	behind = 100 * ms // longest Stall.Most
)

// Fate is what happens to packet n of a direction, sent at a time since the first; n may be negative. It is a pure
// function, and only an [Outage] asks for the time.
func (p Profile) Fate(seed uint64, w Way, n int64, at time.Duration) Fate {
	d := dice{seed, w}
	return Fate{Delay: p.Base + p.late(d, n), Lost: p.Loss.hits(d, n) || p.Outage.dead(at)}
}

// late is the delay beyond Base.
func (p Profile) late(d dice, n int64) time.Duration {
	late := between(d.roll(noise, n), 0, p.Noise)
	for back := int64(0); p.Stall.Share > 0 && time.Duration(back)*drain < min(p.Stall.Most, behind); back++ {
		if d.roll(stalls, n-back) < p.Stall.Share {
			stall := between(d.roll(length, n-back), p.Stall.Least, p.Stall.Most)
			late = max(late, stall-time.Duration(back)*drain)
		}
	}
	if p.Overtaken > 0 && d.roll(overtaken, n) < p.Overtaken {
		late += between(d.roll(overtime, n), 25*ms, 45*ms)
	}
	return late
}

// hits is whether the chain is in its bad state at n.
func (l Loss) hits(d dice, n int64) bool {
	switch {
	case l.Share <= 0:
		return false
	case l.Share >= 1:
		return true
	}
	heal := 1 / max(1, l.Burst)            // chance to leave the bad state
	fall := heal * l.Share / (1 - l.Share) // and to enter it, for the share to be Share
	if sum := heal + fall; sum > 1 {       // a burst that short is not possible with so much loss
		heal, fall = heal/sum, fall/sum
	}
	for ; ; n-- {
		switch u := d.roll(chain, n); {
		case u < fall:
			return true
		case u >= 1-heal:
			return false
		}
	}
}

func (o Outage) dead(at time.Duration) bool {
	since := at - o.First
	if o.Every > 0 && since >= 0 {
		since %= o.Every
	}
	return since >= 0 && since < o.Long
}

// dice are the draws of one direction.
type dice struct {
	seed uint64
	way  Way
}

// What is drawn for a packet.
const (
	noise = iota + 1
	stalls
	length
	overtaken
	overtime
	chain
)

// roll draws from 0 to 1 (never 1): a hash of all that it is given, by the finalizer of splitmix64 (Steele 2014).
func (d dice) roll(what uint64, n int64) float64 {
	h := d.seed
	for _, v := range [...]uint64{uint64(d.way)<<8 | what, uint64(n)} {
		h += v + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return float64(h>>11) / (1 << 53)
}

func between(u float64, least, most time.Duration) time.Duration {
	return least + time.Duration(u*float64(most-least))
}
