package record

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"parley/media"
	"parley/media/codec"
)

// Class says where a sample of a track comes from.
type Class uint8

// The classes. Every sample has one.
const (
	Received    Class = iota // a packet that came, or was sent
	Recovered                // from the redundancy in the packet after it
	Concealed                // a packet is missing: sound made up for up to 60 ms, then silence
	DTX                      // the sender paused
	Muted                    // the microphone was off
	NotCaptured              // before the first packet, after the last, in a pause or a gap of the record, or never sent
	classes
)

var classNames = [classes]string{"received", "recovered", "concealed", "DTX", "muted", "not captured"}

// String is the class's name.
func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return "unknown"
}

// Classes is how long each class lasts; the sum is the track's duration.
type Classes [classes]time.Duration

// Sum is the duration of all.
func (c Classes) Sum() (d time.Duration) {
	for _, v := range c {
		d += v
	}
	return d
}

// Piece is a stretch of a track, at most 120 ms.
type Piece struct {
	media.Frame // At is on the session clock; PCM is valid until the loop goes on
	Class       Class
}

const (
	madeUp  = 60 * time.Millisecond
	shortly = 2500 * time.Microsecond // the grid of concealment, and the shortest gap
	stalled = 120 * time.Millisecond  // by which a stream that goes on may be late before that is a gap
	overlap = 60 * time.Millisecond   // by which it may be early before it is cut
	coarse  = 20 * time.Millisecond   // off by more, a stream is bent by 1 %, by less by 0.2 %
)

// Track yields the sound of a direction, Up or Down, without a gap from zero of the session clock to Duration, so the
// tracks of both are equally long. Each packet lies where its timestamp puts it on the session clock; a sender whose clock
// drifts is bent to it by reading its samples up to 0.2 % slower or faster. Rate is as for codec.NewDecoder: of Opus one of
// 8000, 12000, 16000, 24000 and 48000; other codecs give their own (see codec.Rate). An error is the last item.
func (b *Bundle) Track(k Kind, rate int) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		dec, err := codec.NewDecoder(b.Codec, codec.Rate(b.Codec, rate))
		if err == nil && k != Up && k != Down {
			err = errors.New("only packets have a sound")
		}
		if err != nil {
			err = errors.Join(err, b.bad) // an unknown codec is one of the manifest
			yield(Piece{}, fmt.Errorf("derive track %v at %d Hz: %w", k, rate, err))
			return
		}
		b.track(k, dec, codec.Rate(b.Codec, rate), nil, func(p Piece) bool { return yield(p, nil) })
	}
}

// track renders a direction; without a decoder it only counts.
func (b *Bundle) track(k Kind, dec codec.Decoder, rate int, drift *skew, yield func(Piece) bool) {
	t := newTrack(dec, rate, b.Duration(), yield)
	t.marks = b.marks(k)
	for p := range b.placed(k, drift) {
		if !t.take(p) {
			return
		}
	}
	last := NotCaptured
	if t.quiet {
		last = DTX
	}
	t.fill(t.total-t.at, last)
}

// track is the sound of a direction as it is made. Counts are of samples.
type track struct {
	dec   codec.Decoder // nil: lengths only
	rate  int
	total int
	at    int
	work  []int16
	bent  []int16
	last  int16 // sample given out
	made  int   // concealed in a row
	begun bool
	quiet bool // the sender pauses
	slew  bool // being brought back to its place
	marks marks
	yield func(Piece) bool
	ended bool
}

func newTrack(dec codec.Decoder, rate int, total time.Duration, yield func(Piece) bool) *track {
	most := samples(codec.MaxDuration, rate) * 102 / 100 // a packet that is bent
	return &track{
		dec: dec, rate: rate, total: samples(total, rate), yield: yield,
		work: make([]int16, most), bent: make([]int16, 0, most),
	}
}

func (t *track) samples(d time.Duration) int { return samples(d, t.rate) }

