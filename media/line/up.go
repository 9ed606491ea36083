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
	rate int
	buf  *jitter.Buffer
	dec  codec.Decoder

	work  []int16 // room for the longest packet
	piece piece   // what of the last item is not yet in a frame
	made  int     // samples concealed in a row
	frame []int16 // being filled
	n     int     // samples in it
	at    time.Duration
	begun bool
	lost  bool // some sample in it is concealed

	mu    sync.Mutex
	stats UpStats
}

// piece is decoded sound, or silence where pcm is nil.
type piece struct {
	pcm  []int16
	n    int
	lost bool
}

// UpStats counts what came up a line.
type UpStats struct {
	jitter.Stats
	Frames      uint64 // yielded
	Patched     uint64 // of these marked Lost
	Undecodable uint64 // packets that the decoder refused; concealed
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
}

// NewUp makes an Up.
func NewUp(o UpOptions) (*Up, error) {
	dec, err := codec.NewDecoder(o.Codec, o.Rate)
	if err != nil {
		return nil, fmt.Errorf("make uplink: %w", err)
	}
	return &Up{
		rate:  o.Rate,
		buf:   jitter.New(jitter.Options{Duration: codec.PacketDuration, HasFEC: codec.HasFEC, Clock: o.Codec.Clock()}),
		dec:   dec,
		work:  make([]int16, samples(codec.MaxDuration, o.Rate)),
		frame: make([]int16, samples(media.FrameDuration, o.Rate)),
	}, nil
}

func samples(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }

// Frames is the audio of in as 20 ms frames without a gap. The first begins at its packet's arrival, from there on time is counted in
// samples. Nothing comes before the first packet; from then on frames come for as long as the loop
// runs, also when packets do not. A frame with a concealed sample is marked Lost; audio that was received
// twice over (FEC) and a pause the sender announced are not lost. The last frame, after the end of in, is
// filled up with silence.
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
			u.buf.Push(t, p)
		}
		if !u.pop(t, yield) {
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
	if u.n > 0 {
		clear(u.frame[u.n:])
		f := u.cut()
		u.publish(f)
		yield(f)
	}
}

// next completes a frame from what is due at t.
func (u *Up) next(t time.Duration) (media.Frame, bool) {
	for u.n < len(u.frame) {
		if u.piece.n == 0 && !u.render(t) {
			return media.Frame{}, false
		}
		u.fill()
	}
	return u.cut(), true
}

// fill moves samples from the piece to the frame.
func (u *Up) fill() {
	n := min(u.piece.n, len(u.frame)-u.n)
	to := u.frame[u.n : u.n+n]
	if u.piece.pcm == nil {
		clear(to)
	} else {
		copy(to, u.piece.pcm)
		u.piece.pcm = u.piece.pcm[n:]
	}
	u.piece.n -= n
	u.n += n
	u.lost = u.lost || u.piece.lost
}

func (u *Up) cut() media.Frame {
	f := media.Frame{At: u.at, Rate: u.rate, PCM: u.frame, Lost: u.lost}
	u.at += media.FrameDuration
	u.n, u.lost = 0, false
	return f
}

// render makes the next piece, if one is due at t.
func (u *Up) render(t time.Duration) bool {
	it, ok := u.buf.Pop(t)
	if !ok {
		return false
	}
	if !u.begun {
		u.begun, u.at = true, it.At
	}
	n := samples(it.Duration, u.rate)
	u.piece = piece{n: n, lost: it.Lost}
	switch it.Kind {
	case jitter.Play:
		u.piece.pcm = u.decode(it.Packet.Payload, samples(it.Skip, u.rate), n)
	case jitter.Conceal:
		u.piece.pcm = u.conceal(it.Next, n)
	}
	return true
}

// decode returns n samples of a packet, after the first skip.
func (u *Up) decode(payload []byte, skip, n int) []int16 {
	got, err := u.dec.Decode(payload, u.work)
	if err != nil {
		u.mu.Lock()
		u.stats.Undecodable++
		u.mu.Unlock()
		u.piece.lost = true
		return u.conceal(nil, n)
	}
	u.made = 0
	clear(u.work[min(got, skip+n):])
	return u.work[skip : skip+n]
}

// conceal makes n samples up. Without next they fade to silence between the 20th and the 60th millisecond.
func (u *Up) conceal(next []byte, n int) []int16 {
	pcm := u.work[:n]
	if err := u.dec.Conceal(next, pcm); err != nil {
		clear(pcm)
	}
	if next != nil {
		u.made = 0
		return pcm
	}
	from, to := u.rate/50, u.rate*3/50
	for i := range pcm {
		if at := u.made + i; at > from {
			pcm[i] = int16(int(pcm[i]) * max(0, to-at) / (to - from))
		}
	}
	u.made += n
	return pcm
}

// publish makes the counters readable for others.
func (u *Up) publish(f media.Frame) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stats.Stats = u.buf.Stats()
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
