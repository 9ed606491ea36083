package archive

import (
	"testing"
	"time"
)

const day = 24 * time.Hour

func TestPeriod(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "30d": 30 * day, "2w": 14 * day, "1d12h": 36 * time.Hour, "1w2d3h4m": 9*day + 3*time.Hour + 4*time.Minute,
		"90m": 90 * time.Minute, "106751d": 106751 * day} {
		var p Period
		if err := p.UnmarshalText([]byte(text)); err != nil || time.Duration(p) != want {
			t.Errorf("%q: %v, %v, want %v", text, time.Duration(p), err, want)
		}
	}
	for _, text := range []string{"d", "30", "30 d", "-1d", "1d-2h", "-2h", "1.5d", "1y", "106752d", "99999999999999999999d", "15251w9999999h", "1dd", "soon"} {
		p := Period(7)
		if err := p.UnmarshalText([]byte(text)); err == nil || p != 7 {
			t.Errorf("%q is %v", text, time.Duration(p))
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"": 0, "0": 0, "100GB": 100e9, "1.5 TB": 15e11, "10kb": 10e3, "512MiB": 512 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40, "7": 7, "7B": 7} {
		var z Size
		if err := z.UnmarshalText([]byte(text)); err != nil || z != want {
			t.Errorf("%q: %d, %v, want %d", text, z, err, want)
		}
	}
	for _, text := range []string{"GB", "-1GB", "1e3GB", "1PB", "1.2.3MB", "9999999TB", "0x10", "NaN", "1 2GB", "infGB"} {
		z := Size(7)
		if err := z.UnmarshalText([]byte(text)); err == nil || z != 7 {
			t.Errorf("%q is %d", text, z)
		}
	}
}

func FuzzUnits(f *testing.F) {
	for _, s := range []string{"1w2d3h", "100GB", "-1d", "9e99TB", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var p Period
		if err := p.UnmarshalText([]byte(s)); p < 0 || err != nil && p != 0 {
			t.Errorf("%q: %v, %v", s, p, err)
		}
		var z Size
		if err := z.UnmarshalText([]byte(s)); z < 0 || err != nil && z != 0 {
			t.Errorf("%q: %v, %v", s, z, err)
		}
	})
}
