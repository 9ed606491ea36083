package codec

import (
	"fmt"
	"time"

	"parley/media"
)

// The codecs of the telephone network have 64 kbit/s whatever they carry: a byte is an eighth of a millisecond, one
// sample of G.711 or two of G.722.
const (
	phoneByte = time.Millisecond / 8
	phoneMost = int(MaxDuration / phoneByte)
)

// phoneDuration is how long the audio of a payload lasts. The error is [ErrPacket].
func phoneDuration(payload []byte) (time.Duration, error) {
	if n := len(payload); n == 0 || n > phoneMost {
		return 0, fmt.Errorf("%w: %d bytes, want 1 to %d", ErrPacket, n, phoneMost)
	}
	return time.Duration(len(payload)) * phoneByte, nil
}

// perByte is how many samples of c are in a byte.
func perByte(c media.Codec) int { return Rate(c, 0) / 8000 }

// expander makes the samples of a whole payload.
type expander interface {
	decode(payload []byte, pcm []int16)
}

// phoneDecoder is a [Decoder] of G.711 or G.722.
type phoneDecoder struct {
	codec media.Codec
	expander
	patch patch
}

func newPhoneDecoder(c media.Codec, rate int) (*phoneDecoder, error) {
	if rate != Rate(c, 0) {
		return nil, fmt.Errorf("make %s decoder at %d Hz: it has %d only", c, rate, Rate(c, 0))
	}
	d := &phoneDecoder{codec: c, patch: newPatch(rate)}
	switch c {
	case media.G722:
		d.expander = newG722Decoder()
	case media.PCMA:
		d.expander = law{values: &aValues}
	default:
		d.expander = law{values: &muValues}
	}
	return d, nil
}

// Decode is as [Decoder] says. Any 1 to 960 bytes are a packet, also of a length that no sender would choose; others
// give [ErrPacket].
func (d *phoneDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	if _, err := phoneDuration(payload); err != nil {
		return 0, fmt.Errorf("decode %s: %w", d.codec, err)
	}
	n := len(payload) * perByte(d.codec)
	if n > len(pcm) {
		return 0, fmt.Errorf("decode %d bytes of %s: room for %d samples only", len(payload), d.codec, len(pcm))
	}
	d.decode(payload, pcm[:n])
	d.patch.heard(pcm[:n])
	return n, nil
}

// Conceal is as [Decoder] says. next cannot help.
func (d *phoneDecoder) Conceal(_ []byte, pcm []int16) error {
	if n := len(pcm); n == 0 || n%(d.patch.rate/400) != 0 {
		return fmt.Errorf("conceal %d samples at %d Hz: not a multiple of 2.5 ms", n, d.patch.rate)
	}
	d.patch.fill(pcm)
	return nil
}

// compressor makes the bytes of whole samples.
type compressor interface {
	encode(pcm []int16, buf []byte)
	reset()
}

// phoneEncoder is an [Encoder] of G.711 or G.722.
type phoneEncoder struct {
	codec media.Codec
	compressor
}

func newPhoneEncoder(c media.Codec, rate int) (*phoneEncoder, error) {
	if rate != Rate(c, 0) {
		return nil, fmt.Errorf("make %s encoder at %d Hz: it has %d only", c, rate, Rate(c, 0))
	}
	switch c {
	case media.G722:
		return &phoneEncoder{c, newG722Encoder()}, nil
	case media.PCMA:
		return &phoneEncoder{c, law{code: aCode}}, nil
	default:
		return &phoneEncoder{c, law{code: muCode}}, nil
	}
}

// Encode is as [Encoder] says; the frame may have any length up to [MaxDuration], of G.722 an even number of samples.
func (e *phoneEncoder) Encode(pcm []int16, buf []byte) (int, error) {
	n := len(pcm) / perByte(e.codec)
	if n == 0 || n > phoneMost || len(pcm)%perByte(e.codec) != 0 || n > len(buf) {
		return 0, fmt.Errorf("encode %d samples of %s into %d bytes: want whole bytes, up to %d, and room", len(pcm), e.codec, len(buf), phoneMost)
	}
	e.encode(pcm, buf[:n])
	return n, nil
}

// Reset is as [Encoder] says.
func (e *phoneEncoder) Reset() error {
	e.reset()
	return nil
}