func samples(d time.Duration, rate int) int {
	return int(d/time.Second)*rate + int(d%time.Second*time.Duration(rate)/time.Second)
}

// take adds a packet, after what lies between it and the one before. It reports whether to go on.
func (t *track) take(p placed) bool {
	place := t.samples(p.place)
	switch gap := place - t.at; {
	case !t.begun || p.first:
		t.fill(gap, NotCaptured)
	case p.missing > 0 && gap > 0 && t.marks.cover(media.Samples(t.at, t.rate), media.Samples(place, t.rate)): // that is why they are
		t.fill(gap, [...]Class{NotCaptured, DTX}[boolByte(t.quiet)])
	case p.missing > 0 && gap >= t.samples(shortly):
		t.lost(p, gap)
	case p.pause >= shortly:
		t.fill(gap, DTX)
	case gap >= t.samples(stalled):
		t.fill(gap, NotCaptured)
	}
	t.begun, t.quiet = true, len(p.Payload) <= 2
	t.play(p, place-t.at)
	return !t.ended && t.at < t.total
}

// lost fills a gap in which packets are missing. In a pause of the sender only as much as they may have held.
func (t *track) lost(p placed, gap int) {
	unit := t.samples(p.length)
	if t.quiet && gap > p.missing*unit {
		t.fill(gap-p.missing*unit, DTX)
		gap = p.missing * unit
	}
	grid := t.samples(shortly)
	gap = (gap + grid/2) / grid * grid
	tail := 0
	if t.clocked() && codec.HasFEC(p.Payload) {
		tail = min(gap, unit/grid*grid)
	}
	for head := gap - tail; head > 0; {
		n := min(head, t.samples(media.FrameDuration))
		if t.made >= t.samples(madeUp) {
			t.fill(head, Concealed)
			break
		}
		t.conceal(n, nil, Concealed)
		head -= n
	}
	if tail > 0 {
		t.conceal(tail, p.Payload, Recovered)
		t.made = 0
	}
}

// clocked reports that the codec is the one that has FEC.
func (t *track) clocked() bool {
	_, opus := t.dec.(*codec.OpusDecoder)
	return opus || t.dec == nil
}

// conceal makes n samples up. Without next they fade to silence between the 50th and the 60th millisecond.
func (t *track) conceal(n int, next []byte, c Class) {
	pcm := t.work[:n]
	clear(pcm)
	if t.dec != nil && t.dec.Conceal(next, pcm) != nil {
		clear(pcm)
	}
	from, to := t.rate/20, t.samples(madeUp)
	for i := range pcm {
		if at := t.made + i; next == nil && at > from {
			pcm[i] = int16(int(pcm[i]) * max(0, to-at) / (to - from))
		}
	}
	t.made += n
	t.emit(pcm, c)
}

// play adds the samples of a packet, which is off its place by so many: later if positive.
func (t *track) play(p placed, off int) {
	n := t.samples(p.length)
	pcm, class := t.decode(p.Payload, n)
	if t.quiet {
		class = DTX
	}
	if off <= -t.samples(overlap) {
		t.emit(pcm[min(n, -off):], class)
		return
	}
	t.slew = off != 0 && (t.slew || max(off, -off) > t.rate/2000)
	if !t.slew {
		t.emit(pcm, class)
		return
	}
	most := max(1, n/500)
	if max(off, -off) > t.samples(coarse) {
		most = max(1, n/100)
	}
	t.emit(t.bend(pcm, n+min(max(off, -most), most)), class)
}

// decode returns n samples, made up if the packet cannot be decoded.
func (t *track) decode(payload []byte, n int) ([]int16, Class) {
	t.made = 0
	if t.dec == nil {
		return t.work[:n], Received
	}
	got, err := t.dec.Decode(payload, t.work)
	if err != nil {
		n = max(n, t.samples(shortly)) / t.samples(shortly) * t.samples(shortly)
		clear(t.work[:n])
		if t.dec.Conceal(nil, t.work[:n]) != nil {
			clear(t.work[:n])
		}
		return t.work[:n], Concealed
	}
	clear(t.work[min(got, n):n])
	return t.work[:n], Received
}

