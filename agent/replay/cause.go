package replay

import (
	"parley/agent"
	"parley/agent/turn"
)

// led tells the event that led to an input of the turn machine.
func led(in turn.Input) func(*agent.Event) bool {
	decided := func(is func(turn.Decision) bool) func(*agent.Event) bool {
		return func(e *agent.Event) bool {
			if e.Step == nil {
				return false
			}
			for _, d := range e.Step.Out {
				if is(d) {
					return true
				}
			}
			return false
		}
	}
	switch in.Kind {
	case turn.Final, turn.Finished: // the recognizer and the end-of-turn model were asked
		return decided(func(d turn.Decision) bool { return d.Kind == turn.Flush })
	case turn.Began, turn.Ended: // of the answer to a turn that was begun
		return decided(func(d turn.Decision) bool {
			return d.Turn == in.Turn && begins[d.Kind]
		})
	case turn.Tick: // of a deadline that was set by the step before
		return func(e *agent.Event) bool { return e.Step != nil }
	}
	return func(*agent.Event) bool { return false }
}

// begins are the decisions that begin an answer.
var begins = map[turn.DecisionKind]bool{turn.Commit: true, turn.Say: true, turn.CheckIn: true, turn.GiveUp: true, turn.Obey: true}
