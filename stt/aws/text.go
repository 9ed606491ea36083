package aws

import (
	"slices"
	"strings"
	"time"

	"parley/stt"
)

// utterance is what was heard since the last one was told in full. Its times are the input's.
type utterance struct {
	start   time.Duration // of its first word; every Result of it has this Start
	settled part          // will not change
	open    part          // the segment that the service is still working on
	stable  bool          // but for open being stable: no word of it will change
	told    string        // text of the last Result
	upTo    time.Duration // where its last word ended
	final   bool          // it was a Final
}

// part is some text with its words.
type part struct {
	text  string
	words []stt.Word
	end   time.Duration
}

func (p *part) add(q part) {
	p.text = strings.TrimSpace(p.text + " " + q.text)
	p.words = append(p.words, q.words...)
	p.end = max(p.end, q.end)
}

// mostWords bounds an utterance that no Flush ends: the next segment then begins another. It is a quarter of
// an hour of speech.
const mostWords = 2000

// overlap is how far the times of two hearings may differ.
const overlap = 100 * time.Millisecond

// place tells when a moment of a stream was on the input's timeline.
type place func(time.Duration) time.Duration

// hear takes a segment and returns the Partial that it makes, if there is news in it.
func (u *utterance) hear(s segment, at place) (stt.Result, bool) {
	if s.text == "" && u.open.text == "" {
		return stt.Result{}, false
	}
	p := part{text: s.text, end: at(max(s.start, s.end))}
	for _, w := range s.words {
		p.words = append(p.words, stt.Word{Text: w.text, Start: at(w.start), End: at(max(w.start, w.end))})
	}
	told := u.final && at(s.start)+overlap >= u.upTo // in full, and this is not a part of it heard again
	if u.open.text == "" && (told || len(u.settled.words) >= mostWords) {
		*u = utterance{}
	}
	if u.settled.text == "" && u.told == "" {
		u.start = at(s.start)
	}
	u.open, u.stable = p, s.stable
	if !s.partial {
		u.settled.add(p)
		u.open = part{}
	}
	text := u.text()
	if text == u.told || u.final && len(strings.Fields(text)) <= len(strings.Fields(u.told)) {
		return stt.Result{}, false // a correction of what a Final has told is no news
	}
	u.final = false
	return u.result(stt.Partial, 0), true
}

// text is all of it.
func (u *utterance) text() string { return strings.TrimSpace(u.settled.text + " " + u.open.text) }

// end is where the last word ends.
func (u *utterance) end() time.Duration { return max(u.settled.end, u.open.end) }

// fresh reports whether there is text that no Final has told.
func (u *utterance) fresh() bool { return !u.final && u.text() != "" }

// result is all of it as a Result that ends at or behind end.
func (u *utterance) result(k stt.Kind, end time.Duration) stt.Result {
	u.told, u.upTo, u.final = u.text(), u.end(), k == stt.Final
	r := stt.Result{Kind: k, Text: u.told, Start: u.start, End: max(u.start, u.end(), end)}
	at := r.Start
	for _, w := range slices.Concat(u.settled.words, u.open.words) { // what the service says need not be in order
		w.Start = min(max(w.Start, at), r.End)
		w.End = min(max(w.End, w.Start), r.End)
		at = w.Start
		r.Words = append(r.Words, w)
	}
	return r
}

// cut forgets the open segment, which a new stream will hear again. Only words that begin before a moment are
// kept; it returns where the last of them ends.
func (u *utterance) cut(from time.Duration) time.Duration {
	var kept part
	for _, w := range u.open.words {
		if w.Start < from {
			kept.add(part{text: w.Text, words: []stt.Word{w}, end: w.End})
		}
	}
	if kept.text != "" {
		u.settled.add(kept)
	}
	u.open = part{}
	return kept.end
}
