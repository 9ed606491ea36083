package turn_test

import (
	"strings"

	"pgregory.net/rapid"

	"parley/agent/turn"
)

// rules are what holds of any conversation, as the machine's inputs and decisions show it.
type rules struct {
	last                     int  // the newest turn
	live, began, held        bool // its answer is not over, sounds, is paused
	lost, muted, gone, quiet bool // the path, the microphone; goodbye was said; silence may last for ever
	thought                  bool // an answer is prepared
}

// take checks a step.
func (r *rules) take(t *rapid.T, e turn.Entry) {
	switch in := e.In; in.Kind {
	case turn.Began:
		r.began = r.began || r.live && in.Turn == r.last
	case turn.Ended:
		if in.Turn == r.last {
			r.live, r.held = false, false
		}
	case turn.PathLost, turn.PathBack:
		r.lost = in.Kind == turn.PathLost
	case turn.Muted:
		r.muted = in.On
	}
	for _, d := range e.Out {
		if wrong := r.decide(d); wrong != "" {
			t.Fatalf("at %v, %s of turn %d: %v: %s", e.Now, e.In.Kind, e.In.Turn, d, wrong)
		}
	}
}

// decide takes a decision and says what is wrong with it.
func (r *rules) decide(d turn.Decision) string {
	next := d.Turn == r.last+1
	switch d.Kind {
	case turn.Hold:
		if !r.live || r.held || d.Turn != r.last {
			return "there is nothing to hold"
		}
		r.held = true
	case turn.Resume:
		if !r.live || !r.held || d.Turn != r.last || d.Back < 0 {
			return "nothing is held"
		}
		r.held = false
	case turn.Interrupt:
		if !r.live || d.Turn != r.last {
			return "there is nothing to interrupt"
		}
		r.live, r.held = false, false
	case turn.Flush:
		if !next {
			return "the recognizer is asked for another turn"
		}
	case turn.Think:
		if !next || r.thought || d.Text == "" || r.live {
			return "it cannot be prepared now"
		}
		r.thought = true
	case turn.Discard:
		if !next || !r.thought {
			return "nothing is prepared"
		}
		r.thought = false
	default:
		return r.start(d, next)
	}
	return ""
}

func (r *rules) start(d turn.Decision, next bool) string {
	switch {
	case !next || r.live:
		return "another is not over"
	case d.Kind == turn.Commit && strings.Trim(d.Text, " .…") == "":
		return "nothing was said"
	case r.gone && (d.Kind == turn.CheckIn || d.Kind == turn.GiveUp || d.Kind == turn.Obey):
		return "goodbye was said"
	}
	stop := d.Kind == turn.Obey && d.Text != "goodbye"
	r.gone = r.gone || d.Kind == turn.GiveUp || d.Kind == turn.Obey && !stop
	r.last, r.live, r.began, r.held, r.thought = d.Turn, !stop, false, false, false
	return ""
}

// waits: something is waited for, so the machine must want to be woken.
func (r *rules) waits() bool {
	if r.live {
		return !r.lost && (!r.began || r.held)
	}
	return !r.lost && !r.muted && !r.gone && !r.quiet
}
