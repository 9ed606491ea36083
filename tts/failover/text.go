package failover

import (
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/tts"
)

// place is a place in the text.
type place struct{ phrase, byte int }

func (p place) before(q place) bool {
	return p.phrase < q.phrase || p.phrase == q.phrase && p.byte < q.byte
}

// spot is the place of a letter.
type spot struct {
	place
	begins bool // a word that can be spoken
}

// runes are the letters of the text between two places, and how many letters' sound each takes: a space one, other marks
// none, and what is behind a phrase one. Phrases that have no sound are left out.
func (s *speech) runes(from, to place) iter.Seq2[spot, int] {
	return func(yield func(spot, int) bool) {
		for ; from.phrase < to.phrase; from = (place{phrase: from.phrase + 1}) {
			p, _ := s.text.At(from.phrase)
			p = p[min(from.byte, len(p)):]
			if !speakable(p) {
				continue
			}
			space := true
			for i, r := range p {
				wide := unicode.In(r, unspaced...)
				at := spot{place{from.phrase, from.byte + i}, wide || space && speakable(word(p[i:]))}
				space = unicode.IsSpace(r)
				w := 0
				switch {
				case wide:
					w = wideLetter
				case space || unicode.IsLetter(r) || unicode.IsDigit(r):
					w = 1
				}
				if !yield(at, w) {
					return
				}
			}
			if !yield(spot{place: place{from.phrase, from.byte + len(p)}}, 1) {
				return
			}
		}
	}
}

// unspaced are scripts that put no spaces between words: each letter stands for itself.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// word is s up to its first space.
func word(s string) string {
	if n := strings.IndexFunc(s, unicode.IsSpace); n >= 0 {
		return s[:n]
	}
	return s
}

func speakable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

const (
	letter     = 65 * time.Millisecond // of speech
	wideLetter = 3                     // letters of others that one of an unspaced script lasts
	enough     = 8                     // letters tell a pace
)

// pace is how fast a voice speaks.
type pace struct {
	letters int
	sound   time.Duration
}

func (p *pace) learn(letters int, sound time.Duration) {
	if letters > 0 {
		p.letters += letters
		p.sound += sound
	}
}

// of is how long so many letters last.
func (p *pace) of(letters int) time.Duration {
	if p.letters < enough {
		return time.Duration(letters) * letter
	}
	return time.Duration(letters) * (p.sound / time.Duration(p.letters))
}

const (
	wordsAhead = 4                     // words of the text that one told is looked for among
	wordsKept  = 256                   // whose times are remembered
	wordsShort = 20 * time.Millisecond // may lack of a word that counts as said
)

// words are the words whose times a voice has told, found in the text.
type words struct {
	at   place // behind the last one
	told []told
}

// told is a word: it ends at a place of the text, at a time of the voice's own.
type told struct {
	behind place
	end    time.Duration
}

// tell finds a word in the text, which is known up to a place. One that is not there, such as "three" for "3", is left out:
// at worst that word is repeated.
func (w *words) tell(said tts.Word, to place, phrase func(int) (string, bool)) {
	want := plain(said.Text)
	for at, i := w.at, 0; i < wordsAhead && at.phrase < to.phrase && want != ""; {
		p, _ := phrase(at.phrase)
		rest := strings.TrimLeftFunc(p[min(at.byte, len(p)):], unicode.IsSpace)
		if rest == "" {
			at = place{phrase: at.phrase + 1}
			continue
		}
		found := word(rest)
		at.byte = len(p) - len(rest) + len(found)
		if strings.HasSuffix(plain(found), want) { // "one" of "twenty-one"
			w.at = at
			w.told = append(w.told, told{at, said.End})
			if len(w.told) > wordsKept {
				w.told = slices.Delete(w.told, 0, wordsKept/2)
			}
			return
		}
		i++
	}
}

// pass goes on at a place at least: what lies before was said.
func (w *words) pass(to place) {
	if w.at.before(to) {
		w.at = to
	}
}

// until is the place behind the last word that has ended by then, but not before start; false: no word behind start was told.
func (w *words) until(t time.Duration, start place) (at place, ok bool) {
	at = start
	for _, x := range w.told {
		if !start.before(x.behind) {
			continue
		}
		ok = true
		if x.end <= t+wordsShort && at.before(x.behind) {
			at = x.behind
		}
	}
	return at, ok
}

// plain is a word in lower case, of its letters and digits only.
func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) || r == utf8.RuneError {
			return -1
		}
		return unicode.ToLower(r)
	}, word)
}
