package jitter

import (
	"math/bits"
	"time"

	"parley/media"
)

const (
	grid     = 2500 * time.Microsecond
	capacity = 128                    // packets held
	future   = 200 * time.Millisecond // a gap that would end this far ahead of the clock is not a gap
	ancient  = 500 * time.Millisecond // nothing is this late: the numbers have restarted
	stride   = 3                      // steps in sequence that confirm a packet on probation
	doubts   = 5                      // packets that confirm a restart which looks like old packets
)

// Options is what a Buffer must know of the codec.
type Options struct {
	// Duration is how long the audio in a payload is. On an error the length of the packet before is used.
	Duration func(payload []byte) (time.Duration, error)
	// HasFEC reports that a payload also carries the audio before it. Nil: none does.
	HasFEC func(payload []byte) bool
	// Clock is the rate of the RTP timestamps. Zero: that of Opus.
	Clock int
}

// Buffer is the gap fixer of one stream. It holds at most 128 packets and allocates nothing after New.
// Not safe for concurrent use.
type Buffer struct {
	opt   Options
	pace  pace
	held  []slot // in sequence, not released yet
	seen  uint64 // bit n: top.seq−n has come
	blank uint64 // bit n: top.raw−n held no audio and has no number here
	next  int64  // number of the packet to release
	top   top
	unit  time.Duration // length of the last packet with a known length
	end   time.Duration // of what was released
	run   time.Duration // filled since the last packet
	quiet bool          // the sender pauses
	begun bool
	probe probe
	clock time.Duration // the latest now
	stats Stats
}

// slot is a packet with its place. Numbers do not wrap and do not restart.
type slot struct {
	seq    int64
	place  time.Duration
	length time.Duration
	packet media.Packet
}

func (s *slot) end() time.Duration { return s.place + s.length }

// top is the newest packet taken in: others are placed relative to it, or to the newest with audio.
type top struct {
	seq   int64
	raw   uint16
	ssrc  uint32
	audio int64 // the number of the newest with audio; what follows is its
	time  uint32
	from  time.Duration // its place
	to    time.Duration
}

// probe is a packet that does not fit the stream, and how many like it came in sequence.
type probe struct {
	n      int
	packet media.Packet
}

// New makes an empty Buffer. It panics without o.Duration.
func New(o Options) *Buffer {
	if o.Duration == nil {
		panic("jitter: no Duration")
	}
	if o.HasFEC == nil {
		o.HasFEC = func([]byte) bool { return false }
	}
	if o.Clock == 0 {
		o.Clock = media.ClockRate
	}
	return &Buffer{opt: o, held: make([]slot, 0, capacity), unit: media.FrameDuration}
}

// Len is how many packets are held.
func (b *Buffer) Len() int { return len(b.held) }

// Stats returns the counters.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Depth = b.pace.depth()
	return s
}

// Push takes a packet in. Now must not run backward; p.At is when the packet arrived, at most now.
// The payload is kept until the packet is released.
func (b *Buffer) Push(now time.Duration, p media.Packet) {
	b.clock = max(b.clock, now)
	p.At = min(p.At, b.clock)
	b.stats.Received++
	step := int64(int16(p.Seq - b.top.raw))
	switch {
	case len(p.Payload) == 0:
		b.pass(p, step)
	case !b.begun:
		b.begin(p)
	case p.SSRC != b.top.ssrc:
		b.doubt(p, 2)
	case step > 0:
		b.forward(p, step)
	default:
		b.backward(p, b.number(-step))
	}
}

// number is that of a packet whose sequence number is age before the newest.
func (b *Buffer) number(age int64) int64 {
	skipped := bits.OnesCount64(b.blank & (1<<min(age, 64) - 1))
	return b.top.seq - age + int64(skipped)
}

// Signal takes in a packet of the stream that holds no audio but something that the sender does instead of it, such as a
// telephone-event: its number is not missing, and until audio comes again silence is what is expected.
func (b *Buffer) Signal(now time.Duration, p media.Packet) {
	b.clock = max(b.clock, now)
	b.stats.Received++
	if b.pass(p, int64(int16(p.Seq-b.top.raw))) {
		b.quiet = true
	}
}

// pass leaves out a packet without audio. It reports whether the packet is the newest of the stream.
func (b *Buffer) pass(p media.Packet, step int64) bool {
	b.stats.Ignored++
	if !b.begun || step <= 0 || p.SSRC != b.top.ssrc {
		return false
	}
	b.advance(p.Seq, step, step-1) // its number is not missing
	b.blank |= 1
	return true
}

// Delay is how long after its place on the timeline a packet arrives that nothing held up, in the last one to two
// seconds. It grows when the sender's clock is slow or the route becomes longer.
func (b *Buffer) Delay() time.Duration { return b.pace.base() }

func (b *Buffer) begin(p media.Packet) {
	b.begun, b.end = true, p.At
	b.pace.since = p.At
	b.top = top{raw: p.Seq - 1, ssrc: p.SSRC, time: p.Time, from: p.At, to: p.At}
	b.next = 1
	b.advance(p.Seq, 1, 1)
	b.accept(p, 1, p.At)
}

// place is where a packet's timestamp puts it.
func (b *Buffer) place(p media.Packet) time.Duration {
	d := time.Duration(int32(p.Time-b.top.time)) * time.Second / time.Duration(b.opt.Clock)
	return b.top.from + d.Round(grid)
}

