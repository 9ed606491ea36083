package replay

import (
	"time"

	"parley/agent"
	"parley/media/record"
)

// Conversation is what happened in a recorded conversation. All times are on its session clock.
type Conversation struct {
	record.Manifest
	Length  time.Duration
	Profile agent.Profile
	Events  []agent.Event // the ordered log
	Turns   []Turn        // in their order; one of number 0 is what happened before the first
	Holes   []Hole        // of the log
	Ended   string        // why it did; empty: the log does not tell
	Health  *Health       `json:",omitempty"` // nil: nobody looked. Read does not
}

// Health is of what the sound of both directions is made. Bundle.Verify finds it out.
type Health struct {
	Up   record.Classes `json:"up"`
	Down record.Classes `json:"down"`
}

// Turn is what the caller said, if anything, and what the agent answered. One that was taken as over too early, and whose
// answer was never heard, is part of the one that it was united with.
type Turn struct {
	N         int            `json:"n"`
	Voice     []Span         `json:"voice,omitempty"` // where the caller's voice was heard; none: the agent spoke of its own, or it was typed
	User      string         `json:"user,omitempty"`  // the words that the turn was committed with
	UserWords []Word         `json:"userWords,omitempty"`
	Committed time.Duration  `json:"committed"`        // when it was taken as over
	Reason    string         `json:"reason,omitempty"` // why then
	Answer    agent.Said     `json:"answer"`
	Words     []Word         `json:"words,omitempty"` // of the answer, those that were heard
	Spoken    Span           `json:"spoken"`          // the answer's sound, from its first frame to its last; zero: there was none
	Sent      time.Duration  `json:"sent,omitempty"`  // how much of its sound that was, what was repeated counted once
	Holds     []Hold         `json:"holds,omitempty"`
	Asides    []Span         `json:"asides,omitempty"` // the caller's voice before the next turn that was taken for none: a noise, a "mm-hm"
	Latency   *agent.Latency `json:"latency,omitempty"`
	Troubles  []Trouble      `json:"troubles,omitempty"`
}

// Span is a stretch of time.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Word is a word and when it was said. One that was cut by a pause of the agent and repeated stands where it was repeated.
type Word struct {
	Text string `json:"text"`
	Span
	Guessed bool `json:"guessed,omitempty"` // its engine gave no time: the words of a stretch share it by their letters
}

// Hold is a pause of the agent because something was heard.
type Hold struct {
	Span
	Why     string `json:"why"`     // it paused
	Outcome string `json:"outcome"` // "resume", "interrupt" or "" when the answer or the conversation ended before
	Because string `json:"because"` // of the outcome
}

// Trouble is what went wrong.
type Trouble struct {
	At   time.Duration `json:"at"`
	Code string        `json:"code"`
	Text string        `json:"text"`
}

// Hole is a stretch of which the log is not kept.
type Hole struct {
	Span
	Why  string `json:"why"`
	Lost bool   `json:"lost,omitempty"` // it should be there; else somebody paused the record
}
