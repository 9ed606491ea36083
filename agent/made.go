package agent

import (
	"cmp"
	"strings"
	"time"
	"unicode/utf8"

	"parley/tts"
)

// made is what there is of an answer.
type made struct {
	generated string
	phrases   []phrase // given to the voice
	words     []tts.Word
	audio     time.Duration // how much sound the voice has made of them
	usual     time.Duration // how long the voice sounds for a letter, by the answers before; 0: not known
	times     struct{ token, phrase, audio time.Duration }
}

// phrase is a text that the voice was given, and how much sound it had made before. A voice that makes one phrase after the other has
// then made all of those before.
type phrase struct {
	text string
	from time.Duration
}

// How long a voice that does not tell its words' times may sound for a letter or a space.
const (
	letterUsual = 65 * time.Millisecond
	letterLeast = 40 * time.Millisecond // none speaks faster for a whole phrase: where less was made, more is to come of it

	lettersPrior = 24 // what was usual before counts as so many letters of this answer
)

// sent is all that the voice was given.
func (r *made) sent() string {
	var all []string
	for _, p := range r.phrases {
		all = append(all, p.text)
	}
	return strings.Join(all, " ")
}

// upTo is what has been heard of the text once so much of its sound was: the words whose middle was. Where they are the voice
// has told; else each phrase's letters are taken to lie evenly in its sound.
func (r *made) upTo(heard time.Duration) string {
	if len(r.words) > 0 {
		return firstWords(r.sent(), r.words, heard)
	}
	if heard <= 0 {
		return ""
	}
	var said []string
	for _, s := range r.stretches() {
		n := 0
		for w := range strings.FieldsSeq(s.text) {
			long := letters(w)
			if middle := s.from + s.letter*time.Duration(2*n+long)/2; middle > min(heard, r.audio) {
				return strings.Join(said, " ")
			}
			said = append(said, w)
			n += long + 1
		}
	}
	return strings.Join(said, " ")
}

// stretch is a text of which it is known where its sound begins, and how long a letter sounds.
type stretch struct {
	text   string
	from   time.Duration
	letter time.Duration
}

// stretches are the phrases, each with its own sound. For the last, whose sound may be still to come, a letter sounds as long as before, or
// longer if more than that was made. The texts of a voice that takes them before it makes their sound are taken together.
func (r *made) stretches() (all []stretch) {
	usual := cmp.Or(r.usual, letterUsual)
	if len(r.phrases) > 1 && r.phrases[1].from == 0 {
		text := r.sent()
		return []stretch{{text, 0, max(usual, r.audio/time.Duration(letters(text)+1))}}
	}
	made, count := usual*lettersPrior, lettersPrior
	for i, p := range r.phrases {
		s := stretch{p.text, p.from, 0}
		if n := len(all); n > 0 && all[n-1].letter == 0 {
			s.text, s.from = all[n-1].text+" "+p.text, all[n-1].from
			all = all[:n-1]
		}
		n := letters(s.text) + 1
		if i == len(r.phrases)-1 {
			s.letter = max(usual, (r.audio-s.from)/time.Duration(n))
		} else if long := r.phrases[i+1].from - s.from; long >= letterLeast*time.Duration(n) {
			s.letter = long / time.Duration(n)
			made, count = made+long, count+n
			usual = made / time.Duration(count)
		}
		all = append(all, s)
	}
	return all
}

// perLetter is how long the voice sounded for a letter of an answer whose sound is all made; 0: that need not be known.
func (r *made) perLetter() time.Duration {
	n := 0
	for _, p := range r.phrases {
		n += letters(p.text) + 1
	}
	if n == 0 || len(r.words) > 0 {
		return 0
	}
	return r.audio / time.Duration(n)
}

func letters(s string) int { return utf8.RuneCountInString(s) }

// firstWords are the words whose middle was sent. A voice may write them otherwise than the text does, and
// without its punctuation: where both have as many, the text's are taken.
func firstWords(text string, words []tts.Word, sent time.Duration) string {
	n := 0
	for n < len(words) && (words[n].Start+words[n].End)/2 <= sent {
		n++
	}
	written := strings.Fields(text)
	if len(written) < len(words) {
		written = written[:0]
		for _, w := range words {
			written = append(written, w.Text)
		}
	}
	return strings.Join(written[:n], " ")
}
