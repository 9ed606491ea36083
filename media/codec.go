package media

import "iter"

// Codec names an encoding of audio on the wire, as SDP spells it. Empty means Opus.
type Codec string

// The codecs that a call may have.
const (
	Opus Codec = "opus"
	G722 Codec = "G722"
	PCMU Codec = "PCMU"
	PCMA Codec = "PCMA"
)

// Clock is the rate of the codec's RTP timestamps. That of G.722 is 8000 although its audio has 16,000 samples a
// second: a mistake of RFC 1890 that RFC 3551 keeps.
func (c Codec) Clock() int {
	if c == "" || c == Opus {
		return ClockRate
	}
	return 8000
}

// Filter changes a stream of frames: iterator in, iterator out. What it yields must follow on without a gap, as what it
// takes does, and it ends when its input does. A frame's PCM is valid until the loop that yielded it goes on; a
// filter may change it in place.
type Filter func(iter.Seq[Frame]) iter.Seq[Frame]
