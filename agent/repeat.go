package agent

import (
	"errors"
	"iter"
	"time"
)

// Repeat takes the inputs of a conversation's log to a new core, in their order and with their own moments and numbers, and
// yields for each where it stands in the log and what comes of it now: first the input itself, then its consequences. If
// these are the events of the log from there to the next input, and nothing is missing, the core decides today as it did then. No
// goroutine, no clock, no engine has a part in that.
//
// An input is an event without a Cause. How much of an answer had been sent when it was cut is taken from the log too: it
// was observed while the input was dealt with (an event of kind Took, Cut, with a Cause).
func Repeat(p Profile, log []Event) iter.Seq2[int, []Event] {
	return func(yield func(int, []Event) bool) {
		var out []Event
		c := newCore(p)
		c.tell = func(e Event) { out = append(out, e) }
		for i := 0; i < len(log); {
			group := log[i : i+1+consequences(log[i+1:])]
			if a, ok := log[i].arrival(); ok {
				out, c.seq = nil, log[i].Seq-1
				c.do = observed(group)
				c.take(log[i].At, a)
				if !yield(i, out) {
					return
				}
			}
			i += len(group)
		}
	}
}

// consequences is how many events follow before the next input.
func consequences(log []Event) int {
	for i, e := range log {
		if e.Cause == 0 {
			return i
		}
	}
	return len(log)
}

// arrival is an input as the core takes it; false for an event that is none.
func (e *Event) arrival() (arrival, bool) {
	switch {
	case e.Cause != 0:
		return arrival{}, false
	case e.Kind == Step && e.Step != nil:
		a := arrival{step: e.Step.In, echo: e.Echo}
		if e.Echo != nil && e.Echo.Of != "" {
			a.step.Text = e.Echo.Text
		}
		return a, true
	case e.Kind != Took || e.Took == nil || e.Took.Kind == Came && e.Took.Input == nil || e.Took.Kind == Spent && e.Took.Used == nil:
		return arrival{}, false
	}
	t := *e.Took
	a := arrival{took: &t}
	if t.Text != "" || t.Kind == Over || t.Kind == Failed {
		a.err = errors.New(t.Text)
	}
	return a, true
}

// observed does nothing, and gives for a cut what the log says was observed then.
func observed(group []Event) func(act) time.Duration {
	return func(a act) time.Duration {
		if a.kind != cut {
			return 0
		}
		for _, e := range group {
			if t := e.Took; t != nil && t.Kind == Cut && t.Reply == a.reply {
				return t.Long
			}
		}
		return 0
	}
}
