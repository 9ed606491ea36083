package echo

import (
	"math"

	"parley/media"
)

// rate is how many samples a second the guard works with.
const rate = 4000

// band brings sound to the guard's rate and band. It has state: one for each stream.
type band struct {
	from  int // samples a second
	low   [2]biquad
	high  biquad
	last  float32
	phase int
}

func newBand(from int) *band {
	return &band{
		from: from,
		low:  [2]biquad{lowPass(1700, 0.541, from), lowPass(1700, 1.307, from)}, // Butterworth, fourth order
		high: highPass(300, math.Sqrt2/2, rate),
	}
}

// add appends what pcm becomes to out, scaled to ±1, its higher half lifted as speech has less of it.
func (b *band) add(out []float32, pcm []int16) []float32 {
	for _, s := range pcm {
		x := b.low[1].next(b.low[0].next(float32(s) / 32768))
		if b.phase += rate; b.phase < b.from {
			continue
		}
		b.phase -= b.from
		x = b.high.next(x)
		out = append(out, x-0.7*b.last)
		b.last = x
	}
	return out
}

// biquad is a filter of second order, in transposed direct form II.
type biquad struct{ b0, b1, b2, a1, a2, z1, z2 float32 }

func (q *biquad) next(x float32) float32 {
	y := q.b0*x + q.z1
	q.z1 = q.b1*x - q.a1*y + q.z2
	q.z2 = q.b2*x - q.a2*y
	return y
}

// lowPass and highPass are those of RBJ's cookbook.
func lowPass(hz, q float64, rate int) biquad {
	cos, alpha := corner(hz, q, rate)
	a0 := 1 + alpha
	return biquad{b0: float32((1 - cos) / 2 / a0), b1: float32((1 - cos) / a0), b2: float32((1 - cos) / 2 / a0),
		a1: float32(-2 * cos / a0), a2: float32((1 - alpha) / a0)}
}

func highPass(hz, q float64, rate int) biquad {
	cos, alpha := corner(hz, q, rate)
	a0 := 1 + alpha
	return biquad{b0: float32((1 + cos) / 2 / a0), b1: float32(-(1 + cos) / a0), b2: float32((1 + cos) / 2 / a0),
		a1: float32(-2 * cos / a0), a2: float32((1 - alpha) / a0)}
}

func corner(hz, q float64, rate int) (cos, alpha float64) {
	w := 2 * math.Pi * min(hz/float64(rate), 0.45)
	return math.Cos(w), math.Sin(w) / (2 * q)
}

// power is the mean square of x.
func power(x []float32) float32 {
	var sum float32
	for _, v := range x {
		sum += v * v
	}
	return sum / float32(max(1, len(x)))
}

// sentRing is the newest two seconds of what was sent, silence where nothing was.
type sentRing struct {
	band  *band
	buf   [8192]float32
	end   int // place after the newest sample; a place is a moment of the session clock times rate
	frame []float32
}

func (r *sentRing) put(place int, f media.Frame) {
	if r.band == nil || r.band.from != f.Rate || place != r.end {
		r.band = newBand(f.Rate)
		for r.end = max(r.end, place-len(r.buf)); r.end < place; r.end++ {
			r.buf[r.end%len(r.buf)] = 0
		}
	}
	r.frame = r.band.add(r.frame[:0], f.PCM)
	for _, v := range r.frame {
		r.buf[r.end%len(r.buf)] = v
		r.end++
	}
}

// copy fills out with what was sent from a place on.
func (r *sentRing) copy(out []float32, place int) {
	for i := range out {
		out[i] = 0
		if p := place + i; p >= 0 && p < r.end && p >= r.end-len(r.buf) {
			out[i] = r.buf[p%len(r.buf)]
		}
	}
}
