package archive

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Period is a time as people keep things: "30d", "2w", "1d12h", also what time.ParseDuration reads. Empty and 0 are none.
type Period time.Duration

// The units that time.ParseDuration does not have.
var days = map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// UnmarshalText reads a period.
func (p *Period) UnmarshalText(text []byte) error {
	s := string(text)
	whole := s
	var sum time.Duration
	for s != "" {
		i := strings.IndexAny(s, "dw")
		if i < 0 {
			break
		}
		n, err := strconv.ParseUint(s[:i], 10, 32)
		unit := days[s[i]]
		if err != nil || n > uint64((math.MaxInt64-sum)/unit) {
			return notPeriod(whole)
		}
		sum, s = sum+time.Duration(n)*unit, s[i+1:]
	}
	if s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > math.MaxInt64-sum {
			return notPeriod(whole)
		}
		sum += d
	}
	*p = Period(sum)
	return nil
}

func notPeriod(s string) error {
	return fmt.Errorf("%.40q is no period such as 30d, 2w or 12h", s)
}

// Size is a number of bytes as people write it: "100GB", "1.5 TB", "512MiB". Empty and 0 are none.
type Size int64

var sizes = map[string]float64{"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}

// UnmarshalText reads a size.
func (z *Size) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == "" {
		*z = 0
		return nil
	}
	digits := strings.TrimLeft(s, "0123456789.")
	unit, ok := sizes[strings.ToLower(strings.TrimSpace(digits))]
	n, err := strconv.ParseFloat(s[:len(s)-len(digits)], 64)
	if !ok || err != nil || n*unit >= math.MaxInt64 {
		return fmt.Errorf("%.40q is no size such as 500MB, 100GB or 1TiB", s)
	}
	*z = Size(n * unit)
	return nil
}
