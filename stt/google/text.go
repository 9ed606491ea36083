package google

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/stt"
)

// utterance is what was said since the last Final that nothing followed.
type utterance struct {
	start   time.Duration
	settled []settled
	open    string // what may still change
	openEnd time.Duration
	end     time.Duration
	fresh   bool   // there is voice that no Final covers
	said    string // by its last Result
}

// settled is text that stands.
type settled struct {
	text  string
	words []stt.Word
}

// take adds a reply of a stream that began at base on the timeline.
func (u *utterance) take(r reply, base time.Duration) {
	if r.settled != "" {
		s := settled{text: r.settled, words: make([]stt.Word, 0, len(r.words))}
		for _, w := range r.words {
			s.words = append(s.words, stt.Word{Text: w.Text, Start: base + w.Start, End: base + w.End})
		}
		u.settled = append(u.settled, s)
	}
	if r.settled != "" || r.open != "" {
		u.open, u.openEnd = r.open, base+r.openEnd
	}
	u.end = max(u.end, base+r.last())
}

// text is all of it.
func (u *utterance) text() string {
	var b strings.Builder
	for _, s := range u.settled {
		join(&b, s.text)
	}
	join(&b, u.open)
	return b.String()
}

// words are those of a text that stands, inside its limits; nil if the times of some are not known.
func (u *utterance) words(end time.Duration) []stt.Word {
	if u.open != "" {
		return nil
	}
	var all []stt.Word
	at := u.start
	for _, s := range u.settled {
		if len(s.words) == 0 {
			return nil
		}
		for _, w := range s.words {
			w.Start = min(max(w.Start, at), end)
			w.End = min(max(w.End, w.Start), end)
			at = w.Start
			all = append(all, w)
		}
	}
	return all
}

// closing are marks that follow a word without a space.
const closing = ".,;:!?…)]»”%،؟"

// join adds text to b, with a space between them where the script has one.
func join(b *strings.Builder, text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	if b.Len() > 0 {
		last, _ := utf8.DecodeLastRuneInString(b.String())
		first, _ := utf8.DecodeRuneInString(text)
		if !solid(last) && !solid(first) && !strings.ContainsRune(closing, first) {
			b.WriteByte(' ')
		}
	}
	b.WriteString(text)
}

// solid tells scripts that have no spaces between words.
func solid(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) ||
		r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60
}
