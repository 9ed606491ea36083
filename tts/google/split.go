package google

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostText is what Google takes in one request, in bytes.
const mostText = 5000

// split cuts text into parts of at most most bytes: behind the last sentence that fits, else clause, else
// word, else rune. Nothing is lost but space between the parts.
func split(text string, most int) (parts []string) {
	for text = strings.TrimSpace(text); len(text) > most; text = strings.TrimSpace(text) {
		n := place(text, most)
		parts = append(parts, strings.TrimSpace(text[:n]))
		text = text[n:]
	}
	if text != "" {
		parts = append(parts, text)
	}
	return parts
}

// place is where to cut text, which is longer than most.
func place(text string, most int) int {
	var word, clause, sentence, end int
	for i, r := range text {
		n := i + utf8.RuneLen(r)
		if n > most {
			break
		}
		end = n
		next, _ := utf8.DecodeRuneInString(text[n:])
		wide := r >= 0x3000 // of scripts without spaces
		switch {
		case strings.ContainsRune(".!?…。！？॥।؟", r) && (wide || unicode.IsSpace(next)):
			sentence = n
		case strings.ContainsRune(",;:—–、，；：،", r) && (wide || unicode.IsSpace(next)):
			clause = n
		case unicode.IsSpace(r):
			word = n
		}
	}
	for _, n := range []int{sentence, clause, word, end} {
		if n > 0 {
			return n
		}
	}
	return len(text) // no rune is longer than most
}

// speakable tells whether there is anything to be said.
func speakable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Sc, r) })
}

// ssml tells whether text is marked up for speech.
func ssml(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "<speak") && strings.HasSuffix(text, "</speak>")
}
