package turn

import (
	"fmt"
	"time"
)

// Input is one thing that happened. Which fields count depends on Kind.
type Input struct {
	Kind  InputKind     `json:"kind"`
	At    time.Duration `json:"at,omitempty"`    // Score, Partial, Final, Finished: where it ends on the caller's timeline; PathLost: since when
	Start time.Duration `json:"start,omitempty"` // Partial, Final: where it starts, the same start replaces; Finished: where what the model heard starts
	Voice float32       `json:"voice,omitempty"` // Score: probability of speech
	Loud  time.Duration `json:"loud,omitempty"`  // Score: where on that timeline sound was last heard; 0: at At
	Text  string        `json:"text,omitempty"`  // Partial, Final, Typed; Key: one of 0–9 * # A–D
	P     float32       `json:"p,omitempty"`     // Finished: probability that the speaker has finished
	Turn  int           `json:"turn,omitempty"`  // Finished, Began, Ended: of which turn
	On    bool          `json:"on,omitempty"`    // Muted
}

// InputKind says what happened.
type InputKind string

// What can happen.
const (
	Score    InputKind = "score"    // the voice detector's score of a hop
	Partial  InputKind = "partial"  // text that may change
	Final    InputKind = "final"    // text that stands
	Finished InputKind = "finished" // how finished the turn sounds, after a Flush
	Began    InputKind = "began"    // the first sound of an answer was sent
	Ended    InputKind = "ended"    // an answer has ended, in whatever way
	Said     InputKind = "said"     // the agent is to say something of its own: a greeting
	Typed    InputKind = "typed"    // the caller typed
	Key      InputKind = "key"      // the caller pressed a key
	Muted    InputKind = "muted"    // the caller's microphone was turned off or on
	PathLost InputKind = "lost"     // nothing comes from the caller any more, nor goes there: what was sent since At is lost
	PathBack InputKind = "back"     // the path is there again
	Tick     InputKind = "tick"     // the time of Wake has come
)

// Decision is one thing to do.
type Decision struct {
	Kind   DecisionKind  `json:"kind"`
	Turn   int           `json:"turn"`
	Text   string        `json:"text,omitempty"`   // Think, Commit: what the caller said; Obey: the command; Say: none if the Reason is Unheard
	Back   time.Duration `json:"back,omitempty"`   // Resume: how much to repeat
	Reason string        `json:"reason,omitempty"` // why, for people
}

// DecisionKind says what to do.
type DecisionKind string

// What can be decided.
const (
	Hold      DecisionKind = "hold"      // pause the agent at once
	Resume    DecisionKind = "resume"    // it was nothing: go on
	Interrupt DecisionKind = "interrupt" // cancel the answer of Turn
	Flush     DecisionKind = "flush"     // ask the recognizer for the text of all it has
	Think     DecisionKind = "think"     // prepare the answer of Turn to Text; the turn is not over yet
	Discard   DecisionKind = "discard"   // throw the prepared answer away
	Commit    DecisionKind = "commit"    // the turn is over: answer it
	Obey      DecisionKind = "obey"      // the caller gave a command: "stop", "wait" or "goodbye"
	Say       DecisionKind = "say"       // say Text, which is the agent's own
	CheckIn   DecisionKind = "check-in"  // ask whether the caller is still there
	GiveUp    DecisionKind = "give-up"   // say goodbye and end
)

// NoAnswer is the reason of an Interrupt of an answer that did not begin to sound in time.
const NoAnswer = "no answer came"

// Unheard is the reason of a Say without a text: the caller spoke, but no words came of it. That is to be said.
const Unheard = "no words came of a voice"

// KeysPressed is what the text of a Commit of pressed keys begins with.
const KeysPressed = "Keys pressed: "

// Written is the reason of a Commit of what was typed or pressed.
const Written = "typed"

// String is the decision in one line.
func (d Decision) String() string {
	s := fmt.Sprintf("%s #%d", d.Kind, d.Turn)
	if d.Text != "" {
		s += fmt.Sprintf(" %q", d.Text)
	}
	if d.Back != 0 {
		s += fmt.Sprintf(" back %v", d.Back)
	}
	if d.Reason != "" {
		s += " (" + d.Reason + ")"
	}
	return s
}

// Entry is one step of a conversation's ordered log.
type Entry struct {
	Seq  uint64        `json:"seq"`
	Now  time.Duration `json:"now"` // when the input was taken, on the session clock
	In   Input         `json:"in"`
	Wake time.Duration `json:"wake,omitempty"` // when the machine then wanted to be asked again; 0 never
	Out  []Decision    `json:"out,omitempty"`
}

// Replay runs the inputs of a log through a new machine and returns the log that this gives. It equals
// the given one if the machine decides today as it did then.
func Replay(c Config, log []Entry) []Entry {
	m := New(c)
	again := make([]Entry, len(log))
	for i, e := range log {
		again[i] = Entry{Seq: e.Seq, Now: e.Now, In: e.In, Out: m.Step(e.Now, e.In)}
		again[i].Wake, _ = m.Wake()
	}
	return again
}
