package rerun

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent"
)

// The bounds from the end of what the caller said, or typed, to the first sound of the answer or of an apology: while one engine of
// each kind works, and while none of one does. A turn is over within a second; a model may then have 5 s before it is left, a voice
// 3 s, a recognizer 3 s.
const (
	oneLeft  = 9500 * ms
	noneLeft = 12 * time.Second
)

// slack is how much longer or shorter than it should a sentence may sound: two words at a seam, and the fades.
const slack = 700 * ms

// turnHeard is what was heard after a turn.
type turnHeard struct {
	i      int           // the turn
	said   time.Duration // the end of what the caller said
	after  []stretch     // up to the next turn
	whole  bool          // the answer, each sentence once
	sorry  bool          // an apology, that nothing was understood, or a question back
	doubts []string      // what of it should not have been heard
}

func (e ended) turn(d disaster, i int) turnHeard {
	after, said := e.turnOf(d, i)
	h := turnHeard{i: i, said: said, after: after}
	next := perAnswer * (i % len(asks))
	last := next + perAnswer
	for _, s := range after {
		switch {
		case s.id == sorryID || s.id == pardonID || s.id == otherID: // the last is a model that is asked nonsense
			h.sorry = true
		case s.id == next && next < last:
			want := long(answers[s.id/perAnswer][s.id%perAnswer] + " ")
			if (s.long - want).Abs() > slack {
				h.doubts = append(h.doubts, fmt.Sprintf("sentence %d sounds for %v, not %v", s.id, s.long, want))
			}
			next++
		default:
			h.doubts = append(h.doubts, fmt.Sprintf("sentence %d is heard where %d should be", s.id, next))
		}
	}
	h.whole = next == last
	return h
}

// first is how long it took until something was heard.
func (h turnHeard) first() time.Duration { return h.after[0].from - h.said }

// answered is how long it took until the answer was.
func (h turnHeard) answered() time.Duration {
	i := slices.IndexFunc(h.after, func(s stretch) bool { return s.id < sorryID })
	return h.after[i].from - h.said
}

// last is how long until all was.
func (h turnHeard) last() time.Duration { return h.after[len(h.after)-1].to - h.said }

// during are the afflictions of a turn.
func (d disaster) during(i int) (all []affliction) {
	for _, a := range d.all {
		to := a.to
		if a.kind == "stt" && a.early && a.how == hangs { // a call that hangs is found out by what is spoken next
			to += 1 + strings.Index(d.way[to+1:], "s")
		}
		if a.from <= i && i <= to {
			all = append(all, a)
		}
	}
	return all
}

// check is what must hold of every conversation.
func (e ended) check(t *testing.T, d disaster) {
	t.Helper()
	if !errors.Is(e.End, agent.ErrAudioEnd) || e.Length > turnAt(len(d.way)) {
		t.Errorf("it ended after %v for %v", e.Length, e.End)
	}
	for i := range d.way {
		e.checkTurn(t, d, e.turn(d, i))
	}
	e.checkMoved(t, d)
	e.checkBack(t, d)
	for _, v := range Check(e.Result) {
		t.Error(v)
	}
}

func (e ended) checkTurn(t *testing.T, d disaster, h turnHeard) {
	t.Helper()
	there := d.during(h.i)
	any := func(f func(affliction) bool) bool { return slices.ContainsFunc(there, f) }
	none := any(func(a affliction) bool { return a.both })
	bound := oneLeft
	if none {
		bound = noneLeft
	}
	switch {
	case len(h.after) == 0:
		if again := h.i > 0 && any(affliction.wordless) && e.turn(d, h.i-1).sorry; !again { // pardon is asked once
			t.Errorf("turn %d: nothing is heard", h.i)
		}
		return
	case h.first() > bound:
		t.Errorf("turn %d: something is heard after %v, later than %v", h.i, h.first(), bound)
	}
	if !none && !any(affliction.unseen) && (!h.whole || h.sorry && !any(affliction.late)) {
		t.Errorf("turn %d: an engine of each kind works, but what is heard is %v", h.i, h.after)
	}
	if !h.whole && !h.sorry && !e.broken(h) {
		t.Errorf("turn %d: an answer is broken off, and nothing is told of it: %v", h.i, h.after)
	}
	for _, doubt := range h.doubts {
		if !any(func(a affliction) bool { return a.both && a.kind != "stt" }) {
			t.Errorf("turn %d: %s: %v", h.i, doubt, h.after)
		}
	}
}

// unseen: nobody can tell that anything went wrong but the caller, who is told that nothing was understood or that there is no answer.
func (a affliction) unseen() bool {
	return a.kind != "tts" && (a.how == empty || a.how == garbage)
}

// wordless: no words come of what is said.
func (a affliction) wordless() bool { return a.kind == "stt" && (a.both || a.how == empty) }

// broken says whether it is told that what was heard broke off.
func (e ended) broken(h turnHeard) bool {
	return slices.ContainsFunc(e.Events, func(ev agent.Event) bool {
		return ev.Kind == agent.Trouble && ev.At > h.said && ev.At <= h.last()+h.said+10*time.Second // two gaps of a model
	})
}

// late: the caller may be told that nothing was understood before another recognizer has.
func (a affliction) late() bool { return a.kind == "stt" && a.how == hangs }

// checkBack has the preferred engines serve again at the end.
func (e ended) checkBack(t *testing.T, d disaster) {
	t.Helper()
	i := len(d.way) - 1
	for _, kind := range []string{"stt", "llm", "tts"} {
		if kind == "stt" && (d.way[i] != 's' || slices.ContainsFunc(d.all, affliction.stays)) {
			continue
		}
		if link := e.ward.last(kind, turnAt(i), turnAt(i+1)); link != 0 {
			t.Errorf("the last turn is served by %s %d", kind, link)
		}
	}
}

// stays: a call stays away from a recognizer for longer each time; TestBack waits for that.
func (a affliction) stays() bool { return a.kind == "stt" && (a.early || a.from < a.to) }

// checkMoved has failures of one engine be told, and the other take over.
func (e ended) checkMoved(t *testing.T, d disaster) {
	t.Helper()
	for _, a := range d.all {
		met := slices.ContainsFunc(e.ward.hits, func(v visit) bool { return v.kind == a.kind && v.at < d.length()-5*time.Second })
		if !met || len(d.all) > 1 || a.both || a.unseen() || a.how > hangs || d.hedge && a.early && a.how == hangs {
			continue
		}
		if e.moves(a.kind, 0, d.length()) == 0 {
			t.Errorf("%v, and the other did not take over", a)
		}
	}
}

// moves are how often another engine of a kind took over in a time.
func (e ended) moves(kind string, from, to time.Duration) (n int) {
	for _, ev := range e.Events {
		if ev.Took != nil && ev.Took.Kind == agent.Moved && ev.Took.Code == kind && ev.At >= from && ev.At < to {
			n++
		}
	}
	return n
}
