package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// phrasesOf are the phrases of a model's text that comes in these pieces.
func phrasesOf(pieces ...string) (all []string, over error) {
	c := cutter{model: true}
	for _, p := range pieces {
		all = append(all, c.add(p)...)
	}
	if p := c.rest(); p != "" {
		all = append(all, p)
	}
	_, over = c.over()
	return all, over
}

func TestSpeakable(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "It is 3.14, isn't it? Yes — $5 & 20%, e.g. at 5 p.m. (or so): and/or, snake_case, x^2, C#, #1.", "It is 3.14, isn't it? Yes — $5 & 20%, e.g. at 5 p.m. (or so): and/or, snake_case, x^2, C#, #1."},
		{"other scripts", "Ça va? Größe! Привет, мир. שלום מה שלומך? नमस्ते दुनिया।", "Ça va? Größe! Привет, мир. שלום מה שלומך? नमस्ते दुनिया।"},
		{"nothing", "", ""},
		{"punctuation", "?! … ---", ""},

		{"end of a turn", "Hello there.<|im_end|>", "Hello there."},
		{"the next turn", "Hello there.<|im_end|>\n<|im_start|>user\nAnd you?<|im_end|>", "Hello there."},
		{"the caller's turn", "Hello there. [INST] And you? [/INST] Fine.", "Hello there."},
		{"begins with tokens", "<|start_header_id|>assistant<|end_header_id|>\n\nHello there.<|eot_id|>", "Hello there."},
		{"begins with a role", "<|im_start|>assistant\nHello.</s>", "Hello."},
		{"gemma", "<start_of_turn>model\nHello.<end_of_turn>\n<start_of_turn>user", "Hello."},
		{"an end at the beginning", "</s> <s> Hello [/INST] there <unk>friend.", "Hello there friend."},
		{"deepseek", "Hello.<｜end▁of▁sentence｜>Hello", "Hello."},
		{"cut token", "Hello. <|im_en", "Hello."},
		{"harmony", "<|channel|>analysis<|message|>The user greets. I greet.<|end|><|start|>assistant<|channel|>final<|message|>Hello there.<|return|>", "Hello there."},

		{"reasoning", "<think>\nThe user greets me.\n</think>\n\nHello there.", "Hello there."},
		{"reasoning within", "Well.<thinking>Is it?</thinking> Yes.", "Well. Yes."},
		{"reasoning of other names", "[THINK]Hm.[/THINK]Yes. <Reasoning>So</Reasoning> ◁think▷no◁/think▷ It is.", "Yes. It is."},
		{"reasoning that never ends", "<think>The user greets me. I greet.", ""},
		{"reasoning without a beginning", "</think>\n\nHello.", "Hello."},
		{"empty reasoning", "<think></think>Hello.", "Hello."},

		{"bold", "It is **very important**, _really_ ***so***: `code`, ~~not~~ \\*this\\*.", "It is very important, really so: code, not this."},
		{"a heading and a list", "# Fruits\nI like:\n- apples\n- **pears**!\n* plums\n\nAnd you?", "Fruits. I like: apples. pears! plums. And you?"},
		{"a numbered list", "1. Go left.\n2. Go right.", "1. Go left. 2. Go right."},
		{"a list without lines", "I like: - apples", "I like: apples"},
		{"dashes", "Robin - your friend - is 5 - 3 years old.", "Robin - your friend - is 5 - 3 years old."},
		{"numbers", "It is 3 * 4 or 3*4.", "It is 3 times 4 or 3*4."},
		{"code", "Run this:\n```python\nprint('x')\n```\nThat is all.", "Run this: That is all."},
		{"a frame", "```\nHello there.\n```", "Hello there."},
		{"a table", "| a | b |\n|---|:-:|\n|one|two|\nSo.", "a b one, two. So."},
		{"a rule and a quotation", "> To be.\n\n---\n***\nNot to be.", "To be. Not to be."},
		{"links", "See [our page](https://example.com/a \"title\"), ![a cat](cat.png) or <https://www.example.org/x?y=1>.", "See our page a cat or example.org."},
		{"addresses", "Go to https://www.example.com/a/b?c=d#e, (http://user@example.org:80/) or www.example.net/x.", "Go to example.com, (example.org:80) or example.net."},
		{"a long address", "Go to https://example.com/" + strings.Repeat("abc/", 40) + " now.", "Go to example.com now."},
		{"notes", "It is so.[1] Really.[^2]", "It is so. Really."},
		{"pages", "<p>Hello<br>there &amp; <a href=\"x\">here</a>.</p>", "Hello there & here."},
		{"less", "3 < 4 and x<y.", "3 < 4 and x<y."},
		{"a link that never ends", "See [it](oops. " + strings.Repeat("more ", 70) + "So.", "See it " + strings.TrimSpace(strings.Repeat("more ", 10)) + " So."},

		{"emoji", "Hello 👋🏽 there 👩‍👩‍👧! 🎉 It is 20° → ✅ ok 1️⃣ ™.", "Hello there It is 20° ok 1 ™."},

		{"a call", `{"name": "weather", "arguments": {"city": "a } b", "q": "\"}"}}`, ""},
		{"a call and words", `[{"name":"x","a":[1,2]}] Hello.`, "Hello."},
		{"a tagged call", "One moment. <tool_call>\n{\"name\": \"x\"}\n</tool_call> Done.", "One moment. Done."},

		{"Chinese", "你好，世界！今天天气很好。", "你好， 世界！ 今天天气很好。"},
		{"a long word", strings.Repeat("a", 5000) + " yes.", strings.Repeat("a", 64) + " yes."},
		{"control characters", "a\x00b\x1b[2J c\u202ed.", "ab2J cd."},
		{"a broken letter", "half \xe4\xbd", "half"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, over := phrasesOf(tt.text)
			if words := strings.Join(strings.Fields(strings.Join(got, " ")), " "); words != tt.want || over != nil {
				t.Errorf("got %q (%v)\nwant %q", words, over, tt.want)
			}
			if each, _ := phrasesOf(strings.Split(tt.text, "")...); !slices.Equal(got, each) {
				t.Errorf("letter by letter %q, else %q", each, got)
			}
		})
	}
}

