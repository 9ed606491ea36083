package agent

import (
	"errors"
	"time"

	"parley/agent/turn"
)

// Event is something that happened in a conversation. Which fields count depends on Kind.
type Event struct {
	Seq     uint64
	At      time.Duration // on the session clock
	Kind    EventKind
	Turn    int
	Text    string      // User: what was heard; State: its name; Trouble, End: a sentence for people
	Final   bool        // User: the text stands
	Step    *turn.Entry // Step
	Said    Said        // Answer
	Latency *Latency    // Timing
	Code    string      // Trouble: "stt", "llm", "tts", "input"
	Err     error       // Trouble, End: the cause, for logs
}

// EventKind says what happened.
type EventKind string

// What can happen.
const (
	Step    EventKind = "step"    // an input of the turn machine and its decisions
	State   EventKind = "state"   // listening, thinking or speaking
	User    EventKind = "user"    // the caller's words
	Answer  EventKind = "agent"   // the agent's words, each time that more were heard, and at the end
	Timing  EventKind = "timing"  // an answer began to sound
	Trouble EventKind = "trouble" // something failed, the conversation goes on
	End     EventKind = "end"     // the conversation is over
)

// Said is an answer in its three texts.
type Said struct {
	Generated   string // by the model
	Sent        string // to the voice
	Heard       string // sent as sound; after an interruption cut at a word
	Done        bool   // nothing more will come
	Interrupted bool
}

// Latency is how long an answer took, each counted from the last voice that was heard before it.
type Latency struct {
	Commit time.Duration // the turn was taken as finished
	Text   time.Duration // its final text was there
	Token  time.Duration // the model's first words
	Phrase time.Duration // the first speakable phrase
	Audio  time.Duration // its first sound from the voice
	Sent   time.Duration // its first frame on the line
}

// Input is what comes to a conversation beside audio.
type Input struct {
	Kind InputKind
	Text string
	On   bool
	At   time.Duration // PathLost: on the session clock
}

// InputKind says what an Input is.
type InputKind string

// What can come.
const (
	Typed  InputKind = "text"   // Text was typed
	Mute   InputKind = "mute"   // the microphone was turned off (On) or on
	HangUp InputKind = "hangup" // the caller has had enough

	Key      InputKind = "key"  // Text is a key that was pressed: 0–9, *, #, A–D
	PathLost InputKind = "lost" // the network path is dead: what was sent since At did not arrive
	PathBack InputKind = "back" // and there again
)

// Why a reply was canceled, as context.Cause tells it, and why a conversation ended.
var (
	ErrBargeIn   = errors.New("the caller took the floor")
	ErrDiscarded = errors.New("the caller went on")
	ErrHungUp    = errors.New("the caller hung up")
	ErrGoodbye   = errors.New("goodbye was said")
	ErrAudioEnd  = errors.New("the caller's audio ended")
)
