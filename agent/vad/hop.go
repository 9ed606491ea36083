package vad

import (
	"fmt"
	"math"
	"time"

	"parley/media"
)

// Hop is how many samples each [Score] of this package's detectors covers: 32 ms.
const Hop = 512

// hopper cuts the frames of one stream into hops.
type hopper struct {
	pcm [Hop]int16
	n   int
}

// cut calls each for every hop that is complete with f; end is where the hop ends on f's timeline.
func (h *hopper) cut(f media.Frame, each func(end time.Duration) error) error {
	if f.Rate != media.ListenRate {
		return fmt.Errorf("score frame: its rate is %d Hz, not %d", f.Rate, media.ListenRate)
	}
	var failed error
	for used := 0; used < len(f.PCM); {
		k := copy(h.pcm[h.n:], f.PCM[used:])
		used += k
		if h.n += k; h.n < Hop {
			break
		}
		h.n = 0
		if err := each(f.At + media.Samples(used, f.Rate)); err != nil {
			failed = err
		}
	}
	return failed
}

// silence is the lowest level that is told apart.
const silence = -100

// level is the RMS of pcm around its mean in dBFS, at least −100: a line may carry an offset that is louder
// than its silence.
func level(pcm []int16) float32 {
	var sum, squares int64
	for _, v := range pcm {
		sum += int64(v)
		squares += int64(v) * int64(v)
	}
	n := int64(len(pcm))
	variance := float64(squares*n-sum*sum) / float64(n*n) / (1 << 30)
	if variance <= 0 {
		return silence
	}
	return max(silence, float32(10*math.Log10(variance)))
}
