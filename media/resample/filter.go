package resample

import "math"

// The filter, with frequencies as parts of the lower of the two Nyquist frequencies.
const (
	passEdge   = 0.90
	stopEdge   = 1.00
	stopBand   = 72.0 // dB
	halfTaps   = 46   // at the lower rate: Kaiser's estimate for these three, (stopBand-7.95)/(2.285·π·(stopEdge-passEdge))/2 rounded up to even
	kaiserBeta = 0.1102 * (stopBand - 8.7)
)

// ratio is to/from in lowest terms.
func ratio(from, to int) (up, down int) {
	a, b := from, to
	for b != 0 {
		a, b = b, a%b
	}
	return to / a, from / a
}

// tapsFor is the length of one filter, a multiple of four: the lower the output rate, the more input it spans.
func tapsFor(up, down int) int {
	half := halfTaps
	if down > up {
		half = (halfTaps*down + up - 1) / up
	}
	return 2 * (half + half%2)
}

// design makes the filters of all phases, one after the other. The filter of phase p weighs the taps samples
// around a place p/up after the taps/2-th of them.
func design(up, down int) (phases []float32, taps int) {
	taps = tapsFor(up, down)
	cutoff := (passEdge + stopEdge) / 2 * min(1, float64(up)/float64(down)) // of the input's Nyquist frequency
	phases = make([]float32, up*taps)
	row := make([]float64, taps)
	for p := range up {
		sum := 0.0
		for k := range row {
			d := float64(p)/float64(up) + float64(taps/2-1-k)
			row[k] = sinc(cutoff*d) * kaiser(d/float64(taps/2))
			sum += row[k]
		}
		for k, v := range row {
			phases[p*taps+k] = float32(v / sum) // every phase passes a constant as it is
		}
	}
	return phases, taps
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the window's value at x of its half width, not normalized.
func kaiser(x float64) float64 {
	q := kaiserBeta * kaiserBeta * max(0, 1-x*x) / 4
	sum, term := 1.0, 1.0 // the power series of the Bessel function I0
	for n := 1.0; term > sum*1e-9; n++ {
		term *= q / (n * n)
		sum += term
	}
	return sum
}
