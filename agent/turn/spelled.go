package turn

import (
	"slices"
	"strings"
	"unicode"
)

// What is dictated one by one.
var (
	digits = set("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
		"double", "triple", "dash", "hyphen", "dot", "underscore", "slash", "plus")
	// These may be a part of it, but more often count something.
	numbers = set("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
		"thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand")
)

// What is dictated after "my … is", and words that may stand before it.
var (
	dictated = set("number", "code", "pin", "name", "surname", "email", "e-mail", "address", "zip", "postcode", "password", "id", "plate",
		"extension", "reference")
	spellings = set("spelled", "spelt")
	leads     = set("it's", "its", "it", "is", "that's", "yes", "yeah", "okay", "ok", "sure", "um", "uh", "so", "and", "then", "well", "the",
		"again", "no", "sorry")
)

// dictates tells a text after which more letters or figures may follow: one that ends in several of them, that has nothing else,
// or that announces them. One figure behind other words is an amount: "I need five."
func dictates(text string) bool {
	words := tokens(text)
	if len(words) == 0 || strings.HasSuffix(strings.TrimSpace(text), "?") {
		return false
	}
	rest, items := row(words)
	if announces(rest) || email(words) {
		return true
	}
	if items.count >= 2 {
		return true
	}
	return items.sure && !slices.ContainsFunc(rest, func(w string) bool { return !leads[w] })
}

// tokens are the words of a text without the punctuation around them.
func tokens(text string) (all []string) {
	for _, w := range strings.Fields(strings.ReplaceAll(strings.ToLower(text), "’", "'")) {
		if w = strings.TrimFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }); w != "" {
			all = append(all, w)
		}
	}
	return all
}

// items are letters and figures.
type items struct {
	count int
	sure  bool // one of them is no amount: a letter, or a group of figures
}

// row takes the letters and figures off the end of the words.
func row(words []string) (rest []string, all items) {
	for n := len(words); n > 0; n = len(words) {
		switch w := words[n-1]; {
		case n >= 4 && words[n-3] == "as" && words[n-2] == "in" && letter(words[n-4]): // N as in Nancy
			all.count, all.sure, words = all.count+1, true, words[:n-4]
		case n >= 3 && words[n-2] == "for" && letter(words[n-3]) && !digits[w] && !letter(w): // N for Nancy
			all.count, all.sure, words = all.count+1, true, words[:n-3]
		case numbers[w]:
			words = words[:n-1]
		default:
			of := item(w)
			if of.count == 0 {
				return words, all
			}
			all.count, all.sure, words = all.count+of.count, all.sure || of.sure, words[:n-1]
		}
	}
	return nil, all
}

// item takes a word as letters or figures: "n", "five", "020", "N-A-N", "555-1234". An hour or an amount of money is none.
func item(word string) items {
	if digits[word] {
		return items{count: 1}
	}
	parts := strings.Split(word, "-")
	for _, p := range parts {
		if !letter(p) && !figures(p) {
			return items{}
		}
	}
	return items{len(parts), len(parts) > 1 || letter(word) || len(word) >= 3 || len(word) == 2 && word[0] == '0'}
}

func letter(word string) bool {
	r := []rune(word)
	return len(r) == 1 && unicode.IsLetter(r[0])
}

// announces tells words that end as these do: "my number is", "it's spelled".
func announces(words []string) bool {
	for len(words) > 0 && (words[len(words)-1] == "um" || words[len(words)-1] == "uh") {
		words = words[:len(words)-1]
	}
	n := len(words)
	if n == 0 {
		return false
	}
	noun, short := strings.CutSuffix(words[n-1], "'s")
	return spellings[words[n-1]] || short && dictated[noun] || n >= 2 && words[n-1] == "is" && dictated[words[n-2]]
}

// email tells an address that is not whole: "my email is anna", "my email is anna at example".
func email(words []string) bool {
	is := slices.IndexFunc(words, func(w string) bool { return w == "email" || w == "e-mail" })
	if is < 0 {
		return false
	}
	after := words[is+1:]
	if len(after) > 0 && after[0] == "address" {
		after = after[1:]
	}
	if len(after) < 2 || after[0] != "is" {
		return false
	}
	after = after[1:]
	if slices.Contains(after, "dot") || strings.ContainsAny(strings.Join(after, " "), "@.") {
		return false
	}
	return len(after) == 1 || slices.Contains(after, "at")
}
