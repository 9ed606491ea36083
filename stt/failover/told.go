package failover

import (
	"slices"
	"time"

	"parley/stt"
)

// told is what the consumer was told, so that what a recognizer says who hears the same again takes its place.
type told struct {
	final time.Duration // End of the last Final
	upTo  time.Duration // the last End of all
	parts []part        // since the last Final that answered a Flush, the oldest first

	begun   bool               // the call
	again   bool               // the recognizer is not the first of it
	before  time.Duration      // final when it began
	known   time.Duration      // upTo then
	orphans []part             // of the parts, those that no Final stood for then, and nothing has replaced yet
	moved   [][2]time.Duration // its Starts, and those that they are told with
}

// part is a Start and its text.
type part struct {
	start, end time.Duration
	text       string
	stands     bool // there was a Final
	final      string
	finalEnd   time.Duration
}

// partsMost is how many parts are remembered.
const partsMost = 64

// begin begins the results of another recognizer. Where a Partial took the place of a Final the Final's text is told
// again: what is heard again is only what came behind it. False: the consumer has left.
func (t *told) begin(yield func(stt.Result, error) bool) bool {
	t.begun, t.again = true, t.begun
	t.before, t.known, t.orphans, t.moved = t.final, t.upTo, nil, nil
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.stands && p.text != p.final:
			p.text = p.final
			if !yield(stt.Result{Kind: stt.Partial, Text: p.final, Start: p.start, End: p.finalEnd}, nil) {
				return false
			}
		case !p.stands && p.text != "":
			t.orphans = append(t.orphans, *p)
		}
	}
	return true
}

// take is what the consumer is given for a result, which may answer a Flush.
func (t *told) take(r stt.Result, answer bool) []stt.Result {
	if t.again {
		if t.stale(r, answer) {
			return nil
		}
		r = t.place(r)
	}
	var out []stt.Result
	if answer {
		for _, o := range t.orphans { // nobody heard it again
			out = append(out, stt.Result{Kind: stt.Partial, Start: o.start, End: max(o.end, o.start)})
		}
		t.orphans = nil
	}
	t.note(r, answer)
	return append(out, r)
}

// stale is whether a result of what was heard again tells nothing new.
func (t *told) stale(r stt.Result, answer bool) bool {
	switch r.Kind {
	case stt.Onset, stt.Endpoint:
		return r.End <= t.known && t.known > 0
	}
	return !answer && r.End <= t.before && t.before > 0
}

// place gives a result the Start of what it replaces.
func (t *told) place(r stt.Result) stt.Result {
	if r.Kind != stt.Partial && r.Kind != stt.Final {
		return r
	}
	i := slices.IndexFunc(t.moved, func(m [2]time.Duration) bool { return m[0] == r.Start })
	if i < 0 {
		to := r.Start
		if len(t.orphans) > 0 && t.orphans[0].start <= r.End {
			to, t.orphans = t.orphans[0].start, t.orphans[1:]
		}
		if i = len(t.moved); i == partsMost {
			t.moved = slices.Delete(t.moved, 0, 1)
			i--
		}
		t.moved = append(t.moved, [2]time.Duration{r.Start, to})
	}
	if r.Start == t.moved[i][1] {
		return r
	}
	r.Start = t.moved[i][1]
	r.End = max(r.End, r.Start)
	words := slices.Clone(r.Words)
	for i := range words {
		words[i].Start, words[i].End = max(words[i].Start, r.Start), max(words[i].End, r.Start)
	}
	r.Words = words
	return r
}

// note remembers a result.
func (t *told) note(r stt.Result, answer bool) {
	t.upTo = max(t.upTo, r.End)
	if r.Kind != stt.Partial && r.Kind != stt.Final {
		return
	}
	i := slices.IndexFunc(t.parts, func(p part) bool { return p.start == r.Start })
	if i < 0 {
		if i = len(t.parts); i == partsMost {
			t.parts = slices.Delete(t.parts, 0, 1)
			i--
		}
		t.parts = append(t.parts, part{start: r.Start})
	}
	p := &t.parts[i]
	p.text, p.end = r.Text, r.End
	if r.Kind != stt.Final {
		return
	}
	t.final = max(t.final, r.End)
	p.stands, p.final, p.finalEnd = true, r.Text, r.End
	if answer {
		t.parts = append(t.parts[:0], *p)
	}
}