// bend reads pcm so that it has m samples: a cubic with the slopes that Catmull and Rom give it.
func (t *track) bend(pcm []int16, m int) []int16 {
	if t.dec == nil {
		return t.work[:m]
	}
	sample := func(i int) float32 {
		if i < 0 {
			return float32(t.last)
		}
		return float32(pcm[min(i, len(pcm)-1)])
	}
	t.bent = t.bent[:0]
	for j := range m {
		x := j * len(pcm)
		i, f := x/m, float32(x%m)/float32(m)
		a, b, c, d := sample(i-1), sample(i), sample(i+1), sample(i+2)
		v := b + f/2*(c-a+f*(2*a-5*b+4*c-d+f*(3*(b-c)+d-a)))
		t.bent = append(t.bent, int16(min(max(v, -1<<15), 1<<15-1)))
	}
	return t.bent
}

// fill adds n samples of silence, in pieces.
func (t *track) fill(n int, c Class) {
	for n = min(n, t.total-t.at); n > 0 && !t.ended; {
		k := min(n, t.samples(media.FrameDuration))
		clear(t.work[:k])
		t.emit(t.work[:k], c)
		n -= k
	}
}

// emit gives samples out, as many as belong to the track.
func (t *track) emit(pcm []int16, c Class) {
	pcm = pcm[:min(len(pcm), t.total-t.at)]
	if len(pcm) == 0 || t.ended {
		return
	}
	at := media.Samples(t.at, t.rate)
	c = t.marks.class(at, c)
	f := media.Frame{At: at, Rate: t.rate, PCM: pcm, Lost: c == Concealed}
	t.at += len(pcm)
	t.last = pcm[len(pcm)-1]
	t.ended = !t.yield(Piece{Frame: f, Class: c})
}

// marks are what a record tells about its track besides the packets: stretches of session time.
type marks struct{ missing, muted []stretch }

type stretch struct{ from, to time.Duration }

// marks reads them.
func (b *Bundle) marks(k Kind) (m marks) {
	const never = 1<<63 - 1
	open := func(list *[]stretch, at time.Duration) { *list = append(*list, stretch{at, never}) }
	shut := func(list []stretch, at time.Duration) {
		if n := len(list); n > 0 && list[n-1].to == never {
			list[n-1].to = at
		}
	}
	var gaps, pauses []stretch
	for e, err := range b.Packets() {
		switch {
		case err != nil:
		case e.Kind == Gap && e.Of == k:
			gaps = append(gaps, stretch{e.At, e.Now})
		case e.Kind == Pause:
			open(&pauses, e.Now)
		case e.Kind == Resume:
			shut(pauses, e.Now)
		case e.Kind == Mute && k == Up && e.On:
			open(&m.muted, e.Now)
		case e.Kind == Mute && k == Up:
			shut(m.muted, e.Now)
		}
	}
	m.missing = append(gaps, pauses...)
	slices.SortFunc(m.missing, func(a, b stretch) int { return int(min(max(a.from-b.from, -1), 1)) })
	return m
}

// class is that of what lies at a time, which must not go back from call to call.
func (m *marks) class(at time.Duration, c Class) Class {
	switch {
	case within(&m.missing, at) && c != Received:
		return NotCaptured
	case within(&m.muted, at) && c != NotCaptured:
		return Muted
	}
	return c
}

// cover says whether a part of a stretch is missing.
func (m *marks) cover(from, to time.Duration) bool {
	return slices.ContainsFunc(m.missing, func(s stretch) bool { return s.from < to && s.to > from })
}

func within(list *[]stretch, at time.Duration) bool {
	for len(*list) > 0 && (*list)[0].to <= at {
		*list = (*list)[1:]
	}
	return len(*list) > 0 && (*list)[0].from <= at
}
