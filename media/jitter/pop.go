package jitter

import (
	"time"

	"parley/media"
)

const (
	patience = 200 * time.Millisecond // with nothing here in mid-speech
	margin   = 40 * time.Millisecond  // beyond the spread, in a pause of the sender
	madeUp   = 60 * time.Millisecond  // concealed in a row, then silence
	longest  = time.Second            // of one silence
	announce = 2                      // bytes: a payload this short begins a pause
)

// Pop returns the next piece of the timeline that is due at now. Call it until there is none: after each
// Push and at Wake. Now must not run backward.
func (b *Buffer) Pop(now time.Duration) (Item, bool) {
	b.clock = max(b.clock, now)
	if !b.begun {
		return Item{}, false
	}
	if len(b.held) > 0 {
		switch h := &b.held[0]; {
		case h.place <= b.end:
			return b.release(), true
		case b.due():
			return b.fill(h), true
		}
		return Item{}, false
	}
	if b.clock < b.deadline() {
		return Item{}, false
	}
	return b.wait(), true
}

// Wake is when Pop has something without another Push; a time gone by means now. It is false only
// before the first packet.
func (b *Buffer) Wake() (time.Duration, bool) {
	if len(b.held) > 0 && (b.due() || b.held[0].place <= b.end) {
		return b.clock, b.begun
	}
	return b.deadline(), b.begun
}

// due reports that what is held need not wait any more for what is missing before it.
func (b *Buffer) due() bool {
	return b.held[0].seq == b.next || len(b.held) == capacity || b.clock >= b.deadline()
}

// deadline is when what should come next is given up.
func (b *Buffer) deadline() time.Duration {
	expected := b.end + b.pace.base()
	switch {
	case len(b.held) > 0:
		return expected + b.pace.depth()
	case b.quiet:
		return expected + b.pace.spread() + margin
	}
	return expected + patience
}

// fill makes the next piece of the gap before h.
func (b *Buffer) fill(h *slot) Item {
	gap := h.place - b.end
	missing := time.Duration(h.seq - b.next)
	tail := time.Duration(0)
	if missing > 0 && b.opt.HasFEC(h.packet.Payload) {
		tail = min(b.unit, gap)
	}
	if gap == tail {
		b.stats.Recovered++
		return b.emit(Item{Kind: Conceal, Duration: gap, Next: h.packet.Payload})
	}
	if missing == 0 {
		return b.emit(Item{Kind: Silence, Duration: min(gap-tail, longest)})
	}
	return b.gone(min(gap-tail, b.past(b.unit)), min(madeUp, missing*b.unit))
}

// past is how much is given up now, in steps: what comes after it may still be here in time.
func (b *Buffer) past(step time.Duration) time.Duration {
	return max(0, b.clock-b.deadline()).Truncate(step) + step
}

// wait makes the next piece while nothing comes.
func (b *Buffer) wait() Item {
	return b.gone(b.past(media.FrameDuration), madeUp)
}

// gone makes the next piece of d for which there is nothing: made up, as long as less than most is, then silence.
func (b *Buffer) gone(d, most time.Duration) Item {
	switch {
	case b.quiet:
		return b.emit(Item{Kind: Silence, Duration: min(d, longest)})
	case b.run < most:
		d = min(d, most-b.run)
		b.stats.Concealed += d
		return b.emit(Item{Kind: Conceal, Duration: d, Lost: true})
	}
	return b.emit(Item{Kind: Silence, Duration: min(d, longest), Lost: true})
}

func (b *Buffer) emit(it Item) Item {
	it.At = b.end
	b.end += it.Duration
	b.run += it.Duration
	switch {
	case it.Kind == Silence && it.Lost:
		b.stats.Silenced += it.Duration
	case it.Kind == Silence:
		b.stats.Paused += it.Duration
	}
	return it
}

// release plays the first packet held.
func (b *Buffer) release() Item {
	h := &b.held[0]
	it := Item{Kind: Play, At: b.end, Duration: h.end() - b.end, Skip: b.end - h.place, Packet: h.packet}
	switch {
	case len(h.packet.Payload) <= announce:
		b.quiet = true
	case h.packet.Marker || b.run == 0: // not one that only keeps a pause alive
		b.quiet = false
	}
	b.end, b.run = h.end(), 0
	b.stats.Played++
	b.stats.Lost += uint64(h.seq - b.next)
	b.next = h.seq + 1
	n := copy(b.held, b.held[1:])
	b.held[n] = slot{}
	b.held = b.held[:n]
	return it
}
