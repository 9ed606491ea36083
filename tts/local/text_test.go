package local

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"Hello, world.", "Hello, world."},
		{"", ""},
		{" \n\t ", "."},
		{"**Bold** and *thin* and `code`.", "Bold and thin and code ."},
		{"# Title\n\nText", "Title . Text"},
		{"- one\n- two\n", "one . two ."},
		{"> quoted", "quoted"},
		{"See [the page](https://example.com/a?b=c) now.", "See the page now."},
		{"![a cat](cat.png)", "a cat"},
		{"Go to https://www.example.com/x/y?z=1#q, please.", "Go to example.com please."},
		{"```go\nfunc main() {}\n```\nThat is it.", ". That is it."},
		{"```\nnever ended", ""},
		{"Fine 😀👍🏽!", "Fine !"},
		{"👩‍👩‍👧 yes", "yes"},
		{"“Smart” quotes, don’t worry", "Smart quotes, don't worry"},
		{"Wait… what", "Wait. what"},
		{"Wait... what", "Wait. what"},
		{"one — two – three -- four", "one, two, three, four"},
		{"well-known", "well-known"},
		{"10–12 people, call 555-1234", "10 to 12 people, call 555 1234"},
		{"5 - 3 = 2, 2 * 3 = 6, 6 / 2 = 3, -5", "5 minus 3 = 2, 2 times 3 = 6, 6 divided by 2 = 3, -5"},
		{"It costs $5.20 or €3", "It costs 5.20 dollars or 3 euros"},
		{"Dr. Smith met Mrs. Hall.", "Dr Smith met Mrs Hall."},
		{"(aside) here", ", aside , here"},
		{"| a | b |\n|---|---|", ", a , b , ."},
		{"<b>loud</b> 5 < 6", "loud 5 6"},
		{"20% of 3.5 + 4 = 10:30, 1,000 & more", "20% of 3.5 + 4 = 10:30, 1,000 & more"},
		{"a\xffb", "a b"},
		{"e\u0301te\u0301", "e\u0301te\u0301"},
		{"日本語です。", "日本語です"},
		{"snake_case", "snake case"},
		{"\x1b[31mred\x00", "31mred"},
	} {
		if got := clean(test.text); got != test.want {
			t.Errorf("clean(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func show(cs []clause) string {
	var out []string
	for _, c := range cs {
		m := ""
		if c.mark != 0 {
			m = string(rune(c.mark))
		}
		out = append(out, c.text+m)
	}
	return strings.Join(out, "|")
}

func TestClauses(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 90))
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"...", ""},
		{". , !", ""},
		{"Hello", "Hello"},
		{"Hello, how are you? Fine.", "Hello,|how are you?|Fine."},
		{"It is 3.5, or 1,000 at 10:30 on example.com", "It is 3.5,|or 1,000 at 10:30 on example.com"},
		{"Wait . . what", "Wait.|what"},
		{", aside , here", "aside,|here"},
		{"Really?! Yes", "Really!|Yes"},
		{"Title . Text", "Title.|Text"},
		{long, strings.TrimSpace(long[:200]) + "|" + strings.TrimSpace(long[200:400]) + "|" + strings.TrimSpace(long[400:])},
		{strings.Repeat("é", 150), strings.Repeat("é", 100) + "|" + strings.Repeat("é", 50)},
	} {
		if got := show(clauses(test.text)); got != test.want {
			t.Errorf("clauses(%.40q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func TestChunks(t *testing.T) {
	sentence := strings.Repeat("go on and on, ", 10) + "and stop. "
	for _, test := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"😀", nil},
		{"Sure! I can do that for you. It will take only a moment of your time.", []string{"Sure!|I can do that for you.|It will take only a moment of your time."}},
		{"This sentence is long enough to stand on its own. Here is another.", []string{"This sentence is long enough to stand on its own.", "Here is another."}},
		{"a clause without an end that is longer than forty characters, and more", []string{"a clause without an end that is longer than forty characters,|and more"}},
		{sentence + sentence, []string{
			strings.TrimSuffix(strings.Repeat("go on and on,|", 10), "|") + "|and stop.",
			strings.TrimSuffix(strings.Repeat("go on and on,|", 10), "|") + "|and stop.",
		}},
	} {
		var got []string
		for _, c := range chunks(test.text) {
			got = append(got, show(c))
		}
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("chunks(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

func FuzzChunks(f *testing.F) {
	for _, s := range []string{"Hello, world.", "```x", "[a](b)", "é́…", strings.Repeat("a", 500), "1.2.3. $5 - 6", "<a<b>", "\n\n#\n-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, chunk := range chunks(text) {
			size := 0
			for _, c := range chunk {
				size += len(c.text)
				if !utf8.ValidString(c.text) || strings.TrimSpace(c.text) != c.text || c.text == "" {
					t.Fatalf("clause %q of %q", c.text, text)
				}
				for _, r := range c.text {
					if unicode.IsControl(r) || unicode.Is(unicode.So, r) || strings.ContainsRune("*_`#<>[]\\\"", r) {
						t.Fatalf("clause %q of %q holds %q", c.text, text, r)
					}
				}
			}
			if size > longest {
				t.Fatalf("chunk %q has %d bytes", show(chunk), size)
			}
		}
	})
}
