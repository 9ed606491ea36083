package agent

import (
	"errors"
	"strings"
	"unicode"
)

// cutter cuts a stream of text into phrases that can be spoken one after the other. The first is short, so
// that it sounds soon; each next may be longer, because it is made while the one before is spoken.
type cutter struct {
	model bool // the text is a model's: it is bounded

	prose prose
	buf   string
	n     int // phrases cut so far
	words int // in them
	round rounds
	ended error // why nothing more is taken
}

// How many words a phrase has at most, by its number, and from how many on a comma or a full stop ends it.
var phraseWords = [...]struct{ most, clause, sentence int }{{3, 2, 1}, {6, 3, 2}, {9, 5, 3}, {14, 6, 4}}

// Two minutes of speech have about 300 words. A model's answer ends with a sentence before, or there.
const (
	wordsEnough = 280
	wordsMost   = 300
)

// Why the text of a model is cut off.
var (
	errLong   = errors.New("the answer is too long")
	errRounds = errors.New("the answer goes round and round")
)

// add takes more text and returns the phrases that are complete with it.
func (c *cutter) add(text string) (phrases []string) {
	if c.ended != nil {
		return nil
	}
	c.buf = strings.TrimLeftFunc(c.buf+c.prose.add(text), unicode.IsSpace)
	for c.ended == nil {
		i := c.end()
		if i < 0 {
			break
		}
		p := strings.TrimSpace(c.buf[:i])
		c.buf = c.buf[i:]
		if !speakable(p) {
			continue
		}
		c.n++
		if c.bound(p); c.ended != nil {
			p = closed(p)
		}
		phrases = append(phrases, p)
	}
	if c.ended != nil || c.prose.over == nil {
		return phrases
	}
	c.ended = c.prose.over
	if p := c.last(); p != "" {
		phrases = append(phrases, p)
	}
	return phrases
}

// rest is what is left at the end of the text; empty if nothing in it can be spoken.
func (c *cutter) rest() string {
	if c.ended != nil {
		return ""
	}
	c.buf += c.prose.end()
	return c.last()
}

func (c *cutter) last() string {
	p := strings.TrimSpace(c.buf)
	c.buf = ""
	if !speakable(p) {
		return ""
	}
	return p
}

// over tells that no more text is wanted, and what is wrong with the model then, if it is.
func (c *cutter) over() (bool, error) {
	if c.ended == errOver {
		return true, nil
	}
	return c.ended != nil, c.ended
}

// bound counts a phrase of a model.
func (c *cutter) bound(p string) {
	if !c.model {
		return
	}
	words := strings.Fields(p)
	for _, w := range words {
		if c.round.add(w) {
			c.ended = errRounds
		}
	}
	c.words += len(words) + wide(p)/2
	if c.words >= wordsMost || c.words >= wordsEnough && closed(p) == p {
		c.ended = errLong
	}
}

// closed is a phrase with the end of a sentence.
func closed(p string) string {
	if strings.ContainsRune(".!?…。！？", lastRune(strings.TrimRight(p, `"')”’」`))) {
		return p
	}
	return strings.TrimRight(p, ",;:—-，；：、 ") + "."
}

// rounds knows the last words of a text and finds that they are the same ones again and again.
type rounds struct {
	words [longestRound]string // a ring
	same  [longestRound]int    // how many words were as the one so far before them
	n     int
}

const longestRound = 40 // words

// add takes the next word and tells whether the words before it and it are a few said for the sixth time, or ten times one.
func (r *rounds) add(w string) bool {
	w = strings.ToLower(strings.TrimFunc(w, unicode.IsPunct))
	found := false
	for i := range min(r.n, longestRound) {
		if r.words[(r.n-1-i)%longestRound] != w {
			r.same[i] = 0
			continue
		}
		r.same[i]++
		found = found || r.same[i] > max(9, 4*(i+1))
	}
	r.words[r.n%longestRound] = w
	r.n++
	return found
}

// end is where the next phrase ends, or −1. A word counts once a space follows: "3" may become "3.14". Of a script without
// spaces two letters count for a word, and a phrase ends after its stops.
func (c *cutter) end() int {
	limit := phraseWords[min(c.n, len(phraseWords)-1)]
	words, half, in := 0, 0, false
	var last rune
	for i, r := range c.buf {
		if stop := wideStop(r); !unicode.IsSpace(r) && !stop {
			in, last = true, r
			if !unspaced(r) {
				continue
			}
			if half++; half < 4*limit.most+8 {
				continue
			}
		} else if stop {
			last = r
			i += len(string(r))
		}
		if !in {
			continue
		}
		in = false
		words++
		all := words + half/2
		switch {
		case all >= limit.most,
			all >= limit.clause && strings.ContainsRune(",;:—，；：、", last),
			all >= limit.sentence && strings.ContainsRune(".!?…。！？", last) && !abbreviation(c.buf[:i]):
			return i
		}
	}
	return -1
}

// wide is how many letters of a text are of a script without spaces.
func wide(s string) (n int) {
	for _, r := range s {
		if unspaced(r) {
			n++
		}
	}
	return n
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

// Phrases are those in which a text of the agent's own, as its greeting, is given to the voice.
func Phrases(text string) []string {
	var c cutter
	all := c.add(text)
	if p := c.rest(); p != "" {
		all = append(all, p)
	}
	return all
}
