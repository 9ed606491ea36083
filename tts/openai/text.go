package openai

import (
	"strings"
	"unicode"
)

// maxInput is how many characters a request may have.
const maxInput = 4096

// parts cuts a phrase into texts of at most so many characters: after the last sentence that fits, else after the
// last clause, else at the last space, else where it must be. Texts with nothing to say are left out.
func parts(phrase string, most int) (out []string) {
	rest := []rune(strings.TrimSpace(strings.ToValidUTF8(phrase, " ")))
	for len(rest) > 0 {
		n := len(rest)
		if n > most {
			n = cut(rest[:most+1])
		}
		if text := strings.TrimSpace(string(rest[:n])); spoken(text) {
			out = append(out, text)
		}
		rest = rest[n:]
	}
	return out
}

// cut is where text, which is one character too long, is cut best.
func cut(text []rune) int {
	for _, marks := range []string{".!?…。！？\n", ",;:—、，；：", ""} {
		for i := len(text) - 1; i > 0; i-- {
			mark, next := text[i-1], text[i]
			apart := mark > unicode.MaxLatin1 || unicode.IsSpace(mark) || unicode.IsSpace(next) // 3.5 is one word
			if apart && strings.ContainsRune(marks, mark) || marks == "" && unicode.IsSpace(mark) {
				return i
			}
		}
	}
	return len(text) - 1
}

// spoken is whether there is anything to say.
func spoken(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}
