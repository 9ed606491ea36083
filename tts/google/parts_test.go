package google

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"parley/internal/provider"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{"", nil},
		{" Hi. ", []string{"Hi."}},
		{"One two. Three fou.", []string{"One two.", "Three fou."}},
		{"One, two three four", []string{"One,", "two three", "four"}},
		{"3.14159265358", []string{"3.14159265", "358"}},
		{"onetwothreefour", []string{"onetwothre", "efour"}},
		{"一二。三四五", []string{"一二。", "三四五"}},
		{"éééééééé", []string{"ééééé", "ééé"}},
	}
	for _, tt := range tests {
		if got := split(tt.in, 10); !slices.Equal(got, tt.want) {
			t.Errorf("%q becomes %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("One, two. Three 日本語。 e\u0301", 10)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most = 4 + most&63; !utf8.ValidString(text) {
			return
		}
		bare := func(s string) string {
			return strings.Map(func(r rune) rune {
				if unicode.IsSpace(r) {
					return -1
				}
				return r
			}, s)
		}
		parts := split(text, most)
		for _, p := range parts {
			if len(p) > most || p == "" || !utf8.ValidString(p) {
				t.Errorf("%q of %q", p, text)
			}
		}
		if bare(strings.Join(parts, "")) != bare(text) {
			t.Errorf("%q becomes %q", text, parts)
		}
	})
}

func TestUnwrap(t *testing.T) {
	data := []byte{1, 2, 3, 4}
	good := file(22050, data, 4)
	for name, in := range map[string][]byte{"good": good, "no length": file(22050, data, 0), "too long": file(22050, data, 1<<31)} {
		if pcm, rate, err := unwrap(in, 24000); string(pcm) != string(data) || rate != 22050 || err != nil {
			t.Errorf("%s: %v at %d, error %v", name, pcm, rate, err)
		}
	}
	stereo := slices.Clone(good)
	stereo[12+12+8+2] = 2
	for name, in := range map[string][]byte{"stereo": stereo, "cut in its format": good[:40], "no data": good[:48], "data first": []byte("RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00")} {
		if _, _, err := unwrap(in, 24000); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add(file(24000, []byte{1, 2, 3}, 3))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		pcm, rate, err := unwrap(in, 24000)
		if err != nil && !errors.Is(err, provider.ErrUnavailable) || err == nil && (rate < 8000 || rate > 48000) || len(pcm) > len(in) {
			t.Errorf("%d bytes at %d, error %v", len(pcm), rate, err)
		}
	})
}
