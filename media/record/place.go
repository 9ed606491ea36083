package record

import (
	"iter"
	"time"

	"parley/media"
	"parley/media/codec"
)

const (
	lookahead = 4 * time.Second        // a burst that comes within this after a stall was delayed, not spoken later
	steady    = time.Second            // a delay that stays this long is not a burst's
	future    = 200 * time.Millisecond // no packet comes this long before it was sent: the sender's clock has jumped
	heldMost  = 1 << 13
	often     = 5 // packets: so often the delay is looked for anew, and when one is much later than the last
)

// placed is a packet with its place on the session clock.
type placed struct {
	media.Packet
	place   time.Duration // of its first sample
	length  time.Duration
	missing int           // packets between it and the one before that never came
	pause   time.Duration // that the sender's timestamps leave between it and the one before
	first   bool          // the sender's clock or stream began anew
}

// placer finds where packets belong. The timestamps of the sender say how packets lie to each other; where they lie on the
// session clock is told by those that nothing held up: the least delay of what comes in the next four seconds. So a
// burst after a stall is put back where it was spoken, and a sender whose clock drifts is followed.
type placer struct {
	length func([]byte) (time.Duration, error)
	clock  int
	events uint8
	emit   func(placed) bool // reports whether to go on
	given  int

	held []held // by segment and place, not given out yet
	now  time.Duration
	in   segment
	out  segment
	skew skew
}

// segment is a stretch of one stream whose timestamps hang together.
type segment struct {
	id    int
	raw   media.Packet // the newest by place
	units int64        // its place in units of the RTP clock, since the segment's first
	base  time.Duration
	least time.Duration // the least delay so far; out: the delay that is taken
	end   time.Duration // out: of the newest packet, before its delay
	begin time.Duration // out: of the first, with its delay
}

type held struct {
	media.Packet
	segment int
	place   time.Duration // on the sender's clock
	length  time.Duration
	sound   bool
}

func (h *held) delay() time.Duration { return h.At - h.place }

// skew sums up by how much the sender's clock and ours differ.
type skew struct{ span, drift time.Duration }

// ppm is positive for a sender whose clock is slow.
func (s skew) ppm() float64 {
	if s.span <= 0 {
		return 0
	}
	return 1e6 * float64(s.drift) / float64(s.span)
}

func newPlacer(m Manifest, emit func(placed) bool) *placer {
	return &placer{length: codec.Duration(m.Codec), clock: m.Codec.Clock(), events: m.Events, emit: emit}
}

// place is the time of so many units of a clock.
func place(units int64, clock int) time.Duration {
	c := int64(clock)
	return time.Duration(units/c)*time.Second + time.Duration(units%c)*time.Second/time.Duration(c)
}

// push takes the next packet in the order of arrival. It reports whether to go on.
func (r *placer) push(p media.Packet) bool {
	p.At = min(max(p.At, r.now), longestCall) // a clock that runs backward is not ours
	r.now = p.At
	h := held{Packet: p, segment: r.in.id, length: media.FrameDuration}
	s := &r.in
	if len(p.Payload) == 0 || r.events != 0 && p.PT == r.events { // only its number counts
		h.place = s.base + place(s.units, r.clock)
		if s.id > 0 && p.SSRC == s.raw.SSRC {
			r.insert(h)
		}
		return true
	}
	h.sound = true
	if d, err := r.length(p.Payload); err == nil {
		h.length = d
	}
	units := s.units + int64(int32(p.Time-s.raw.Time))
	h.place = s.base + place(units, r.clock)
	if s.id == 0 || p.SSRC != s.raw.SSRC || r.jumped(&h, units) {
		*s = segment{id: s.id + 1, base: p.At, raw: p}
		h.segment, h.place = s.id, p.At
	} else if units > s.units {
		s.raw, s.units = p, units
		s.least = min(s.least, h.delay())
	}
	r.insert(h)
	return r.drain(lookahead)
}

