package codec

import (
	"fmt"
	"time"

	"parley/media"
)

// Decoder turns one stream of packets into mono samples. Not safe for concurrent use. It allocates nothing a packet.
type Decoder interface {
	// Decode writes the samples of one packet to the front of pcm, which has room for [MaxDuration], and returns
	// how many there are. After an error the next packet decodes as usual. Neither argument is kept.
	Decode(payload []byte, pcm []int16) (int, error)
	// Conceal fills pcm, a multiple of 2.5 ms, with what a lost packet may have held; before the first packet that is
	// silence. next is the packet after the hole, or nil; it is not consumed. In a hole without next, the caller fades
	// what he plays, between the 50th and the 60th millisecond to silence; the packet after it is joined to that without
	// a click.
	Conceal(next []byte, pcm []int16) error
}

// Encoder turns mono samples into one stream of packets. Not safe for concurrent use. It allocates nothing a frame.
type Encoder interface {
	// Encode writes the packet of one frame of 20 ms to the front of buf, which has room for [MaxPayload] bytes, and
	// returns its length. Neither argument is kept.
	Encode(pcm []int16, buf []byte) (int, error)
	// Reset forgets what was encoded and goes on as after silence, for the first frame of a talk spurt. What a G.722
	// encoder has in common with its listener stays: both must go on with the same.
	Reset() error
}

// NewDecoder makes a decoder of c whose output has rate samples a second: for Opus any of 8000, 12000, 16000, 24000
// and 48000, for others their [Rate].
func NewDecoder(c media.Codec, rate int) (Decoder, error) {
	switch c {
	case "", media.Opus:
		return NewOpusDecoder(rate)
	case media.G722, media.PCMU, media.PCMA:
		return newPhoneDecoder(c, rate)
	}
	return nil, fmt.Errorf("make decoder: no codec %q", string(c))
}

// NewEncoder makes an encoder of c for samples at rate, which is as for [NewDecoder]. The options are for Opus.
func NewEncoder(c media.Codec, rate int, o EncoderOptions) (Encoder, error) {
	switch c {
	case "", media.Opus:
		return NewOpusEncoder(rate, o)
	case media.G722, media.PCMU, media.PCMA:
		return newPhoneEncoder(c, rate)
	}
	return nil, fmt.Errorf("make encoder: no codec %q", string(c))
}

// Rate is the number of samples a second that a coder of c should be made for when want is wanted: want itself for
// Opus, else what the codec has.
func Rate(c media.Codec, want int) int {
	switch c {
	case media.G722:
		return 16000
	case media.PCMU, media.PCMA:
		return 8000
	}
	return want
}

// Duration returns the function that tells how long the audio of a payload of c lasts: [PacketDuration] for Opus; for
// the others an eighth of a millisecond a byte, up to [MaxDuration]. The error of either is [ErrPacket].
func Duration(c media.Codec) func(payload []byte) (time.Duration, error) {
	switch c {
	case media.G722, media.PCMU, media.PCMA:
		return phoneDuration
	}
	return PacketDuration
}
