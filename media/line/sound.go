package line

import (
	"time"

	"parley/media"
	"parley/media/codec"
	"parley/media/jitter"
)

// piece is decoded sound, then silence.
type piece struct {
	pcm  []int16
	n    int // samples in all
	lost bool
}

// still reports that nothing is heard in it.
func (p *piece) still() bool {
	for _, v := range p.pcm {
		if v > still || v < -still {
			return false
		}
	}
	return true
}

// sound makes samples of what the jitter buffer gives, at the decoder's own rate.
type sound struct {
	dec     codec.Decoder
	rate    int
	work    []int16 // room for the longest packet
	made    int     // samples concealed in a row
	refused uint64  // packets that the decoder did not take
}

// newSound makes a sound for a line whose frames have rate samples a second.
func newSound(c media.Codec, rate int) (*sound, error) {
	native := codec.Rate(c, rate)
	dec, err := codec.NewDecoder(c, native)
	if err != nil {
		return nil, err
	}
	return &sound{dec: dec, rate: native, work: make([]int16, samples(codec.MaxDuration, native))}, nil
}

// render makes the samples of it.
func (s *sound) render(it jitter.Item) piece {
	p := piece{n: samples(it.Duration, s.rate), lost: it.Lost}
	switch it.Kind {
	case jitter.Play:
		var ok bool
		p.pcm, ok = s.decode(it.Packet.Payload, samples(it.Skip, s.rate), p.n)
		p.lost = !ok
	case jitter.Conceal:
		p.pcm = s.conceal(it.Next, p.n)
	}
	return p
}

// decode returns n samples of a packet, after the first skip. It reports whether they are the packet's.
func (s *sound) decode(payload []byte, skip, n int) ([]int16, bool) {
	got, err := s.dec.Decode(payload, s.work)
	if err != nil {
		s.refused++
		return s.conceal(nil, n), false
	}
	s.made = 0
	clear(s.work[min(got, skip+n):])
	return s.work[skip : skip+n], true
}

// conceal makes n samples up. Without next they fade to silence between the 50th and the 60th millisecond.
func (s *sound) conceal(next []byte, n int) []int16 {
	pcm := s.work[:n]
	if err := s.dec.Conceal(next, pcm); err != nil {
		clear(pcm)
	}
	if next != nil {
		s.made = 0
		return pcm
	}
	from, to := s.rate/20, s.rate*3/50
	for i := range pcm {
		if at := s.made + i; at > from {
			pcm[i] = int16(int(pcm[i]) * max(0, to-at) / (to - from))
		}
	}
	s.made += n
	return pcm
}

// cutter cuts samples at the decoder's rate into frames at the line's.
type cutter struct {
	raw  []int16 // the frame being filled
	n    int     // samples in it
	at   time.Duration
	lost bool // some sample in it is concealed
	conv converter
	rate int // of the frames
}

func newCutter(from, to int) (cutter, error) {
	conv, err := newConverter(from, to)
	return cutter{raw: make([]int16, samples(media.FrameDuration, from)), conv: conv, rate: to}, err
}

func (c *cutter) full() bool { return c.n == len(c.raw) }

// end is where the next sample belongs.
func (c *cutter) end() time.Duration {
	return c.at + time.Duration(c.n)*media.FrameDuration/time.Duration(len(c.raw))
}

// take moves samples into the frame and returns those for which there is no room.
func (c *cutter) take(pcm []int16, lost bool) []int16 {
	n := copy(c.raw[c.n:], pcm)
	c.n += n
	c.lost = c.lost || lost && n > 0
	return pcm[n:]
}

// frame is the full frame. Another begins.
func (c *cutter) frame() media.Frame {
	f := media.Frame{At: c.at, Rate: c.rate, PCM: c.conv.convert(c.raw), Lost: c.lost}
	c.at += media.FrameDuration
	c.n, c.lost = 0, false
	return f
}

// rest is the frame as far as it is filled, and silence.
func (c *cutter) rest() (media.Frame, bool) {
	if c.n == 0 {
		return media.Frame{}, false
	}
	clear(c.raw[c.n:])
	return c.frame(), true
}
