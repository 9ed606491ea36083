package rec

import (
	"slices"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{""}},
		{"  one  two\nthree ", []string{"one two", "three"}},
		{"abcdefghijklm no", []string{"abcdefgh", "ijklm no"}},
		{"a abcdefghij", []string{"a", "abcdefgh", "ij"}},
		{"né née nés", []string{"né née", "nés"}},
		{"\x1b[2Jx\u009by\xff", []string{"[2Jx y\uFFFD"}},
		{"a\u202eb\u00adc\u200dd", []string{"abc\u200dd"}},
	} {
		if got := Wrap(c.text, 8); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
