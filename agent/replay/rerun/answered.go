package rerun

import (
	"fmt"
	"slices"
	"time"

	"parley/agent"
	"parley/agent/turn"
)

// unexplained is how long a turn whose answer has ended without a sound may wait for a word about it.
const unexplained = time.Second

// answered is I3: after a turn is committed its answer begins to sound, or something is said of what went wrong, or the turn is
// interrupted, by the caller or the next, or the conversation ends.
func answered(r Result) (bad []Violation) {
	limit := r.Profile.WithDefaults().Turn.Silence.Answer + unexplained
	for i, e := range r.Events {
		if e.Step == nil {
			continue
		}
		for k, d := range e.Step.Out {
			if d.Kind != turn.Commit || decides(e.Step.Out[k+1:], turn.Interrupt, d.Turn) {
				continue
			}
			v := fate(r.Events[i+1:], e, d.Turn, limit)
			if v != nil {
				bad = append(bad, *v)
			}
		}
	}
	return bad
}

// fate finds out what became of a turn that was committed by an event. It returns what is wrong with that.
func fate(after []agent.Event, commit agent.Event, n int, limit time.Duration) *Violation {
	w := wait{turn: n, deadline: commit.At + limit, held: -1}
	if decides(commit.Step.Out, turn.Hold, n) {
		w.held = commit.At
	}
	for _, e := range after {
		if e.At > w.deadline && w.held < 0 {
			break
		}
		if w.ends(e) {
			return nil
		}
	}
	if w.over {
		return &Violation{"I3", commit.At, commit.Seq, fmt.Sprintf("the answer to turn %d ended without a sound, and nothing is said of why", n)}
	}
	return &Violation{"I3", commit.At, commit.Seq, fmt.Sprintf("turn %d gets no answer, and nothing is said of why", n)}
}

// wait is a turn's for its answer. No time passes while the agent is held.
type wait struct {
	turn     int
	deadline time.Duration
	held     time.Duration // since when; negative: it is not
	over     bool          // its answer is, without a sound
}

// ends takes an event and reports whether the turn is answered or explained by it.
func (w *wait) ends(e agent.Event) bool {
	if e.Step == nil {
		return e.Kind == agent.Trouble || e.Kind == agent.End
	}
	switch in, out := e.Step.In, e.Step.Out; {
	case in.Kind == turn.Began && in.Turn == w.turn, decides(out, turn.Interrupt, w.turn):
		return true
	case in.Kind == turn.Ended && in.Turn == w.turn:
		w.over, w.held, w.deadline = true, -1, min(w.deadline, e.At+unexplained)
	case decides(out, turn.Hold, w.turn):
		w.held = e.At
	case w.held >= 0 && decides(out, turn.Resume, w.turn):
		w.held, w.deadline = -1, w.deadline+e.At-w.held
	}
	return false
}

// decides reports that there is a decision of a kind about a turn.
func decides(out []turn.Decision, k turn.DecisionKind, n int) bool {
	return slices.ContainsFunc(out, func(d turn.Decision) bool { return d.Kind == k && d.Turn == n })
}

// Recovery is how long it took from a trouble until the agent spoke again.
type Recovery struct {
	At     time.Duration `json:"at"`
	Code   string        `json:"code"` // whose trouble it was
	Text   string        `json:"text"`
	Spoke  bool          `json:"spoke"`  // again, before the conversation ended
	Took   time.Duration `json:"took"`   // until then, or until that
	Silent bool          `json:"silent"` // the agent did not speak when it happened
}

// Recoveries are those of all troubles, in order.
func Recoveries(r Result) (all []Recovery) {
	frames := r.Frames
	for _, e := range r.Events {
		if e.Kind != agent.Trouble {
			continue
		}
		v := Recovery{At: e.At, Code: e.Code, Text: e.Text, Silent: true}
		if e.Err != nil {
			v.Text += " (" + e.Err.Error() + ")"
		}
		for len(frames) > 0 && frames[0].At < e.At {
			v.Silent = frames[0].Sound == 0
			frames = frames[1:]
		}
		v.Took = max(0, r.Length-e.At)
		for _, f := range frames {
			if f.Sound > 0 {
				v.Spoke, v.Took = true, f.At-e.At
				break
			}
		}
		all = append(all, v)
	}
	return all
}
