package echo

import (
	"math"
	"math/cmplx"
	"sync"
)

// A look compares the newest quarter of a second that was heard with all that it may be the echo of.
const (
	points = 4096 // of the transform
	window = 1024 // samples heard
	lags   = points - window
	narrow = 0.15 // a sound's width is the square of its mean amplitude over its mean power; speech has more than this
	ahead  = 256  // a caller's timeline may run ahead of the session clock by 64 ms; so the delays go to 704 ms
)

// finder looks for delays.
type finder struct {
	x, cross [points]complex64
}

// twiddles are the factors of the transform's steps: those of the step that joins halves of n lie from n on.
var twiddles = sync.OnceValue(func() *[points]complex64 {
	var t [points]complex64
	for half := 1; half < points; half *= 2 {
		for k := range half {
			t[half+k] = complex64(cmplx.Rect(1, -math.Pi*float64(k)/float64(half)))
		}
	}
	return &t
})

// look tells where in ref, at which offset, heard is found best, and by how many standard deviations it stands out there.
func (f *finder) look(heard []float32, ref []float32) (offset int, stands float32) {
	for i := range f.x {
		var h float32
		if i < len(heard) {
			h = heard[i]
		}
		f.x[i] = complex(ref[i], h) // two real signals in one transform
	}
	transform(&f.x)
	f.cross = [points]complex64{}
	var sums, squares, bins float32
	for k := points * 300 / rate; k < points*1800/rate; k++ {
		a, b := f.x[k], conj(f.x[points-k])
		r, h := (a+b)/2, (a-b)/complex(0, 2)
		m := abs(h)
		sums, squares, bins = sums+m, squares+m*m, bins+1
		c := r * conj(h)
		if m := abs(c); m > 0 {
			f.cross[points-k] = c / complex(m, 0) // at −k: the forward transform becomes the backward one
		}
	}
	if sums*sums < narrow*bins*squares { // a tone is found in every other
		return 0, 0
	}
	transform(&f.cross)
	var sum float32
	for i, c := range f.cross[:lags] {
		v := abs(c)
		sum += v * v
		if v > stands {
			offset, stands = i, v
		}
	}
	return offset, stands / (float32(math.Sqrt(float64(sum/lags))) + 1e-9)
}

func conj(c complex64) complex64 { return complex(real(c), -imag(c)) }
func abs(c complex64) float32 {
	return float32(math.Sqrt(float64(real(c)*real(c) + imag(c)*imag(c))))
}

// transform is the fast Fourier transform in place (Cooley and Tukey, radix 2, decimation in time).
func transform(x *[points]complex64) {
	for i, j := 1, 0; i < points; i++ {
		bit := points >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for i := 0; i < points; i += 2 {
		x[i], x[i+1] = x[i]+x[i+1], x[i]-x[i+1]
	}
	factors := twiddles()
	for half := 2; half < points; half *= 2 {
		t := factors[half : 2*half]
		for from := 0; from < points; from += 2 * half {
			low, high := x[from : from+half][:len(t)], x[from+half : from+2*half][:len(t)]
			for k, w := range t {
				re := real(high[k])*real(w) - imag(high[k])*imag(w)
				im := real(high[k])*imag(w) + imag(high[k])*real(w)
				a := low[k]
				low[k], high[k] = complex(real(a)+re, imag(a)+im), complex(real(a)-re, imag(a)-im)
			}
		}
	}
}
