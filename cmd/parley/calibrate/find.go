package calibrate

import (
	"math"
	"slices"
	"time"
)

// certain is the least correlation of a chirp with a place in a track that is it.
const certain = 0.6

// find is where in pcm, from one sample to another, a chirp lies, in samples with a fraction: a matched filter, normalized,
// with a parabola through its peak. It is not found where nothing is like it.
func find(sweep, pcm []int16, from, to float64) (at float64, ok bool) {
	first, last := max(0, int(from)), min(len(pcm)-len(sweep), int(to))
	if last < first {
		return 0, false
	}
	var own float64
	for _, s := range sweep {
		own += float64(s) * float64(s)
	}
	like := make([]float64, last-first+1)
	for k := range like {
		var sum, power float64
		for i, s := range pcm[first+k : first+k+len(sweep)] {
			sum += float64(s) * float64(sweep[i])
			power += float64(s) * float64(s)
		}
		like[k] = sum / math.Sqrt(max(1, power*own))
	}
	best := 0
	for k, v := range like {
		if v > like[best] {
			best = k
		}
	}
	at = float64(first + best)
	if best > 0 && best+1 < len(like) {
		a, b, c := like[best-1], like[best], like[best+1]
		if curve := a - 2*b + c; curve < 0 {
			at += (a - c) / (2 * curve)
		}
	}
	return at, like[best] >= certain
}

// drift is the slope of a line through points (seconds, error), in parts per million: least squares.
func drift(at []float64, errs []time.Duration) float64 {
	n := float64(len(at))
	var x, y, xx, xy float64
	for i, t := range at {
		e := errs[i].Seconds()
		x, y, xx, xy = x+t, y+e, xx+t*t, xy+t*e
	}
	if d := n*xx - x*x; n > 1 && d > 0 {
		return 1e6 * (n*xy - x*y) / d
	}
	return 0
}

// percentile is the p-th of the absolute values (nearest rank), 0 of nothing.
func percentile(p float64, all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	abs := make([]time.Duration, len(all))
	for i, d := range all {
		abs[i] = d.Abs()
	}
	slices.Sort(abs)
	return abs[max(0, min(len(abs), int(math.Ceil(p/100*float64(len(abs)))))-1)]
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

func millis(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }
