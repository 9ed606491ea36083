package codec

import "math/bits"

// ITU-T G.711 cuts the range of a sample into segments, each twice as wide as the one before it and of 16 even steps: a
// code is a sign, three bits of segment and four of step. The two laws differ in where the segments begin. Samples are
// taken as their upper 14 bits, and what lies on a decision value belongs to the interval farther from zero.

// The bits that are sent inverted, so that a quiet line is not all zeros.
const (
	muInverted = 0xff
	aInverted  = 0x55
)

const (
	muBias = 33   // the 14-bit magnitude at which the segments of µ-law would begin
	muMost = 8158 // the 14-bit magnitudes that the laws can tell from each other
	aMost  = 8191
)

// The values at the decoder output, in 16 bits, by code.
var (
	muValues = values(muValue)
	aValues  = values(aValue)
)

func values(of func(code int) int) (t [256]int16) {
	for code := range t {
		t[code] = int16(of(code))
	}
	return t
}

func muValue(code int) int {
	code ^= muInverted
	v := (code&15<<1+muBias)<<(code>>4&7) - muBias
	return signed(4*v, code&0x80 == 0)
}

func aValue(code int) int {
	code ^= aInverted
	v := code&15<<1 + 1
	if segment := code >> 4 & 7; segment > 0 {
		v = (v + 32) << (segment - 1)
	}
	return signed(8*v, code&0x80 != 0)
}

func signed(v int, positive bool) int {
	if positive {
		return v
	}
	return -v
}

func muCode(sample int16) byte {
	v, sign := magnitude(sample)
	v = min(v, muMost) + muBias
	segment := bits.Len(uint(v)) - 6 // 0 for 33 to 63
	return byte(v>>(segment+1)&15|segment<<4|sign) ^ muInverted
}

func aCode(sample int16) byte {
	v, sign := magnitude(sample)
	v = min(v, aMost)
	segment := max(bits.Len(uint(v))-6, 0) // 0 for 0 to 63, whose steps are as wide as those of 1
	return byte(v>>max(segment+1, 2)&15|segment<<4|sign^0x80) ^ aInverted
}

// magnitude is the 14-bit magnitude of a sample, and 0x80 if it is negative.
func magnitude(sample int16) (v, sign int) {
	if v = int(sample) >> 2; v < 0 {
		return -v, 0x80
	}
	return v, 0
}

// law is one of the two.
type law struct {
	values *[256]int16
	code   func(int16) byte
}

func (l law) decode(payload []byte, pcm []int16) {
	for i, c := range payload {
		pcm[i] = l.values[c]
	}
}

func (l law) encode(pcm []int16, buf []byte) {
	for i, v := range pcm {
		buf[i] = l.code(v)
	}
}

func (l law) reset() {}
