package corpus

import (
	"strconv"
	"strings"
	"unicode"
)

// WER counts what must be inserted, deleted or replaced to make hyp of ref, and the words of ref. Case and punctuation
// do not count, nor whether numbers are written in digits: 12 is read as "twelve" or as "one two", whichever fits better.
func WER(ref, hyp string) (errs, words int) {
	best := -1
	for _, r := range []bool{false, true} {
		for _, h := range []bool{false, true} {
			a, b := normalize(ref, r), normalize(hyp, h)
			if d := distance(a, b); best < 0 || d < best {
				best, words = d, len(a)
			}
		}
	}
	return best, words
}

// distance is Levenshtein's, in words.
func distance(a, b []string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, w := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, v := range b {
			cost := 1
			if w == v {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// spelled are short forms and how they are said.
var spelled = map[string]string{
	"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay",
	"%": "percent", "&": "and", "+": "plus", "=": "equals", "$": "dollars", "€": "euros", "£": "pounds",
}

// normalize gives the words as they are said: lower case, without punctuation, numbers spelled, digit by digit or as
// one number.
func normalize(s string, digits bool) []string {
	var out []string
	for _, w := range fields(s) {
		number, ranked := w, false
		for _, suffix := range []string{"st", "nd", "rd", "th"} {
			if n, ok := strings.CutSuffix(w, suffix); ok && isDigits(n) {
				number, ranked = n, true
			}
		}
		switch said, ok := spelled[w]; {
		case ok:
			out = append(out, said)
		case !isDigits(number):
			out = append(out, w)
		case digits:
			out = append(out, spellDigits(number)...)
		case ranked:
			out = append(out, ordinal(spell(number))...)
		default:
			out = append(out, spell(w)...)
		}
	}
	return out
}

// fields splits at all that is neither letter, digit nor sign of spelled; apostrophes vanish, commas and points within
// numbers too (a point is said).
func fields(s string) []string {
	var b strings.Builder
	rs := []rune(strings.ToLower(s))
	digit := func(i int) bool { return i >= 0 && i < len(rs) && rs[i] >= '0' && rs[i] <= '9' }
	for i, r := range rs {
		switch inside := digit(i-1) && digit(i+1); {
		case r == '\'' || r == '’' || r == ',' && inside:
		case r == '.' && inside:
			b.WriteString(" point ")
		case digit(i) && i > 0 && unicode.IsLetter(rs[i-1]):
			b.WriteString(" " + string(r))
		case unicode.IsLetter(r) || digit(i):
			b.WriteRune(r)
		case spelled[string(r)] != "":
			b.WriteString(" " + string(r) + " ")
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Fields(b.String())
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

var (
	ones = strings.Fields("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen " +
		"fifteen sixteen seventeen eighteen nineteen")
	tens     = strings.Fields("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
	ordinals = map[string]string{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
		"nine": "ninth", "twelve": "twelfth"}
)

func spellDigits(s string) []string {
	var out []string
	for _, r := range s {
		out = append(out, ones[r-'0'])
	}
	return out
}

// spell says a number below a billion; longer ones, and those that begin with zero, digit by digit.
func spell(s string) []string {
	n, err := strconv.Atoi(s)
	if err != nil || n >= 1e9 || len(s) > 1 && s[0] == '0' {
		return spellDigits(s)
	}
	return count(n)
}

func count(n int) []string {
	for _, unit := range []struct {
		size int
		name string
	}{{1e6, "million"}, {1e3, "thousand"}, {100, "hundred"}} {
		if n >= unit.size {
			out := append(count(n/unit.size), unit.name)
			if n %= unit.size; n > 0 {
				out = append(out, count(n)...)
			}
			return out
		}
	}
	if n < 20 {
		return []string{ones[n]}
	}
	if n%10 == 0 {
		return []string{tens[n/10]}
	}
	return []string{tens[n/10], ones[n%10]}
}

func ordinal(words []string) []string {
	last := &words[len(words)-1]
	switch said, ok := ordinals[*last]; {
	case ok:
		*last = said
	case strings.HasSuffix(*last, "y"):
		*last = strings.TrimSuffix(*last, "y") + "ieth"
	default:
		*last += "th"
	}
	return words
}
