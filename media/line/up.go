package line

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"parley/media"
	"parley/media/codec"
	"parley/media/jitter"
)

// Up turns a stream of packets into frames: order and gaps by package jitter, sound by package codec.
type Up struct {
	buf   *jitter.Buffer
	sound *sound
	slew  slew
	piece piece   // what of the last item has not passed the slew
	ready []int16 // what has, and is not yet in a frame
	cut   cutter
	keys  keys
	begun bool
	event uint8 // payload type of keys; zero: none
	tick  func(at time.Duration)
	items int // that were due

	mu    sync.Mutex
	stats UpStats
}

// UpStats counts what came up a line.
type UpStats struct {
	jitter.Stats
	Frames      uint64 // yielded
	Patched     uint64 // of these marked Lost
	Undecodable uint64 // packets that the decoder refused; concealed
	Dropped     uint64 // packets that Frames was too slow for; it never saw them
	Keys        uint64 // presses reported

	// Behind is how far the frames' At is behind the session clock, or before it: what is not yet made good of the drift of
	// the sender's clock and of changes of the route.
	Behind time.Duration
}

// UpOptions say what comes up a line.
type UpOptions struct {
	Rate  int         // of the frames, in samples a second: 8000, 12000, 16000, 24000 or 48000
	Codec media.Codec // of the packets
	// Events is the payload type of telephone-event packets (RFC 4733); zero: there are none.
	Events uint8
	// Digit gets each key that the caller presses once, within the loop that reads frames: 0 to 9, *, #, A to D. It
	// must not block. Nil: keys are ignored.
	Digit func(at time.Duration, key rune)
	// Tick gets each moment at which sound was made although no packet came, because one was not waited for any longer: with
	// these and the packets the same frames are made again. Within the loop that reads frames; it must not block. Nil: nobody.
	Tick func(at time.Duration)
}

// NewUp makes an Up.
func NewUp(o UpOptions) (*Up, error) {
	s, err := newSound(o.Codec, o.Rate)
	if err != nil {
		return nil, fmt.Errorf("make uplink: %w", err)
	}
	cut, err := newCutter(s.rate, o.Rate)
	if err != nil {
		return nil, fmt.Errorf("make uplink: %w", err)
	}
	opt := jitter.Options{Duration: codec.Duration(o.Codec), Clock: o.Codec.Clock()}
	if o.Codec.Clock() == media.ClockRate {
		opt.HasFEC = codec.HasFEC
	}
	return &Up{
		buf: jitter.New(opt), sound: s, slew: newSlew(len(cut.raw)), cut: cut,
		keys: keys{digit: o.Digit}, event: o.Events, tick: o.Tick,
	}, nil
}

func samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }

// Frames is the audio of in as 20 ms frames without a gap. The first begins at its packet's arrival, from there on
// time is counted in samples, and the samples follow the session clock: those of a sender whose clock is slow or fast, or
// whose route has become longer or shorter, are made more or fewer (see the package comment), so that At stays what it is for
// the first, the time of an arrival that nothing held up. Nothing comes before the first packet; from then on frames
// come for as long as the loop runs, also when packets do not. A frame with a concealed sample is marked Lost (with a codec
// at another rate than the frames', one of its neighbors may have the first or last 6 ms of it); audio that was received
// twice over (FEC), a pause the sender announced and one for a key pressed are not lost. The last frame, after the end of
// in, is filled up with silence.
//
// Now is the session clock, the one that stamps the packets. Frames does its work in the loop that reads it, and a
// frame's PCM is overwritten when the loop goes on. Leaving the loop does not close in.
func (u *Up) Frames(now func() time.Duration, in *media.Tap[media.Packet]) media.Source[media.Frame] {
	return func(ctx context.Context) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) { u.run(ctx, now, in, yield) }
	}
}

func (u *Up) run(ctx context.Context, now func() time.Duration, in *media.Tap[media.Packet], yield func(media.Frame) bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		// The time is taken first: when the tap is empty then, no packet that arrived before it is waiting. A packet is handled at
		// its own time, so that a loop that was held up conceals nothing that is here.
		t := now()
		p, ok, open := in.Next()
		if ok {
			t = p.At
			u.push(p, in.Dropped())
		}
		items := u.items
		going := u.pop(t, yield)
		if !ok && u.tick != nil && u.items > items {
			u.tick(t)
		}
		if !going {
			return
		}
		if ok {
			continue
		}
		if !open {
			u.finish(yield)
			return
		}
		if wake, ok := u.buf.Wake(); ok {
			timer.Reset(wake - now())
		}
		select {
		case <-in.Ready():
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// push takes in a packet; dropped is how many were lost before they could be.
func (u *Up) push(p media.Packet, dropped uint64) {
	pressed := false
	if u.event != 0 && p.PT == u.event {
		u.buf.Signal(p.At, p)
		pressed = u.keys.hear(p)
	} else {
		u.buf.Push(p.At, p)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Dropped = dropped
	if pressed {
		u.stats.Keys++
	}
}

// pop yields the frames that are due at t. It reports whether the loop goes on.
func (u *Up) pop(t time.Duration, yield func(media.Frame) bool) bool {
	for {
		f, ok := u.next(t)
		u.publish(f)
		if !ok || !yield(f) {
			return !ok
		}
	}
}

// finish yields what is held, without waiting for what is missing.
func (u *Up) finish(yield func(media.Frame) bool) {
	for u.buf.Len() > 0 {
		t, _ := u.buf.Wake()
		if !u.pop(t, yield) {
			return
		}
	}
	if f, ok := u.cut.rest(); ok {
		u.publish(f)
		yield(f)
	}
}

// next completes a frame from what is due at t.
func (u *Up) next(t time.Duration) (media.Frame, bool) {
	for !u.cut.full() {
		switch {
		case len(u.ready) > 0:
			u.ready = u.cut.take(u.ready, u.piece.lost)
		case u.piece.n > 0:
			u.ready = u.slew.pass(&u.piece)
		case !u.render(t):
			return media.Frame{}, false
		}
	}
	return u.cut.frame(), true
}

// render makes the next piece, if one is due at t.
func (u *Up) render(t time.Duration) bool {
	it, ok := u.buf.Pop(t)
	if !ok {
		return false
	}
	u.items++
	if !u.begun {
		u.begun, u.cut.at = true, it.At
	}
	u.piece = u.sound.render(it)
	u.slew.steer(&u.piece, it.At+u.buf.Delay()-u.cut.end(), u.cut.n)
	return true
}

// publish makes the counters readable for others.
func (u *Up) publish(f media.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Stats = u.buf.Stats()
	u.stats.Undecodable = u.sound.refused
	u.stats.Behind = u.slew.behind
	if f.PCM != nil {
		u.stats.Frames++
	}
	if f.Lost {
		u.stats.Patched++
	}
}

// Stats returns the counters. Safe from any goroutine.
func (u *Up) Stats() UpStats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stats
}
