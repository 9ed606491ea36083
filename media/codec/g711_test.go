package codec

import "testing"

// The ends of the segments in the tables of the recommendation: there the steps get wider. Those of µ-law are 14-bit
// magnitudes, those of A-law 13-bit ones.
var (
	muEnds = []int{31, 95, 223, 479, 991, 2015, 4063, 8159}
	aEnds  = []int{32, 64, 128, 256, 512, 1024, 2048, 4096}
)

// decisions are the upper decision values of the 128 intervals on one side of zero.
func decisions(first int, ends []int, steps []int) (levels []int) {
	v := 0
	for s, end := range ends {
		for n := 0; v < end; n++ {
			if s == 0 && n == 0 {
				v += first
			} else {
				v += steps[s]
			}
			levels = append(levels, v)
		}
	}
	return levels
}

func TestG711DecisionValues(t *testing.T) {
	steps := []int{2, 4, 8, 16, 32, 64, 128, 256}
	for _, c := range []struct {
		name     string
		code     func(int16) byte
		zero     byte // the code of the smallest positive interval
		inverted byte
		unit     int // 16-bit steps in a unit of the table
		levels   []int
	}{
		{"PCMU", muCode, 0xff, 0xff, 4, decisions(1, muEnds, steps)},
		{"PCMA", aCode, 0xd5, 0x55, 8, decisions(2, aEnds, append([]int{2}, steps...))},
	} {
		if len(c.levels) != 128 || c.code(0) != c.zero {
			t.Fatalf("%s: %d intervals, silence is %x", c.name, len(c.levels), c.code(0))
		}
		number := func(v int) (interval int, negative bool) {
			code := c.code(int16(v)) ^ c.inverted
			return int(code & 0x7f), (code^c.zero^c.inverted)&0x80 != 0
		}
		for n, level := range c.levels {
			least := max(4-level*c.unit, -32768) // below zero: as far from it as the interval goes, in 14 bits
			for _, v := range []int{min(level*c.unit, 32768) - 1, least} {
				if got, negative := number(v); got != n || negative != (v < 0) && v != 0 {
					t.Errorf("%s: %d is in interval %d (negative: %v), want %d", c.name, v, got, negative, n)
				}
			}
		}
	}
}

// What is decoded is coded the same way again, but for µ-law's negative zero.
func TestG711CodesComeBack(t *testing.T) {
	for code := range 256 {
		if got := aCode(aValues[code]); int(got) != code {
			t.Errorf("PCMA: %#x became %d became %#x", code, aValues[code], got)
		}
		if got := muCode(muValues[code]); int(got) != code && code != 0x7f {
			t.Errorf("PCMU: %#x became %d became %#x", code, muValues[code], got)
		}
	}
	if muValues[0x80] != 32124 || muValues[0] != -32124 || aValues[0xaa] != 32256 || aValues[0x2a] != -32256 {
		t.Errorf("the loudest are %d, %d, %d, %d", muValues[0x80], muValues[0], aValues[0xaa], aValues[0x2a])
	}
}
