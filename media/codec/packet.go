package codec

import (
	"errors"
	"fmt"
	"time"
)

// MaxDuration is the longest packet: of Opus by its definition, of the other codecs by ours.
const MaxDuration = 120 * time.Millisecond

// ErrPacket is what every payload that is not a packet of its codec gives.
var ErrPacket = errors.New("not a packet of this codec")

// PacketDuration is how long the audio of an Opus packet lasts, whoever sent it: 2.5 to 120 ms. It reads the whole
// frame structure (RFC 6716 section 3), so what it accepts a [Decoder] accepts too, but nothing inside the frames.
// The error is [ErrPacket].
func PacketDuration(payload []byte) (time.Duration, error) {
	p, err := parse(payload)
	return p.duration(), err
}

// HasFEC reports whether payload holds a second, coarser copy of the frame before its first one: the LBRR flag of RFC
// 6716 section 4.2.4. Packets of the CELT modes never do. A payload that is not an Opus packet does not.
func HasFEC(payload []byte) bool {
	p, err := parse(payload)
	if err != nil || p.celt() || len(p.first) == 0 {
		return false
	}
	// The header bits of a SILK frame are coded as one half each, so they stand in the first byte as they are: for each
	// channel one voice flag a 20 ms (or one for 10 ms), then the LBRR flag.
	silkFrames := max(1, int(p.frame/(20*time.Millisecond)))
	if p.first[0]>>(7-silkFrames)&1 == 1 {
		return true
	}
	return p.stereo && p.first[0]>>(6-2*silkFrames)&1 == 1
}

// The limits of RFC 6716 section 3.2.
const (
	maxFrameBytes = 1275
	longFrame     = 252 // from here on a length has a second byte
	morePadding   = 255 // 254 bytes of padding, and a further count follows
)

// packet is what the bytes before the first frame say.
type packet struct {
	config uint8         // 0–31: mode, bandwidth and frame length
	stereo bool          // two channels coded
	frames int           // 1–48
	frame  time.Duration // of one frame
	first  []byte        // the first frame's bytes; empty if it was not sent
}

func (p packet) celt() bool              { return p.config >= 16 }
func (p packet) duration() time.Duration { return time.Duration(p.frames) * p.frame }

// parse reads the frame packing of RFC 6716 section 3 and checks its requirements R1 to R7.
func parse(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, ErrPacket
	}
	p := packet{config: b[0] >> 3, stereo: b[0]&4 != 0}
	p.frame = frameDuration(p.config)
	var err error
	switch rest := b[1:]; b[0] & 3 {
	case 0:
		p.frames, p.first = 1, rest
	case 1:
		p.frames, p.first = 2, rest[:len(rest)/2]
		if len(rest)%2 != 0 {
			err = fmt.Errorf("%w: two equal frames in %d bytes", ErrPacket, len(rest))
		}
	case 2:
		p.frames = 2
		p.first, err = splitVariable(rest, 2)
	default:
		p.frames, p.first, err = parseMany(rest)
	}
	switch {
	case err != nil:
		return packet{}, err
	case len(p.first) > maxFrameBytes:
		return packet{}, fmt.Errorf("%w: a frame of %d bytes", ErrPacket, len(p.first))
	case p.duration() > MaxDuration:
		return packet{}, fmt.Errorf("%w: %v long", ErrPacket, p.duration())
	}
	return p, nil
}

// frameDuration is table 2 of RFC 6716.
func frameDuration(config uint8) time.Duration {
	switch {
	case config < 12: // SILK
		return [4]time.Duration{10, 20, 40, 60}[config&3] * time.Millisecond
	case config < 16: // hybrid
		return [2]time.Duration{10, 20}[config&1] * time.Millisecond
	default: // CELT
		return 2500 * time.Microsecond << (config & 3)
	}
}

// parseMany reads a packet of code 3: a count of frames, optional padding, then frames of equal or told lengths.
func parseMany(b []byte) (frames int, first []byte, err error) {
	if len(b) == 0 {
		return 0, nil, fmt.Errorf("%w: no frame count", ErrPacket)
	}
	frames = int(b[0] & 0x3f)
	variable, padded := b[0]&0x80 != 0, b[0]&0x40 != 0
	if frames == 0 {
		return 0, nil, fmt.Errorf("%w: no frames", ErrPacket)
	}
	b = b[1:]
	if padded {
		if b, err = trimPadding(b); err != nil {
			return 0, nil, err
		}
	}
	if variable {
		first, err = splitVariable(b, frames)
		return frames, first, err
	}
	if len(b)%frames != 0 {
		return 0, nil, fmt.Errorf("%w: %d equal frames in %d bytes", ErrPacket, frames, len(b))
	}
	return frames, b[:len(b)/frames], nil
}

// trimPadding takes the padding's length from the front of b and that many bytes from its end.
func trimPadding(b []byte) ([]byte, error) {
	padding := 0
	for {
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: padding without an end", ErrPacket)
		}
		n := int(b[0])
		b = b[1:]
		if n != morePadding {
			padding += n
			break
		}
		padding += morePadding - 1
	}
	if padding > len(b) {
		return nil, fmt.Errorf("%w: %d bytes of padding in %d", ErrPacket, padding, len(b))
	}
	return b[:len(b)-padding], nil
}

// splitVariable reads the lengths of all frames but the last, which has what they leave, and returns the first.
func splitVariable(b []byte, frames int) ([]byte, error) {
	sum, firstLen := 0, -1
	for range frames - 1 {
		n, size := frameLength(b)
		if size == 0 {
			return nil, fmt.Errorf("%w: a frame length is missing", ErrPacket)
		}
		b = b[size:]
		sum += n
		if firstLen < 0 {
			firstLen = n
		}
	}
	last := len(b) - sum
	if last < 0 || last > maxFrameBytes {
		return nil, fmt.Errorf("%w: %d bytes for the last frame", ErrPacket, last)
	}
	if firstLen < 0 {
		firstLen = last
	}
	return b[:firstLen], nil
}

// frameLength reads one length of section 3.2.1 and how many bytes it took, 0 if they are not there.
func frameLength(b []byte) (n, size int) {
	switch {
	case len(b) == 0:
		return 0, 0
	case b[0] < longFrame:
		return int(b[0]), 1
	case len(b) == 1:
		return 0, 0
	default:
		return int(b[1])*4 + int(b[0]), 2
	}
}
