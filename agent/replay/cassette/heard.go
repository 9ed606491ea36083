package cassette

import (
	"slices"
	"strings"
	"time"

	"parley/stt"
)

// covered is how far behind a flush a result may end and still be for it; forgotten is how long after its end one that was
// given is no longer the answer to another flush.
const (
	covered   = 150 * time.Millisecond
	forgotten = 1200 * time.Millisecond
)

// heard is what the recognizer said, of all its calls, on the one timeline of their input.
type heard struct {
	items  []item       // what came by itself, in its order
	finals []final      // what was asked for, by the place of the flush
	texts  []stt.Result // every result that has a text, in its order
	ends   map[int]item // the errors of calls that failed
}

// item is a result and when it came.
type item struct {
	res   stt.Result
	err   error
	any   bool          // something had been heard before
	heard time.Duration // up to here
	after time.Duration // since then
	came  int           // its place in the log
}

// final is a flush and its Final.
type final struct {
	at    time.Duration // place of the flush
	asked time.Duration // when
	after time.Duration // how long the Final took
	res   stt.Result
	came  int // its place in the log
}

// add takes a call's lines. A Final is for the first flush that has none yet and does not lie behind its end; without
// one it came by itself.
func (h *heard) add(call *recorded) {
	var asked []final
	open := 0 // the first of asked that has no Final
	for _, l := range call.lines {
		switch {
		case l.Flush != nil:
			asked = append(asked, final{at: *l.Flush, asked: l.now})
		case l.Result != nil:
			res, ok := l.Result.result()
			if !ok {
				continue // of a kind that is not known
			}
			if res.Text != "" {
				h.texts = append(h.texts, res)
			}
			if res.Kind == stt.Final && open < len(asked) && asked[open].at <= res.End {
				f := &asked[open]
				f.res, f.came, f.after = res, l.place, min(max(l.now-f.asked, 0), afterMost)
				open++
				continue
			}
			i := newItem(l.Result.Heard, l.Result.After, l.place)
			i.res = res
			h.items = append(h.items, i)
		case l.End != nil && !l.End.Cut && l.End.Error != "":
			e := newItem(l.End.Heard, l.End.After, l.place)
			e.err = l.End.failure()
			if h.ends == nil {
				h.ends = map[int]item{}
			}
			h.ends[call.n] = e
		}
	}
	h.finals = append(h.finals, asked[:open]...)
}

func (h *heard) sort() {
	slices.SortStableFunc(h.items, func(a, b item) int { return int(a.heard - b.heard) })
	slices.SortStableFunc(h.finals, func(a, b final) int { return int(a.at - b.at) })
}

func newItem(to *time.Duration, after time.Duration, came int) item {
	i := item{after: after, came: came}
	if to != nil {
		i.any, i.heard = true, *to
	}
	return i
}

// result is what a line tells of; ok is false if its kind is not known.
func (r *result) result() (res stt.Result, ok bool) {
	res = stt.Result{Text: r.Text, Start: r.Start, End: r.End}
	for _, w := range r.Words {
		res.Words = append(res.Words, stt.Word(w))
	}
	for k := stt.Onset; k <= stt.Endpoint; k++ {
		if k.String() == r.Kind {
			res.Kind, ok = k, true
		}
	}
	return res, ok
}

// nearest is the number of the Final whose flush lies nearest to a place, of those that do not lie behind it; −1 if
// none does.
func (h *heard) nearest(at time.Duration) int {
	best := -1
	for i, f := range h.finals {
		if f.at > at+covered {
			break
		}
		if best < 0 || (f.at-at).Abs() <= (h.finals[best].at-at).Abs() {
			best = i
		}
	}
	return best
}

// said is what the results tell of the words up to a place: the newest that ends there, or as many words of a later one as
// end by then.
func (h *heard) said(at time.Duration) (best stt.Result) {
	for _, r := range h.texts {
		if r.End > at+covered {
			r = before(r, at+covered)
		}
		if r.Text != "" && r.End >= best.End {
			best = r
		}
	}
	return best
}

// before is r with those of its words that end by then; without times of its words none does.
func before(r stt.Result, end time.Duration) stt.Result {
	var words []stt.Word
	var text []string
	for _, w := range r.Words {
		if w.End <= end {
			words, text = append(words, w), append(text, w.Text)
		}
	}
	r.Words, r.Text = words, strings.Join(text, " ")
	if len(words) > 0 {
		r.End = words[len(words)-1].End
	}
	return r
}
