package replay

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Utterance is what one side said in a turn.
type Utterance struct {
	Turn  int
	Agent bool // the agent said it, else the caller
	Span       // what was typed has the moment at which it was taken
	Text  string
	Words []Word // none: it was typed
	Cut   bool   // the agent was interrupted in it
}

// Utterances are what was said and heard, in the order of its beginning.
func (c *Conversation) Utterances() (all []Utterance) {
	for _, t := range c.Turns {
		if t.User != "" {
			u := Utterance{Turn: t.N, Span: Span{t.Committed, t.Committed}, Text: t.User, Words: t.UserWords}
			if n := len(u.Words); n > 0 {
				u.Span = Span{u.Words[0].From, u.Words[n-1].To}
			}
			if n := len(t.Voice); n > 0 {
				u.Span = Span{t.Voice[0].From, t.Voice[n-1].To}
			}
			all = append(all, u)
		}
		if t.Answer.Heard != "" {
			u := Utterance{Turn: t.N, Agent: true, Span: t.Spoken, Text: t.Answer.Heard, Words: t.Words, Cut: t.Answer.Interrupted}
			if u.Span == (Span{}) { // its sound is not in the log
				u.Span = Span{t.Committed, t.Committed}
			}
			all = append(all, u)
		}
	}
	slices.SortStableFunc(all, func(a, b Utterance) int { return cmp.Compare(a.From, b.From) })
	return all
}

// A caption stands no longer and is no longer than this.
const (
	captionTime    = 7 * time.Second
	captionLetters = 80
	captionLeast   = 500 * time.Millisecond // so long it can be read
	captionPause   = time.Second            // such a pause ends it
	captionComma   = 40                     // letters, after which a comma does
	captionWritten = 3 * time.Second        // what was typed stands so long
)

// WebVTT writes captions of both sides as WebVTT (W3C), a cue a phrase, in the order of their beginning. Cues of the two sides
// may overlap, as their speech does.
func (c *Conversation) WebVTT(w io.Writer) error {
	var cues []cue
	for _, u := range c.Utterances() {
		for _, q := range u.cues() {
			q.From = max(0, min(q.From, c.Length))
			q.To = min(max(q.To, q.From+captionLeast), q.From+captionTime)
			cues = append(cues, q)
		}
	}
	slices.SortStableFunc(cues, func(a, b cue) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	out := bufio.NewWriter(w)
	fmt.Fprint(out, "WEBVTT\n")
	for _, q := range cues {
		fmt.Fprintf(out, "\n%s --> %s\n<v %s>%s\n", stamp(q.From), stamp(q.To), q.who, escape(q.text))
	}
	return out.Flush()
}

// cue is one caption.
type cue struct {
	Span
	who  string
	text string
}

func (u Utterance) cues() (all []cue) {
	who := "Caller"
	if u.Agent {
		who = "Agent"
	}
	words := u.Words
	if len(words) == 0 {
		words = spread(strings.Fields(u.Text), []Span{{u.From, max(u.To, u.From+captionWritten)}})
	}
	for _, w := range words {
		for _, w := range pieces(w) {
			if n := len(all); n > 0 && !all[n-1].full(w) {
				all[n-1].text += " " + w.Text
				all[n-1].To = max(all[n-1].To, w.To)
				continue
			}
			all = append(all, cue{w.Span, who, w.Text})
		}
	}
	return all
}

// full reports that w belongs to the next caption.
func (q cue) full(w Word) bool {
	letters := utf8.RuneCountInString(q.text)
	switch last, _ := utf8.DecodeLastRuneInString(q.text); {
	case letters+1+utf8.RuneCountInString(w.Text) > captionLetters, w.To-q.From > captionTime, w.From-q.To > captionPause:
		return true
	case strings.ContainsRune(".!?…", last):
		return !titles[strings.ToLower(q.text[strings.LastIndexByte(q.text, ' ')+1:])]
	default:
		return letters >= captionComma && strings.ContainsRune(",;:—–", last)
	}
}

// titles end in a full stop that ends no sentence.
var titles = map[string]bool{"mr.": true, "mrs.": true, "ms.": true, "dr.": true, "st.": true, "vs.": true, "e.g.": true, "i.e.": true}

// pieces are a word, in parts if it is longer than a caption.
func pieces(w Word) (all []Word) {
	rs := []rune(w.Text)
	for len(rs) > captionLetters {
		all = append(all, Word{Text: string(rs[:captionLetters]), Span: w.Span})
		rs = rs[captionLetters:]
	}
	return append(all, Word{Text: string(rs), Span: w.Span})
}

// stamp is a moment as WebVTT writes it.
func stamp(d time.Duration) string {
	d = max(0, d).Round(time.Millisecond)
	return fmt.Sprintf("%02d:%02d:%02d.%03d", d/time.Hour, d/time.Minute%60, d/time.Second%60, d/time.Millisecond%1000)
}

// escape writes text so that no part of it is read as markup. Words hold no white space, so no line ends in it.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\x00", "\uFFFD").Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
