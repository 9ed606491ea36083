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
	Turns   []Turn        // in their order; turn 0 is what was said before the first
	Holes   []Hole        // of the log
}

// Turn is what the caller said, if anything, and what the agent answered.
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
	Holds     []Hold         `json:"holds,omitempty"`
	Latency   *agent.Latency `json:"latency,omitempty"`
	Troubles  []Trouble      `json:"troubles,omitempty"`
}

// Span is a stretch of time.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Word is a word and when it was said.
type Word struct {
	Text string `json:"text"`
	Span
	Guessed bool `json:"guessed,omitempty"` // its engine gave no time: the words of a stretch share it by their letters
}

// Hold is a pause of the agent because something was heard.
type Hold struct {
	Span
	Why     string `json:"why"`     // it paused
	Outcome string `json:"outcome"` // "resume", "interrupt" or "" when the conversation ended before
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
	Why string `json:"why"`
}
