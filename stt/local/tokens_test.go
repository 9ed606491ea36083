package local

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseTokens(t *testing.T) {
	long := strings.Repeat("x", 300) // 300 = 172 + 128·1: bytes 0xAC, 0x02
	for _, tt := range []struct {
		name string
		in   string
		want tokens
	}{
		{"two", "\x05<unk>\x03abc", tokens{"<unk>", "abc"}},
		{"an empty one", "\x00\x01a", tokens{"", "a"}},
		{"a long one", "\xac\x02" + long, tokens{long}},
		{"nothing", "", nil},
		{"cut in a token", "\x05abc", nil},
		{"cut in a length", "\x01a\xac", nil},
	} {
		got, err := parseTokens([]byte(tt.in))
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestTextOfTokens(t *testing.T) {
	v := tokens{"<unk>", "<s>", "</s>", "\xc3", "\xa9", "\u2581caf", "\u2581<", "<<ST_3>>"}
	for _, tt := range []struct {
		ids  []int64
		want string
	}{
		{nil, ""},
		{[]int64{1, 5, 3, 4, 2}, "café"},
		{[]int64{5, 3}, "caf\uFFFD"},
		{[]int64{7, 5, 6, 99, -1}, "caf <"},
	} {
		if got := v.text(tt.ids); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.ids, got, tt.want)
		}
	}
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("\x05<unk>\x03abc\xac\x02"))
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseTokens(b)
		if err == nil && len(v) == 0 {
			t.Error("no tokens and no error")
		}
		ids := make([]int64, len(v)+2)
		for i := range ids {
			ids[i] = int64(i) - 1
		}
		if s := v.text(ids); !utf8.ValidString(s) {
			t.Errorf("%q is not text", s)
		}
	})
}
