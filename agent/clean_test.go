package agent

import "testing"

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"Hello, world! Ça va? 你好":    "Hello, world! Ça va? 你好",
		"two\nlines\tand a tab":      "two lines and a tab",
		"\xff\xfea\x00b\x1b[2Jc":     "ab[2Jc",
		"turned \u202earound\u202c.": "turned around.",
		"half of a letter \xe4\xbd":  "half of a letter ",
		"a family 👩\u200d👩\u200d👧":   "a family 👩\u200d👩\u200d👧",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { clean("nothing is wrong with this") }); n != 0 {
		t.Errorf("%v allocations for a clean text", n)
	}
}
