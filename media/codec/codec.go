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
	// Conceal fills pcm, a multiple of 2.5 ms, with what a lost packet may have held. next is the packet after the
	// hole, or nil; it is not consumed.
	Conceal(next []byte, pcm []int16) error
}

// Encoder turns mono samples into one stream of packets. Not safe for concurrent use. It allocates nothing a frame.
type Encoder interface {
	// Encode writes the packet of one frame of 20 ms to the front of buf, which has room for [MaxPayload] bytes, and
	// returns its length. Neither argument is kept.
	Encode(pcm []int16, buf []byte) (int, error)
	// Reset forgets what was encoded and goes on as after silence.
	Reset() error
}

// NewDecoder makes a decoder of c whose output has rate samples a second: for Opus any of 8000, 12000, 16000, 24000
// and 48000, for others their [Rate].
func NewDecoder(c media.Codec, rate int) (Decoder, error) {
	switch c {
	case "", media.Opus:
		return NewOpusDecoder(rate)
	}
	return nil, fmt.Errorf("make decoder: no codec %q", string(c))
}

// NewEncoder makes an encoder of c for samples at rate, which is as for [NewDecoder]. The options are for Opus.
func NewEncoder(c media.Codec, rate int, o EncoderOptions) (Encoder, error) {
	switch c {
	case "", media.Opus:
		return NewOpusEncoder(rate, o)
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

// Duration is how long the audio of a payload of c lasts.
func Duration(c media.Codec) func(payload []byte) (time.Duration, error) {
	return PacketDuration
}
