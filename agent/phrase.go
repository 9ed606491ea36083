package agent

import (
	"strings"
	"unicode"
)

// cutter cuts a stream of text into phrases that can be spoken one after the other. The first is short, so
// that it sounds soon; each next may be longer, because it is made while the one before is spoken.
type cutter struct {
	buf string
	n   int // phrases cut so far
}

// How many words a phrase has at most, by its number, and from how many on a comma or a full stop ends it.
var phraseWords = [...]struct{ most, clause, sentence int }{{3, 2, 1}, {6, 3, 2}, {9, 5, 3}, {14, 6, 4}}

// add takes more text and returns the phrases that are complete with it.
func (c *cutter) add(text string) (phrases []string) {
	c.buf += text
	for {
		i := c.end()
		if i < 0 {
			return phrases
		}
		if p := strings.TrimSpace(c.buf[:i]); speakable(p) {
			phrases = append(phrases, p)
			c.n++
		}
		c.buf = c.buf[i:]
	}
}

// rest is what is left at the end of the text; empty if nothing in it can be spoken.
func (c *cutter) rest() string {
	p := strings.TrimSpace(c.buf)
	c.buf = ""
	if !speakable(p) {
		return ""
	}
	return p
}

// end is where the next phrase ends, or −1. A word counts once a space follows: "3" may become "3.14".
func (c *cutter) end() int {
	limit := phraseWords[min(c.n, len(phraseWords)-1)]
	words, in := 0, false
	var last rune
	for i, r := range c.buf {
		if !unicode.IsSpace(r) {
			in, last = true, r
			continue
		}
		if !in {
			continue
		}
		in = false
		words++
		switch {
		case words >= limit.most,
			words >= limit.clause && strings.ContainsRune(",;:—", last),
			words >= limit.sentence && strings.ContainsRune(".!?…", last) && !abbreviation(c.buf[:i]):
			return i
		}
	}
	return -1
}

// abbreviation tells a full stop that ends no sentence: "Dr.", "a.m.", "J.".
func abbreviation(s string) bool {
	word := strings.ToLower(s[strings.LastIndexFunc(s, unicode.IsSpace)+1:])
	switch word {
	case "mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "e.g.", "i.e.", "etc.", "no.", "a.m.", "p.m.":
		return true
	}
	return len(word) == 2 && word != "i."
}

func speakable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) >= 0
}
