package bench

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// figures are measured durations.
type figures []time.Duration

// at is the p-th percentile (nearest rank), 0 of nothing.
func (f figures) at(p float64) time.Duration {
	if len(f) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(f))
	rank := int(math.Ceil(p / 100 * float64(len(s))))
	return s[max(0, min(len(s), rank)-1)]
}

// String is the median and the tail, as far as there are enough figures for one.
func (f figures) String() string {
	if len(f) == 0 {
		return "–"
	}
	s := fmt.Sprintf("p50 %s", millis(f.at(50)))
	if len(f) >= 20 {
		s += fmt.Sprintf("  p95 %s", millis(f.at(95)))
	}
	if len(f) >= 100 {
		s += fmt.Sprintf("  p99 %s", millis(f.at(99)))
	}
	return s + fmt.Sprintf("  max %s  (n %d)", millis(f.at(100)), len(f))
}

func millis(d time.Duration) string {
	if -10*time.Millisecond < d && d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
}

// rate is a share with Wilson's interval at 95 %: 0 of 3 is consistent with more than half.
type rate struct{ k, n int }

func (r rate) String() string {
	if r.n == 0 {
		return "–"
	}
	low, high := wilson(r.k, r.n)
	return fmt.Sprintf("%d of %d = %.1f %% (95 %%: %.1f to %.1f %%)", r.k, r.n, 100*float64(r.k)/float64(r.n), 100*low, 100*high)
}

// wilson is the score interval at 95 % (Wilson 1927).
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	center := p + z*z/(2*m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	return max(0, (center-half)/scale), min(1, (center+half)/scale)
}
