package rerun

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/media"
)

// Violation is a place where an invariant does not hold.
type Violation struct {
	Invariant string        `json:"invariant"` // "I1" to "I9"
	At        time.Duration `json:"at"`
	Seq       uint64        `json:"seq,omitempty"` // of the event that shows it; 0: it is no event's
	Text      string        `json:"text"`          // for people
}

// String is the violation in one line.
func (v Violation) String() string {
	if v.Seq == 0 {
		return fmt.Sprintf("%s at %v: %s", v.Invariant, v.At.Round(time.Millisecond), v.Text)
	}
	return fmt.Sprintf("%s at %v, event %d: %s", v.Invariant, v.At.Round(time.Millisecond), v.Seq, v.Text)
}

// Bounds.
const (
	fade       = 5 * time.Millisecond  // of sound that is cut
	handover   = time.Millisecond      // a frame that was on its way when a stop was decided; virtual time needs none
	cancelMost = 50 * time.Millisecond // for canceled work to end
	liveMost   = 2                     // answers that are written at a time: one committed, one prepared
	feedMost   = 10 * time.Second      // of audio that wait for the recognizer
	feedSlack  = 500 * time.Millisecond
)

// Unchecked says which invariants Check cannot judge, and why.
func Unchecked(r Result) []string {
	all := []string{"I7: there are no tools yet whose effects could be counted"}
	if r.Record == nil {
		all = append(all, "I9: there is no record")
	}
	return all
}

// Check judges what came of a conversation: everything that does not hold, in the order of the invariants and of time.
// See Unchecked for what it cannot judge.
func Check(r Result) []Violation {
	var all []Violation
	for _, rule := range []func(Result) []Violation{silence, told, answered, alive, canceled, bounded, repeats, sums} {
		found := rule(r)
		slices.SortStableFunc(found, func(a, b Violation) int { return cmp.Compare(a.At, b.At) })
		all = append(all, found...)
	}
	return all
}

// silence is I1: no sound after a stop but the fade of what was cut.
func silence(r Result) (bad []Violation) {
	frames := r.Frames
	var stop *agent.Event // nil: the agent may sound
	first := false        // the next frame may have the fade
	until := func(at time.Duration) {
		for len(frames) > 0 && frames[0].At < at {
			f := frames[0]
			frames = frames[1:]
			if stop == nil || f.At <= stop.At+handover {
				continue
			}
			if f.Sound > fade || f.Sound > 0 && !first {
				bad = append(bad, Violation{"I1", f.At, stop.Seq, fmt.Sprintf(
					"a frame with %v of sound is sent %v after a stop was decided", f.Sound, (f.At - stop.At).Round(time.Millisecond))})
			}
			first = false
		}
	}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			switch stops, starts := voiced(d); {
			case stops && stop == nil:
				until(e.At)
				stop, first = e, true
			case starts:
				until(e.At)
				stop = nil
			}
		}
	}
	until(r.Length + media.FrameDuration)
	return bad
}

// voiced says whether a decision silences the agent, or lets it sound.
func voiced(d turn.Decision) (stops, starts bool) {
	switch d.Kind {
	case turn.Hold, turn.Interrupt:
		return true, false
	case turn.Resume, turn.Commit, turn.Say, turn.CheckIn, turn.GiveUp:
		return false, true
	}
	return false, d.Kind == turn.Obey && d.Text == "goodbye"
}

// alive is I4: a turn is committed when the one before is over or given up, and the model writes at most two answers.
func alive(r Result) (bad []Violation) {
	committed := 0 // the turn whose answer is made or spoken
	for _, e := range r.Events {
		if e.Step == nil {
			continue
		}
		if in := e.Step.In; in.Kind == turn.Ended && in.Turn == committed {
			committed = 0
		}
		for _, d := range e.Step.Out {
			switch _, starts := voiced(d); {
			case d.Kind == turn.Interrupt && d.Turn == committed:
				committed = 0
			case starts && d.Kind != turn.Resume:
				if committed != 0 {
					bad = append(bad, Violation{"I4", e.At, e.Seq, fmt.Sprintf("turn %d is answered while the answer to turn %d lives", d.Turn, committed)})
				}
				committed = d.Turn
			}
		}
	}
	if m := r.Engines; m.Live > liveMost {
		bad = append(bad, Violation{"I4", m.LiveAt, 0, fmt.Sprintf("the model writes %d answers at a time", m.Live)})
	}
	return bad
}

// canceled is I5.
func canceled(r Result) (bad []Violation) {
	engines := map[string]string{"stt": "the recognizer", "llm": "the model", "tts": "the voice"}
	for _, c := range r.Engines.Cancels {
		if c.Took > cancelMost {
			bad = append(bad, Violation{"I5", c.At, 0, fmt.Sprintf("%s takes %v to end after it was canceled", engines[c.Engine], c.Took)})
		}
	}
	return bad
}

// bounded is I6. In virtual time nothing is too slow for anything, so what a queue lost it lost at its bound or by mistake.
func bounded(r Result) (bad []Violation) {
	say := func(format string, n any) {
		bad = append(bad, Violation{"I6", r.Length, 0, fmt.Sprintf(format, n)})
	}
	c, m := r.Counts, r.Engines
	if errors.Is(r.End, ErrSpins) {
		bad = append(bad, Violation{"I6", r.Length, spins(r.Events), "the conversation's loop spins: it wakes again and again for something that it does not do then"})
	}
	if c.UplinkLost > 0 {
		say("the uplink's queue lost %d packets", c.UplinkLost)
	}
	if c.InputsLost > 0 {
		say("there was no room for %d keys or changes of the path", c.InputsLost)
	}
	if c.RecorderLost > 0 {
		say("the recorder's queue lost %d packets", c.RecorderLost)
	}
	if c.RecordLost > 0 {
		say("the record lost %d entries", c.RecordLost)
	}
	if m.Behind > feedMost+feedSlack {
		say("the recognizer was given audio that is %v old", m.Behind)
	}
	if m.Skipped > 0 && m.Behind < feedMost-feedSlack {
		say("the recognizer did not get %v of audio, although its queue was not full", m.Skipped)
	}
	return bad
}

// spins is the event at which a loop began to.
func spins(log []agent.Event) uint64 {
	i := len(log) - 1
	for i > 0 && log[len(log)-1].At-log[i-1].At < spinTime {
		i--
	}
	if i < 0 {
		return 0
	}
	return log[i].Seq
}

// sums is I9.
func sums(r Result) (bad []Violation) {
	if r.Record == nil {
		return nil
	}
	for _, p := range r.Record.Problems {
		bad = append(bad, Violation{"I9", r.Record.Duration, 0, p})
	}
	if up, down := r.Record.Up.Sound, r.Record.Down.Sound; (up - down).Abs() > media.FrameDuration {
		bad = append(bad, Violation{"I9", r.Record.Duration, 0, fmt.Sprintf("the caller's track lasts %v, the agent's %v", up, down)})
	}
	return bad
}
