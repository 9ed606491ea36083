package rotate

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/stt"
)

// utterance is what was said since the last Final that nothing followed. All its times are on the timeline.
type utterance struct {
	start   time.Duration
	settled []Part
	open    Part  // what may still change
	stable  bool  // but no word of it will
	openTo  int64 // the place on the tape where it ends
	torn    bool  // the audio of its beginning is gone
	end     time.Duration
	fresh   bool   // there is something that no Final covers
	said    string // by its last Result
	upTo    time.Duration
}

// take adds a reply.
func (u *utterance) take(r Reply) {
	if r.Settled.Text != "" {
		u.settled = append(u.settled, r.Settled)
		u.torn = false
	}
	if r.Settled.Text != "" || r.Open.Text != "" {
		u.open, u.stable = r.Open, r.Stable
	}
}

// back has what a stream said from a part on forgotten, but for what is kept of the rest.
func (u *utterance) back(base int, kept Part) {
	u.settled = u.settled[:min(base, len(u.settled))]
	if kept.Text != "" {
		u.settled = append(u.settled, kept)
	}
	u.open, u.torn = Part{}, false
}

// stand has all of it settled.
func (u *utterance) stand() {
	if u.open.Text != "" {
		u.settled = append(u.settled, u.open)
	}
	u.open, u.torn = Part{}, false
}

// parts are all of it.
func (u *utterance) parts() []Part {
	if u.open.Text == "" {
		return u.settled
	}
	return append(slices.Clip(u.settled), u.open)
}

// text is all of it.
func (u *utterance) text() string {
	var b strings.Builder
	for _, p := range u.parts() {
		join(&b, p.Text)
	}
	return b.String()
}

// last is where its text ends.
func (u *utterance) last() (end time.Duration) {
	for _, p := range u.parts() {
		end = max(end, p.End)
	}
	return end
}

// length is how many words of it are settled.
func (u *utterance) length() (n int) {
	for _, p := range u.settled {
		n += max(len(p.Words), 1)
	}
	return n
}

// words are those of its text, in order and inside its limits; nil if the times of some are not known.
func (u *utterance) words(end time.Duration) []stt.Word {
	var all []stt.Word
	at := u.start
	for _, p := range u.parts() {
		if len(p.Words) == 0 {
			return nil
		}
		for _, w := range p.Words {
			w.Start = min(max(w.Start, at), end)
			w.End = min(max(w.End, w.Start), end)
			at = w.Start
			all = append(all, w)
		}
	}
	return all
}

// before is the words of the open part that begin before a moment.
func (u *utterance) before(at time.Duration) (p Part) {
	var b strings.Builder
	for _, w := range u.open.Words {
		if w.Start < at {
			join(&b, w.Text)
			p.Words, p.End = append(p.Words, w), max(p.End, w.End)
		}
	}
	p.Start, p.Text = u.open.Start, b.String()
	return p
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