// Whatever a model writes, it ends, with a sentence.
func TestBounds(t *testing.T) {
	var many strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&many, "word%d ", i*7919%10007)
	}
	sentences := strings.ReplaceAll(many.String(), "7 ", "7. ")
	tests := []struct {
		name, text  string
		over        error
		least, most int // words
	}{
		{"ten thousand words", many.String(), errLong, 300, 314},
		{"in sentences", sentences, errLong, 280, 300},
		{"the same word", strings.Repeat("the ", 10000), errRounds, 10, 20},
		{"the same sentence", strings.Repeat("I can help you with that. ", 100), errRounds, 30, 40},
		{"a chorus", strings.Repeat("Row, row, row your boat. ", 4), nil, 20, 20},
		{"an unspaced text", strings.Repeat("今天天气很好", 3000), errLong, 1, 100},
		{"endless thoughts", "<think>" + strings.Repeat("hm ", 50000), errHidden, 0, 0},
		{"endless thoughts later", "Hello. <think>" + strings.Repeat("hm", 50000), errHidden, 1, 1},
		{"endless code", "Hello. ```go " + strings.Repeat("x := 1\n", 5000), errHidden, 1, 1},
		{"endless emoji", strings.Repeat("😀", 50000), errHidden, 0, 0},
		{"endless spaces", "So" + strings.Repeat("\n ", 50000), errHidden, 1, 1},
		{"an endless object", `Yes. {"a": ` + strings.Repeat("[", 50000), errHidden, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, over := phrasesOf(slices.Collect(pieces(tt.text, 11))...)
			all := strings.Join(got, " ")
			if n := len(strings.Fields(all)); over != tt.over || n < tt.least || n > tt.most {
				t.Errorf("%d words, over for %v: %.300q", n, over, all)
			}
			if over != nil && all != "" && closed(all) != all && !strings.Contains(all, "So") {
				t.Errorf("it ends %q", got[len(got)-1])
			}
			for _, p := range got {
				if len(p) > 1500 {
					t.Errorf("a phrase of %d bytes", len(p))
				}
			}
		})
	}
	own := cutter{}
	n := 0
	for range 100 {
		n += len(own.add("I say the same again. "))
	}
	if over, err := own.over(); over || err != nil || n < 100 {
		t.Errorf("a text of the agent's own is over after %d phrases for %v", n, err)
	}
}

