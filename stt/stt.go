// Package stt is the contract between a conversation and a speech recognizer. Adapters live in a folder
// of their own below it and are proven by package sttest.
//
// # The contract of a stream function
//
// Speech to text, language model and text to speech share one shape: a context and an input in, an
// iterator out. Every implementation keeps these rules; the suites sttest, llmtest and ttstest enforce
// them.
//
//  1. The loop is the lifetime: nothing starts before it; when it is left, every goroutine and
//     connection of it is gone.
//  2. The end of ctx ends it within 50 ms (median of 20; never later than 500 ms).
//  3. At most one non-nil error, and it is the last item; context.Cause(ctx) when ctx did it.
//  4. Input is opened with a ctx of the stage's own, canceled before the stage returns, and is read by
//     one goroutine at a time. The input's end means: finish and flush. Deadlines run only while the
//     stage waits for its provider, not while its consumer holds the loop.
//  5. Errors flow out of a stage, never in.
//  6. Data carries its own rate and time.
//  7. A value is safe for concurrent calls.
//  8. No slice is retained once the loop that yielded it goes on (packet payloads excepted).
//  9. A returned iterator is for a single use.
//
// Errors are classed with errors.Is against the classes of package provider. Extra ability is an extra
// interface found by assertion, such as [Warmer].
package stt

import (
	"context"
	"iter"
	"time"

	"parley/media"
)

// Recognizer turns the audio of one direction of a call into text. Safe for concurrent use: one value
// serves every call.
type Recognizer interface {
	Recognize(ctx context.Context, in media.Source[Audio]) iter.Seq2[Result, error]
}

// RecognizerFunc is a function as a Recognizer.
type RecognizerFunc func(ctx context.Context, in media.Source[Audio]) iter.Seq2[Result, error]

// Recognize calls f.
func (f RecognizerFunc) Recognize(ctx context.Context, in media.Source[Audio]) iter.Seq2[Result, error] {
	return f(ctx, in)
}

// Warmer is implemented by engines that answer their first call faster after Warm.
type Warmer interface {
	Warm(ctx context.Context) error
}

// Audio is a frame on its way to a recognizer: mono, normally [media.ListenRate], gapless in At.
type Audio struct {
	media.Frame
	Voice bool // the voice detector hears speech here, pre-roll included
	// Flush asks for exactly one Final for all audio up to and including this frame, even if its text is
	// empty, with End ≥ this frame's At. It is not the end of the utterance: the speaker may go on.
	// The frame may carry no samples.
	Flush bool
}

// Kind says what a Result is.
type Kind uint8

// The kinds of a Result.
const (
	Onset    Kind = iota // speech has begun; no text
	Partial              // text so far; may change
	Final                // text that stands, until a Result of the same Start replaces it
	Endpoint             // the provider itself believes that the utterance has ended
)

// String is the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "unknown"
}

var kinds = [...]string{"onset", "partial", "final", "endpoint"}

// Result is what was recognized between Start and End of the input's timeline. A Result with the Start
// of an earlier one replaces it; a later Start appends.
type Result struct {
	Kind       Kind
	Text       string
	Start, End time.Duration
	Words      []Word // nil when the provider gives no times
}

// Word is one word and its place on the input's timeline.
type Word struct {
	Text       string
	Start, End time.Duration
}