// today is where a packet that arrived at at belongs if its timestamp tells nothing.
func (b *Buffer) today(at time.Duration) time.Duration {
	from := max(b.end, b.top.to)
	return from + max(0, at-b.pace.base()-from).Truncate(grid)
}

// forward takes a packet that is step numbers after the newest.
func (b *Buffer) forward(p media.Packet, step int64) {
	place := b.place(p)
	back, ahead := place < b.top.to, b.ahead(p, place)
	switch {
	case (back || ahead) && step > 1:
		b.doubt(p, 2)
		return
	case back || ahead:
		b.stats.Restarts++
		place = b.top.to
		if place < b.end { // filled meanwhile
			place = b.today(p.At)
		}
	}
	b.clear()
	b.advance(p.Seq, step, step)
	b.accept(p, b.top.seq, place)
}

// ahead reports that a place after the newest lies in the future.
func (b *Buffer) ahead(p media.Packet, place time.Duration) bool {
	return place > b.top.to && place-(p.At-b.pace.base()) > future
}

// advance makes raw the newest sequence number, step after the last, n of them of packets with audio.
func (b *Buffer) advance(raw uint16, step, n int64) {
	b.top.seq, b.top.raw = b.top.seq+n, raw
	b.blank <<= step
	b.seen <<= n
}

// accept makes p the newest packet with audio, with the number seq and at place.
func (b *Buffer) accept(p media.Packet, seq int64, place time.Duration) {
	if place >= b.end {
		b.pace.inTime()
	} else if b.pace.longer(p.At, place) {
		b.stats.Restarts++
		place = b.today(p.At)
		b.pace.inTime()
	}
	s := slot{seq: seq, place: place, length: b.length(p.Payload), packet: p}
	b.pace.arrived(p.At, place)
	b.seen |= 1 << (b.top.seq - seq)
	b.top.audio, b.top.ssrc, b.top.time, b.top.from, b.top.to = seq, p.SSRC, p.Time, place, s.end()
	if s.end() > b.end {
		b.insert(len(b.held), s)
		return
	}
	b.stats.Late++ // and nothing is held, since what is held lies before this and after b.end
	b.stats.Lost += uint64(s.seq - b.next)
	b.next = s.seq + 1
}

func (b *Buffer) length(payload []byte) time.Duration {
	d, err := b.opt.Duration(payload)
	if d = d.Truncate(grid); err == nil && d > 0 {
		b.unit = d
	}
	return b.unit
}

// backward takes a packet with the number seq, not after the newest.
func (b *Buffer) backward(p media.Packet, seq int64) {
	place, age := b.place(p), b.top.seq-seq
	switch {
	case seq > b.top.audio && place >= b.top.to && !b.ahead(p, place): // overtaken by packets without audio
		b.accept(p, seq, place)
		return
	case place >= b.top.to:
		b.doubt(p, 2)
		return
	case b.end-place > ancient:
		b.doubt(p, doubts)
		return
	case age < 64 && b.seen>>age&1 == 1:
		b.stats.Duplicated++
		return
	}
	s := slot{seq: seq, place: place, length: b.length(p.Payload), packet: p}
	b.pace.overtaken(p.At, place)
	if age < 64 {
		b.seen |= 1 << age
	}
	if i, ok := b.hole(s); ok {
		b.insert(i, s)
		return
	}
	b.stats.Late++
}

// hole finds the place in held of a packet that was overtaken, if it is still wanted and fits.
func (b *Buffer) hole(s slot) (int, bool) {
	if s.seq < b.next || s.end() <= b.end {
		return 0, false
	}
	i := 0
	for i < len(b.held) && b.held[i].seq < s.seq {
		i++
	}
	after := b.top.from
	if i < len(b.held) {
		after = b.held[i].place
	}
	return i, s.end() <= after && (i == 0 || b.held[i-1].end() <= s.place)
}

// doubt puts a packet that does not fit the stream on probation. With the need-th in sequence, the last two
// of them begin the stream anew.
func (b *Buffer) doubt(p media.Packet, need int) {
	q := &b.probe
	step := int64(int16(p.Seq - q.packet.Seq))
	if q.n == 0 || p.SSRC != q.packet.SSRC || step < 1 || step > stride {
		b.clear()
		*q = probe{n: 1, packet: p}
		return
	}
	first := q.packet
	q.packet = p
	q.n++
	if q.n < need {
		b.stats.Ignored++ // first
		return
	}
	*q = probe{}
	b.stats.Restarts++
	b.seen, b.blank = 0, 0
	b.top.raw, b.top.ssrc = first.Seq-1, first.SSRC
	b.advance(first.Seq, 1, 1)
	b.accept(first, b.top.seq, b.today(first.At))
	b.forward(p, step)
}

// clear ends a probation without success.
func (b *Buffer) clear() {
	if b.probe.n > 0 {
		b.stats.Ignored++
		b.probe = probe{}
	}
}

func (b *Buffer) insert(i int, s slot) {
	if len(b.held) == capacity {
		b.stats.Overflowed++
		return
	}
	b.held = append(b.held, slot{})
	copy(b.held[i+1:], b.held[i:])
	b.held[i] = s
}
