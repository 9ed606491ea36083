package vad

import (
	"math"
	"math/cmplx"
)

// fft is the discrete Fourier transform of melWindow complex points, after Stockham: each pass takes one
// factor of 400 = 4·4·5·5 and leaves the points in an order that needs no sorting at the end. In float64, so
// that the features stay what they are to the bit: the model is not smooth, the last bit of a float32 inside
// it has moved an answer by 0.3. Not safe for concurrent use.
type fft struct {
	turn    [melWindow]complex128 // turn[k] = exp(-2πik/melWindow)
	points  [melWindow]complex128 // in, and out of transform
	scratch [melWindow]complex128
}

func newFFT() *fft {
	f := new(fft)
	for k := range f.turn {
		f.turn[k] = cmplx.Rect(1, -2*math.Pi*float64(k)/melWindow)
	}
	return f
}

// transform replaces f.points by their spectrum.
func (f *fft) transform() {
	f.by4(&f.scratch, &f.points, 1)
	f.by4(&f.points, &f.scratch, 4)
	f.by5(&f.scratch, &f.points, 16)
	f.by5(&f.points, &f.scratch, 80)
}

// by4 is a pass of factor 4 over stride interleaved transforms.
func (f *fft) by4(to, from *[melWindow]complex128, stride int) {
	const quarter = melWindow / 4
	for p := range quarter / stride {
		w1, w2, w3 := f.turn[p*stride], f.turn[2*p*stride], f.turn[3*p*stride]
		in, out := from[p*stride:], to[4*p*stride:]
		for q := range stride {
			a, b, c, d := in[q], in[q+quarter], in[q+2*quarter], in[q+3*quarter]
			even, odd := a+c, b+d
			left, right := a-c, quarterTurn(b-d)
			out[q] = even + odd
			out[q+stride] = (left + right) * w1
			out[q+2*stride] = (even - odd) * w2
			out[q+3*stride] = (left - right) * w3
		}
	}
}

// The cosines and sines of a fifth and two fifths of a turn.
var (
	cos1, sin1 = math.Cos(2 * math.Pi / 5), math.Sin(2 * math.Pi / 5)
	cos2, sin2 = math.Cos(4 * math.Pi / 5), math.Sin(4 * math.Pi / 5)
)

// by5 is a pass of factor 5 over stride interleaved transforms.
func (f *fft) by5(to, from *[melWindow]complex128, stride int) {
	const fifth = melWindow / 5
	c1, s1, c2, s2 := cos1, sin1, cos2, sin2
	for p := range fifth / stride {
		w1, w2, w3, w4 := f.turn[p*stride], f.turn[2*p*stride], f.turn[3*p*stride], f.turn[4*p*stride]
		in, out := from[p*stride:], to[5*p*stride:]
		for q := range stride {
			a, b, c, d, e := in[q], in[q+fifth], in[q+2*fifth], in[q+3*fifth], in[q+4*fifth]
			be, cd := b+e, c+d
			near, far := a+times(c1, be)+times(c2, cd), a+times(c2, be)+times(c1, cd)
			b, c = quarterTurn(b-e), quarterTurn(c-d)
			nearTurn, farTurn := times(s1, b)+times(s2, c), times(s2, b)-times(s1, c)
			out[q] = a + be + cd
			out[q+stride] = (near + nearTurn) * w1
			out[q+2*stride] = (far + farTurn) * w2
			out[q+3*stride] = (far - farTurn) * w3
			out[q+4*stride] = (near - nearTurn) * w4
		}
	}
}

func quarterTurn(z complex128) complex128 { return complex(imag(z), -real(z)) }

func times(x float64, z complex128) complex128 { return complex(x*real(z), x*imag(z)) }
