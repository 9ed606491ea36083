package corpus

import (
	"strings"
	"testing"
)

func TestWER(t *testing.T) {
	for _, c := range []struct {
		ref, hyp    string
		errs, words int
	}{
		{"", "", 0, 0},
		{"", "a b", 2, 0},
		{"one two three", "", 3, 3},
		{"he was not", "he was not", 0, 3},
		{"He was, not!", "he WAS not.", 0, 3},
		{"it's ill-disposed", "its ill disposed", 0, 3},
		{"he was not an ill man", "he was an old man", 2, 6},
		{"a b c d", "b c d e", 2, 4},
		{"press 2", "Press two.", 0, 2},
		{"five five", "55", 0, 2},
		{"extension 1234", "extension one two three four", 0, 2},
		{"dial 600", "dial six hundred", 0, 3},
		{"1,200,034", "one million two hundred thousand thirty four", 0, 7},
		{"28.8 kilobit", "twenty eight point eight kilobit", 0, 5},
		{"the 1st and the 22nd, the 12th and 30th", "the first and the twenty second the twelfth and thirtieth", 0, 9},
		{"0930", "zero nine three zero", 0, 4},
		{"Mr. Smith & Dr. No", "mister smith and doctor no", 0, 5},
		{"50% ok", "fifty percent okay", 0, 3},
		{"MP3 of 1990s", "mp three of 1990s", 0, 4},
		{"99999999999999999999", strings.Repeat("nine ", 20), 0, 20},
	} {
		errs, words := WER(c.ref, c.hyp)
		if errs != c.errs {
			t.Errorf("%q against %q: %d errors in %d words, want %d", c.ref, c.hyp, errs, words, c.errs)
		}
		if c.errs > 0 && words != c.words {
			t.Errorf("%q has %d words, want %d", c.ref, words, c.words)
		}
	}
}

func FuzzWER(f *testing.F) {
	f.Add("Press 2.", "press two")
	f.Add("1st 23.5% of $1,000", "’s 000")
	f.Fuzz(func(t *testing.T, ref, hyp string) {
		if len(ref)+len(hyp) > 4000 {
			return
		}
		errs, words := WER(ref, hyp)
		if errs < 0 || words < 0 {
			t.Errorf("%d errors, %d words", errs, words)
		}
		if errs, _ := WER(ref, ref); errs != 0 {
			t.Errorf("%q against itself: %d errors", ref, errs)
		}
	})
}
