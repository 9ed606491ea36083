package aws

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is what a request may have that is billed, in characters.
const longest = 3000

// piece is the text of one request.
type piece struct {
	text string
	ssml bool
}

var (
	tag    = regexp.MustCompile(`<[^>]*>`)
	breaks = []string{".!?。！？\n", ",;:—、，；", " \t"} // where text is cut, the best first
)

// pieces is a phrase as requests; none if it has nothing to be said.
func pieces(phrase string) (out []piece) {
	phrase = strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(phrase, "")))
	if strings.HasPrefix(phrase, "<speak") {
		plain := stripped(phrase)
		if sayable(plain) && utf8.RuneCountInString(plain) <= longest && utf8.RuneCountInString(phrase) <= 2*longest {
			return []piece{{phrase, true}}
		}
		phrase = plain
	}
	for _, text := range split(phrase) {
		out = append(out, piece{text: text})
	}
	return out
}

func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' {
		return ' '
	}
	return r
}

// stripped is the text of SSML.
func stripped(ssml string) string {
	return strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(ssml, " ")))
}

// sayable reports whether there is anything to be said in text.
func sayable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
}

// split cuts text into parts that a request may have, at sentences, else clauses, else words. Parts with
// nothing to be said are left out.
func split(text string) (parts []string) {
	for text != "" {
		part := text[:cut(text)]
		text = text[len(part):]
		if part = strings.TrimSpace(part); sayable(part) {
			parts = append(parts, part)
		}
	}
	return parts
}

// cut is where text is cut: its length if it is short enough.
func cut(text string) int {
	end, n := 0, 0
	for i, r := range text {
		if n++; r > 0xffff {
			n++ // in case that the service counts so
		}
		if n > longest {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	if end == len(text) {
		return end
	}
	for _, marks := range breaks {
		if i := strings.LastIndexAny(text[:end], marks); i > end/4 {
			_, size := utf8.DecodeRuneInString(text[i:])
			return i + size
		}
	}
	return end
}
