package local

import "math"

// The level of speech: gated and by its mean square. It was set so that EBU R 128 gives −18 LUFS.
const (
	wantLevel = -15.4 // dBFS
	maxGain   = 14    // dB
	minGain   = -12   // dB
)

// The limiter.
const (
	ceiling = 0.9 // of full scale
	block   = 32  // samples
	reach   = 4   // blocks before and after a peak over which it is turned down
)

// Silence is what stays below this part of the loudest sample.
const hush = 0.02

// trim cuts the silence before the first sound to lead samples and the silence after the last to tail.
// Speech without any sound is empty. The result is a part of pcm.
func trim(pcm []float32, lead, tail int) []float32 {
	floor := hush * peak(pcm)
	from, to := -1, 0
	for i, s := range pcm {
		if abs(s) > floor {
			if from < 0 {
				from = i
			}
			to = i + 1
		}
	}
	if from < 0 {
		return nil
	}
	return pcm[max(0, from-lead):min(len(pcm), to+tail)]
}

// squeeze shortens every silence inside pcm to at most longest samples, in place.
func squeeze(pcm []float32, longest int) []float32 {
	floor := hush * peak(pcm)
	out, still := pcm[:0], 0
	for _, s := range pcm {
		if abs(s) > floor {
			still = 0
		}
		if still++; still <= longest {
			out = append(out, s)
		}
	}
	return out
}

// level is speech at the usual loudness as 16-bit samples. Louder moments are turned down, not cut.
// window is the length in samples over which loudness is measured.
func level(pcm []float32, window int) []int16 {
	gain := float32(math.Pow(10, min(maxGain, max(minGain, wantLevel-loudness(pcm, window)))/20))
	turn := limit(pcm, ceiling/gain)
	out := make([]int16, len(pcm))
	for i, s := range pcm {
		g := gain * between(turn, i)
		out[i] = int16(math.Round(float64(max(-1, min(1, s*g))) * math.MaxInt16))
	}
	return out
}

// limit finds by how much each block of pcm must be turned down so that nothing exceeds ceiling. It
// begins before a peak and ends after it, so that the change is not heard: the least of the blocks around
// a block, then the mean of these.
func limit(pcm []float32, ceiling float32) []float32 {
	need := make([]float32, (len(pcm)+block-1)/block)
	for i := range need {
		need[i] = min(1, ceiling/max(1e-6, peak(pcm[i*block:min(len(pcm), (i+1)*block)])))
	}
	least := make([]float32, len(need))
	for i := range need {
		least[i] = 1
		for _, n := range around(need, i, reach+1) { // one more: values are interpolated between blocks
			least[i] = min(least[i], n)
		}
	}
	for i := range need {
		near := around(least, i, reach)
		need[i] = 0
		for _, l := range near {
			need[i] += l / float32(len(near))
		}
	}
	return need
}

func around(v []float32, i, reach int) []float32 { return v[max(0, i-reach):min(len(v), i+reach+1)] }

// between is the value at sample i of a curve that has one point in the middle of each block.
func between(curve []float32, i int) float32 {
	x := float32(i)/block - 0.5
	k := max(0, int(x))
	if k+1 >= len(curve) {
		return curve[len(curve)-1]
	}
	return curve[k] + max(0, x-float32(k))*(curve[k+1]-curve[k])
}

// loudness is the mean square of the windows that hold speech, in dBFS: those within 10 dB of the mean of
// the ones that are not silent, as in EBU R 128 without its filter.
func loudness(pcm []float32, window int) float64 {
	var powers []float64
	for len(pcm) > 0 {
		n := min(window, len(pcm))
		var sum float64
		for _, s := range pcm[:n] {
			sum += float64(s) * float64(s)
		}
		powers = append(powers, sum/float64(n))
		pcm = pcm[n:]
	}
	return decibels(meanAbove(powers, meanAbove(powers, 1e-7)/10))
}

// meanAbove is the mean of the values above floor, 0 without any.
func meanAbove(values []float64, floor float64) float64 {
	var sum float64
	n := 0
	for _, v := range values {
		if v > floor {
			sum += v
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

func decibels(power float64) float64 { return 10 * math.Log10(power+1e-12) }

func peak(pcm []float32) (p float32) {
	for _, s := range pcm {
		p = max(p, abs(s))
	}
	return p
}

func abs(s float32) float32 { return max(s, -s) }