// pieces are a text in pieces of up to n bytes.
func pieces(text string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			k := min(n, len(text))
			if !yield(text[:k]) {
				return
			}
			text = text[k:]
		}
	}
}

// However the text is cut, it gives the same phrases.
func FuzzPieces(f *testing.F) {
	for _, s := range []string{
		"Hello, **world**! <think>no</think> [a](http://b.c/d) ```go\nx\n``` {\"a\":1} 你好，世界。 👩‍👩‍👧 <|im_end|> end",
		"<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Hello there",
		strings.Repeat("ab", 40) + "```" + strings.Repeat("<think>x</think>", 9), "# a\n- b\n| c | d |\n\xe4\xbd\xa0\xff",
	} {
		f.Add(s, []byte{1, 3, 2, 7})
	}
	f.Fuzz(func(t *testing.T, text string, cuts []byte) {
		whole, why := phrasesOf(text)
		var parts []string
		for rest := text; rest != ""; {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, int(cuts[0]))
				cuts = cuts[1:]
			}
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		if got, over := phrasesOf(parts...); !slices.Equal(got, whole) || over != why {
			t.Errorf("%q (%v)\nin pieces %q (%v)", whole, why, got, over)
		}
		for _, p := range whole {
			if !speakable(p) || strings.ContainsFunc(p, unicode.IsControl) {
				t.Errorf("phrase %q", p)
			}
		}
	})
}

// A plain text gives the same phrases as it would without a filter, with the same piece of it.
func TestPlainTextIsNotDelayed(t *testing.T) {
	words := []string{"Hello", "there,", "it", "is", "3.14", "o'clock.", "Dr.", "Who?", "—", "…", "a", "well-known", "(so", "called)", "\"thing\"", "$5;", "20%", "&", "Ça", "Größe!", "x=1", "a/b", "Yes:", "e.g.", "5", "7,000", "-3", "U.S."}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(words), 1, 60).Draw(t, "words"), rapid.SampledFrom([]string{" ", "  "}).Draw(t, "space"))
		now, before := cutter{model: true}, unfiltered{}
		for piece := range pieces(text, rapid.IntRange(1, 9).Draw(t, "size")) {
			got, want := now.add(piece), before.add(piece)
			if over, _ := now.over(); over { // words drawn may go round and round
				return
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%q gives %q, before %q", piece, got, want)
			}
		}
		if got, want := now.rest(), before.rest(); got != want {
			t.Fatalf("at last %q, before %q", got, want)
		}
	})
}

// unfiltered cuts a text without looking at what it is.
type unfiltered struct{ c cutter }

func (u *unfiltered) add(text string) (phrases []string) {
	for u.c.buf += text; ; {
		i := u.c.end()
		if i < 0 {
			return phrases
		}
		if p := strings.TrimSpace(u.c.buf[:i]); speakable(p) {
			phrases = append(phrases, p)
			u.c.n++
		}
		u.c.buf = u.c.buf[i:]
	}
}

func (u *unfiltered) rest() string { return u.c.last() }

func BenchmarkCutter(b *testing.B) {
	text := strings.Split("Well, it is a quarter past three now, and I think that the next train leaves at half past.", " ")
	b.ReportAllocs()
	for b.Loop() {
		c := cutter{model: true}
		for _, w := range text {
			c.add(w + " ")
		}
	}
}
