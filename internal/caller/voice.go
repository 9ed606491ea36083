package caller

import (
	"fmt"

	"parley/media"
	"parley/media/codec"
	"parley/media/resample"
)

// voice encodes frames of [Rate] for the call's codec. Where that has a lower rate, the sound is later by the filter's
// delay of a few milliseconds.
type voice struct {
	encoder codec.Encoder
	clock   int
	narrow  *resample.Resampler // nil: the codec has Rate
	waiting []int16             // narrow, and not yet in a packet
	frame   int                 // samples in one
	buf     [codec.MaxPayload]byte
}

func newVoice(c media.Codec) (voice, error) {
	rate := codec.Rate(c, Rate)
	enc, err := codec.NewEncoder(c, rate, codec.EncoderOptions{Voice: true})
	if err != nil {
		return voice{}, fmt.Errorf("prepare voice: %w", err)
	}
	v := voice{encoder: enc, clock: c.Clock(), frame: rate / 50}
	if rate != Rate {
		v.narrow = resample.New(Rate, rate)
		v.waiting = make([]int16, v.frame) // more than the filter keeps back
	}
	return v, nil
}

// encode gives the payload of the next 20 ms.
func (v *voice) encode(frame []int16) ([]byte, error) {
	if v.narrow != nil {
		v.waiting = v.narrow.Process(frame, v.waiting)
		frame = v.waiting[:v.frame]
		defer func() { v.waiting = append(v.waiting[:0], v.waiting[v.frame:]...) }()
	}
	n, err := v.encoder.Encode(frame, v.buf[:])
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), v.buf[:n]...), nil
}

// ticks is the RTP time of frame n.
func (v *voice) ticks(n int) uint32 { return uint32(n * v.clock / 50) }

// widener gives what is decoded on at [Rate], each sample at its place.
type widener struct {
	rate int
	each func(at int64, pcm []int16)
	wide *resample.Resampler
	next int64 // place of the sample to come, in samples of rate
	out  int64 // and of the one to be given, of Rate
	pcm  []int16
}

func newWidener(rate int, each func(int64, []int16)) *widener {
	return &widener{rate: rate, each: each, wide: resample.New(rate, Rate)}
}

// hear takes samples whose first is at a place. What does not follow on begins anew. A nil widener hears nothing.
func (w *widener) hear(at int64, pcm []int16) {
	if w == nil || len(pcm) == 0 {
		return
	}
	if at = max(0, at); at != w.next {
		w.end()
		w.out = at * Rate / int64(w.rate)
	}
	w.next = at + int64(len(pcm))
	w.give(w.wide.Process(pcm, w.pcm[:0]))
}

// end gives what the filter keeps back.
func (w *widener) end() {
	if w != nil {
		w.give(w.wide.Flush(w.pcm[:0]))
	}
}

func (w *widener) give(pcm []int16) {
	w.pcm = pcm
	if len(pcm) > 0 {
		w.each(w.out, pcm)
		w.out += int64(len(pcm))
	}
}
