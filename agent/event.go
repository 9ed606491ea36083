package agent

import (
	"errors"
	"time"

	"parley/agent/turn"
	"parley/llm"
	"parley/tts"
)

// Event is something that happened in a conversation. Which fields count depends on Kind. As JSON, which leaves out Seq
// and At, it is a line of a record's ordered log.
type Event struct {
	Seq   uint64        `json:"-"`
	At    time.Duration `json:"-"`               // on the session clock
	Cause uint64        `json:"cause,omitempty"` // Seq of the input that led to it; 0: it is an input itself
	Kind  EventKind     `json:"kind"`
	Turn  int           `json:"turn,omitempty"`
	Text  string        `json:"text,omitempty"`  // User: what was heard; State: its name; Trouble, End: a sentence for people
	Final bool          `json:"final,omitempty"` // User: the text stands
	Step  *turn.Entry   `json:"step,omitempty"`  // Step
	Echo  *Echo         `json:"echo,omitempty"`  // Step: of a recognizer's result that may be the agent's own sound
	Took  *Taken        `json:"took,omitempty"`  // Took
	Asked *Asked        `json:"asked,omitempty"` // Ask
	Said  *Said         `json:"said,omitempty"`  // Answer
	Measured
	Code string `json:"code,omitempty"` // Trouble: "stt", "llm", "tts", "input"
	Err  error  `json:"-"`              // Trouble, End: the cause, for logs
}

// Measured is what an event tells in figures.
type Measured struct {
	Latency *Latency `json:"latency,omitempty"` // Timing
	Bill    *Bill    `json:"bill,omitempty"`    // Billed, End
}

// EventKind says what happened.
type EventKind string

// What can happen.
const (
	Step    EventKind = "step"    // an input of the turn machine and its decisions
	Took    EventKind = "took"    // another input
	Ask     EventKind = "ask"     // an answer is begun: of the model, or words of the agent's own
	State   EventKind = "state"   // listening, thinking or speaking
	User    EventKind = "user"    // the caller's words
	Answer  EventKind = "agent"   // the agent's words, each time that more were heard, and at the end
	Timing  EventKind = "timing"  // an answer began to sound
	Billed  EventKind = "bill"    // what an answer used, also one that was discarded
	Trouble EventKind = "trouble" // something failed, the conversation goes on
	End     EventKind = "end"     // the conversation is over
)

// Echo is what a result of the recognizer was compared with the agent's own words for: it came of a sound that began while these
// were sent, and they may have come back.
type Echo struct {
	Text   string `json:"text,omitempty"`   // what the recognizer gave, if some of it is an echo; the turn machine got what remains
	Of     string `json:"of,omitempty"`     // the agent's words that it repeats
	Beside bool   `json:"beside,omitempty"` // more than the echo was heard, too: the caller
}

// Taken is an input of the conversation beside those of the turn machine, as the loop took it. Which fields count depends
// on Kind.
type Taken struct {
	Kind  TakenKind     `json:"kind"`
	Reply int           `json:"reply,omitempty"` // Wrote to Ended, Spent: which answer, as its Asked numbers it; 0: none
	Text  string        `json:"text,omitempty"`  // Wrote, Phrased: the text; Failed, Noticed, Over, Ended: the error's
	Long  time.Duration `json:"long,omitempty"`  // Sounded: how much sound that is; Heard, Cut, Ended: how much was sent so far
	Words []tts.Word    `json:"words,omitempty"` // Sounded
	Code  string        `json:"code,omitempty"`  // Failed, Noticed, Moved, Ended: whose error it is
	Class string        `json:"class,omitempty"` // and of which class: "auth", "quota", "bad request", "unavailable", "truncated", or empty
	Input *Input        `json:"input,omitempty"` // Came
	Used  *Used         `json:"used,omitempty"`  // Spent
}

// TakenKind says what was taken.
type TakenKind string

// What can be taken.
const (
	Begun   TakenKind = "begun"   // the conversation begins
	Came    TakenKind = "came"    // an Input
	Wrote   TakenKind = "wrote"   // the model wrote more of an answer
	Phrased TakenKind = "phrased" // a phrase of it was given to the voice
	Sounded TakenKind = "sounded" // the voice made more sound of it
	Heard   TakenKind = "heard"   // more of it was sent
	Cut     TakenKind = "cut"     // it was interrupted there; told while the input that did it is dealt with, so it has a Cause
	Ended   TakenKind = "ended"   // nothing more will come of it
	Noticed TakenKind = "noticed" // an engine failed, the conversation goes on
	Moved   TakenKind = "moved"   // an engine failed, and another one took over
	Spent   TakenKind = "spent"   // a request to an engine is over: what it used
	Failed  TakenKind = "failed"  // one failed for good: the conversation ends
	Over    TakenKind = "over"    // the call ends
)

// Asked is an answer that is begun.
type Asked struct {
	Reply    int           `json:"reply"`              // counts them from 1
	Text     string        `json:"text,omitempty"`     // what is said without a model
	Messages []llm.Message `json:"messages,omitempty"` // what the model is told beside the profile's prompt
}

// Said is an answer in its three texts.
type Said struct {
	Generated   string // by the model
	Sent        string // to the voice
	Heard       string // sent as sound; after an interruption cut at a word, by what was played of it if that is known
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
	Kind InputKind     `json:"kind"`
	Text string        `json:"text,omitempty"`
	On   bool          `json:"on,omitempty"`
	At   time.Duration `json:"at,omitempty"` // PathLost: on the session clock; Played: the lag
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

	Played InputKind = "played" // the caller's loudspeaker now plays what we sent that long ago (At)
)

// Why a reply was canceled, as context.Cause tells it, and why a conversation ended.
var (
	ErrBargeIn   = errors.New("the caller took the floor")
	ErrDiscarded = errors.New("the caller went on")
	ErrHungUp    = errors.New("the caller hung up")
	ErrGoodbye   = errors.New("goodbye was said")
	ErrBudget    = errors.New("the conversation has used up what it may cost")
	ErrAudioEnd  = errors.New("the caller's audio ended")
)
