package rerun

import (
	"slices"
	"time"

	"parley/internal/netsim"
	"parley/media"
)

// Network is the path between the caller and the stage. What happens to a packet is a function of the seed and the packet's number,
// so nothing that the conversation does changes it. There are no duplicates: netsim models none.
type Network struct {
	Profile netsim.Profile
	Seed    uint64
}

// numbering gives packets of a stream numbers from 0, without wrapping, each SSRC its own.
type numbering map[uint32]*struct {
	top  uint16
	last int64
}

func (n numbering) number(p media.Packet) int64 {
	s := n[p.SSRC]
	if s == nil {
		s = &struct {
			top  uint16
			last int64
		}{top: p.Seq}
		n[p.SSRC] = s
	}
	at := s.last + int64(int16(p.Seq-s.top))
	if at > s.last {
		s.last, s.top = at, p.Seq
	}
	return at
}

// carry is what becomes of the packets on their way to the stage: some do not arrive, the rest later than they were sent, perhaps in
// another order. A nil Network changes nothing.
func (n *Network) carry(up []media.Packet) []media.Packet {
	if n == nil || len(up) == 0 {
		return up
	}
	out := make([]media.Packet, 0, len(up))
	first, numbers := up[0].At, numbering{}
	for _, p := range up {
		f := n.Profile.Fate(n.Seed, netsim.Up, numbers.number(p), p.At-first)
		if f.Lost {
			continue
		}
		p.At += f.Delay
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b media.Packet) int { return int(a.At - b.At) })
	return out
}

// Reception is what the caller received of what was sent.
type Reception struct {
	Sent     int           `json:"sent"`     // packets
	Received int           `json:"received"` // of these
	Voiced   int           `json:"voiced"`   // packets with speech that were sent
	Missed   int           `json:"missed"`   // of these not received
	Longest  time.Duration `json:"longest"`  // the longest stretch of speech that was lost in a row

	first   time.Duration
	numbers numbering
	run     time.Duration
}

// noSound is the level of a packet without any.
const noSound = 127

func (r *Reception) take(n *Network, p media.Packet) {
	if r.numbers == nil {
		r.numbers, r.first = numbering{}, p.At
	}
	lost := n != nil && n.Profile.Fate(n.Seed, netsim.Down, r.numbers.number(p), p.At-r.first).Lost
	voiced := p.Level != noSound
	r.Sent++
	if voiced {
		r.Voiced++
	}
	switch {
	case !lost:
		r.Received++
		r.run = 0
	case voiced:
		r.Missed++
		r.run += media.FrameDuration
		r.Longest = max(r.Longest, r.run)
	}
}

// Loss is the share of the packets that did not arrive.
func (r Reception) Loss() float64 {
	if r.Sent == 0 {
		return 0
	}
	return 1 - float64(r.Received)/float64(r.Sent)
}
