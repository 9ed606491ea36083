package local

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of what is synthesized as one, in bytes of cleaned text.
const (
	shortest = 40  // a sentence that ends earlier takes the next one with it
	longest  = 200 // a chunk is cut here at the latest
)

// What is written for the eye and would be read out wrong.
var unspoken = []struct {
	pattern *regexp.Regexp
	spoken  string
}{
	{regexp.MustCompile("(?s)```.*?(```|$)"), " "},                               // a block of code
	{regexp.MustCompile(`!?\[([^\]]*)\]\([^)\s]*\)`), "$1"},                      // a link or an image: its text
	{regexp.MustCompile(`(?i)\b(?:https?|ftp)://(?:www\.)?([\w.-]+)\S*`), "$1 "}, // an address: its host
	{regexp.MustCompile(`<[/!]?[a-zA-Z][^>]{0,100}>`), " "},                      // a tag
	{regexp.MustCompile(`(?m)^\s*(?:[#>*+-]+\s+)+`), ""},                         // headings, quotes, bullets
	{regexp.MustCompile(`(?m)^\s*[-=*_|: ]{3,}$`), ""},                           // rules
	{regexp.MustCompile(`\$\s?(\d[\d,]*(?:\.\d+)?)`), "$1 dollars"},
	{regexp.MustCompile(`€\s?(\d[\d,]*(?:\.\d+)?)`), "$1 euros"},
	{regexp.MustCompile(`£\s?(\d[\d,]*(?:\.\d+)?)`), "$1 pounds"},
	{regexp.MustCompile(`\b(Dr|Mr|Mrs|Ms|Prof|St|vs)\.`), "$1"}, // not the end of a sentence
	{regexp.MustCompile(`(\d)\s?–\s?(\d)`), "$1 to $2"},
	{regexp.MustCompile(`(\d)-(\d)`), "$1 $2"}, // a date, a telephone number
	{regexp.MustCompile(`(\d)\s+[-−]\s+(\d)`), "$1 minus $2"},
	{regexp.MustCompile(`(\d)\s*[*×]\s*(\d)`), "$1 times $2"},
	{regexp.MustCompile(`(\d)\s+[/÷]\s+(\d)`), "$1 divided by $2"},
	{regexp.MustCompile(`\s[–—-]+\s|[–—]|--+`), ", "},
	{regexp.MustCompile(`…|\.\.+`), ". "},
	{regexp.MustCompile(`\s*\n\s*`), "\n"},
}

// clean makes text ready to be spoken: it drops or rewrites markup, addresses, symbols and pictures, and
// leaves words, numbers and clause marks. Lines end clauses. The rest is up to the phonemes' rules.
func clean(text string) string {
	text = strings.ToValidUTF8(text, " ")
	for _, u := range unspoken {
		text = u.pattern.ReplaceAllString(text, u.spoken)
	}
	var out strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsLetter(r), r < utf8.RuneSelf && unicode.IsDigit(r), unicode.Is(unicode.Mn, r) && r < 0x370:
			out.WriteRune(r)
		case strings.ContainsRune(" ,;:.!?'-+=%&@°/", r):
			out.WriteRune(r)
		case r == '’':
			out.WriteByte('\'')
		case r == '\n':
			out.WriteString(" . ") // marks without words before them are dropped later
		case strings.ContainsRune("(){}|", r):
			out.WriteString(" , ")
		default:
			out.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// clause is some words and the mark after them; mark is zero where a clause was cut for its length or
// has none.
type clause struct {
	text string
	mark byte
}

// clauses cuts cleaned text after its marks. Clauses without a letter or digit are left out.
func clauses(text string) (out []clause) {
	for len(text) > 0 {
		n, mark := nextClause(text)
		body := strings.TrimSpace(strings.TrimRight(text[:n], ",;:.!? "))
		text = text[n:]
		switch {
		case strings.ContainsFunc(body, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
			out = append(out, clause{body, mark})
		case len(out) > 0 && out[len(out)-1].mark == 0:
			out[len(out)-1].mark = mark
		}
	}
	return out
}

// nextClause is where the first clause of text ends, and its mark. A mark inside a number, a name or an
// abbreviation is none.
func nextClause(text string) (n int, mark byte) {
	for i := range len(text) {
		if i >= longest {
			break
		}
		if strings.IndexByte(",;:.!?", text[i]) >= 0 && (i+1 == len(text) || text[i+1] == ' ') {
			return i + 1, text[i]
		}
	}
	if len(text) <= longest {
		return len(text), 0
	}
	if i := strings.LastIndexByte(text[:longest], ' '); i > 0 {
		return i + 1, 0
	}
	n = longest
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return n, 0
}

// chunks groups the clauses of a phrase into what is synthesized as one: a sentence, short ones together,
// long ones cut at a clause.
func chunks(phrase string) (out [][]clause) {
	size, ended := 0, false
	for _, c := range clauses(clean(phrase)) {
		if len(out) == 0 || size+len(c.text) > longest || ended && size >= shortest {
			out, size = append(out, nil), 0
		}
		out[len(out)-1] = append(out[len(out)-1], c)
		size += len(c.text) + 2
		ended = strings.IndexByte(".!?", c.mark) >= 0 && c.mark != 0
	}
	return out
}
