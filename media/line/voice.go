package line

import (
	"time"

	"parley/media"
	"parley/media/codec"
)

// plan is how to encode when a listener reports more than a share of packets lost.
type plan struct {
	above float64
	codec.EncoderOptions
}

// plans begin with that for a good network. One is left again for the one before it below half its share. The last has 20 kbit/s
// because with less libopus leaves out the copies (none at 16 kbit/s, whatever the loss) or half of the bandwidth.
var plans = [...]plan{
	{0, codec.EncoderOptions{Bitrate: 32000}},
	{0.02, codec.EncoderOptions{Bitrate: 32000, Voice: true, Loss: 10}},
	{0.10, codec.EncoderOptions{Bitrate: 24000, Voice: true, Loss: 20}},
	{0.20, codec.EncoderOptions{Bitrate: 20000, Voice: true, Loss: 30}},
}

// next is the number of the plan to follow after the n-th, with this loss.
func next(n int, loss float64) int {
	for n+1 < len(plans) && loss > plans[n+1].above {
		n++
	}
	for n > 0 && loss < plans[n].above/2 {
		n--
	}
	return n
}

// asked is how often a listener's loss is asked for at most.
const asked = time.Second

// voice is the encoder of a line and its choice. Of Opus there are two at most: one of the CELT modes for a good network,
// and one with in-band FEC, since libopus does not change between them within a stream.
type voice struct {
	codec media.Codec
	rate  int            // of the encoders
	enc   codec.Encoder  // the one in use
	clear codec.Encoder  // that for a good network
	tough codec.Encoder  // the other, nil until it is needed
	plan  int            // of enc
	made  int            // the plan that tough was made for
	loss  func() float64 // nil: there is one plan only
	since time.Duration  // when loss was asked last
	any   bool           // loss was asked
}

func newVoice(o DownOptions) (voice, error) {
	v := voice{codec: o.Codec, rate: codec.Rate(o.Codec, o.Rate)}
	enc, err := codec.NewEncoder(o.Codec, v.rate, plans[0].EncoderOptions)
	if err != nil {
		return voice{}, err
	}
	v.enc, v.clear = enc, enc
	if v.pauses() {
		v.loss = o.Loss
	}
	return v, nil
}

// pauses reports that silence need not be sent.
func (v *voice) pauses() bool { return v.codec.Clock() == media.ClockRate }

// spurt makes ready for a talk spurt that begins at at: only between spurts can a listener's decoder follow a change without
// a seam.
func (v *voice) spurt(at time.Duration) error {
	if v.loss != nil && (!v.any || at-v.since >= asked) {
		v.any, v.since = true, at
		if err := v.follow(next(v.plan, v.loss())); err != nil {
			return err
		}
	}
	return v.enc.Reset()
}

// follow changes to the n-th plan. On an error the one before goes on.
func (v *voice) follow(n int) error {
	switch {
	case n == v.plan:
		return nil
	case n == 0:
		v.enc = v.clear
	default:
		if v.tough == nil || v.made != n {
			enc, err := codec.NewEncoder(v.codec, v.rate, plans[n].EncoderOptions)
			if err != nil {
				return err
			}
			v.tough, v.made = enc, n
		}
		v.enc = v.tough
	}
	v.plan = n
	return nil
}

// quiet writes the packet that announces a pause.
func (v *voice) quiet(buf []byte) int {
	if e, ok := v.enc.(*codec.OpusEncoder); ok {
		return e.Quiet(buf)
	}
	return 0
}

// bitrate is bits of audio a second.
func (v *voice) bitrate() int {
	if v.pauses() {
		return plans[v.plan].Bitrate
	}
	return 64000
}