// jumped reports that a packet's timestamp does not go on from those before.
func (r *placer) jumped(h *held, units int64) bool {
	s, limit := &r.in, future
	if h.At-s.base < 2*steady {
		limit = steady // the first packets of a call may have waited for its keys
	}
	if h.delay() < s.least-limit {
		return true
	}
	return int16(h.Seq-s.raw.Seq) > 0 && units <= s.units
}

// insert puts h at its place, unless it is there already or its time is over.
func (r *placer) insert(h held) {
	i := len(r.held)
	for i > 0 && r.held[i-1].segment == h.segment && r.held[i-1].place > h.place {
		i--
	}
	if i > 0 && r.held[i-1].segment == h.segment && r.held[i-1].place == h.place && h.sound && r.held[i-1].sound {
		return
	}
	if h.sound && h.segment == r.out.id && h.place+h.length <= r.out.end {
		return
	}
	r.held = append(r.held, held{})
	copy(r.held[i+1:], r.held[i:])
	r.held[i] = h
}

// drain gives out what has been held for so long.
func (r *placer) drain(age time.Duration) bool {
	n := 0
	for ; n < len(r.held) && (r.now-r.held[n].At >= age || len(r.held)-n > heldMost); n++ {
		if !r.give(n) {
			return false
		}
	}
	r.held = r.held[:copy(r.held, r.held[n:])]
	return true
}

// give gives out one packet, unless it is a stray that no other confirms.
func (r *placer) give(i int) bool {
	h, rest := &r.held[i], r.held[i:]
	if !h.sound {
		if h.segment == r.out.id {
			r.out.raw.Seq = h.Seq
		}
		return true
	}
	if h.segment != r.out.id {
		if len(rest) > 1 && rest[1].segment != h.segment {
			return true
		}
		r.close()
		r.out = segment{id: h.segment, end: h.place}
		r.out.least, _ = delay(rest)
		r.out.begin = r.out.least
		r.out.base = h.place
		return r.emit(r.follow(h, true))
	}
	if r.given++; r.given%often == 0 || h.delay()-r.out.least > stalled {
		if least, over := delay(rest); over >= steady {
			r.out.least = least
		}
	}
	return r.emit(r.follow(h, false))
}

// delay is the least of the packets of the first one's segment, and over what time they arrived.
func delay(rest []held) (least, over time.Duration) {
	least = rest[0].delay()
	for i := range rest {
		if rest[i].segment != rest[0].segment {
			break
		}
		if rest[i].sound {
			least = min(least, rest[i].delay())
			over = rest[i].At - rest[0].At
		}
	}
	return least, over
}

// follow places h after what was given out.
func (r *placer) follow(h *held, first bool) placed {
	p := placed{Packet: h.Packet, place: h.place + r.out.least, length: h.length, first: first}
	if !first {
		if step := int(int16(h.Seq - r.out.raw.Seq)); step > 1 {
			p.missing = step - 1
		}
		p.pause = max(0, h.place-r.out.end)
	}
	r.out.raw = h.Packet
	r.out.raw.Payload = nil
	r.out.end = max(r.out.end, h.place+h.length)
	return p
}

// close ends the segment that is given out.
func (r *placer) close() {
	if span := r.out.end - r.out.base; r.out.id > 0 && span > lookahead {
		r.skew.span += span
		r.skew.drift += r.out.least - r.out.begin
	}
}

// finish gives out what is held.
func (r *placer) finish() bool {
	ok := r.drain(0)
	r.close()
	return ok
}

// placed yields the packets of a direction in their order, and when all are through the skew. What is damaged is passed
// over; Verify tells of it.
func (b *Bundle) placed(k Kind, sum *skew) iter.Seq[placed] {
	return func(yield func(placed) bool) {
		p := newPlacer(b.Manifest, yield)
		for e, err := range b.Packets() {
			if err == nil && e.Kind == k && !p.push(e.Packet) {
				return
			}
		}
		if p.finish() && sum != nil {
			*sum = p.skew
		}
	}
}
