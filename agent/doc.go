// Package agent holds a conversation.
//
// A [Session] is one call: it hears frames, speaks through a playout, and joins three stream functions
// (speech to text, language model, text to speech) into replies. A reply is their composition under one
// context, so that an interruption is one cancel.
//
// # Who does what
//
//   - The uplink goroutine scores the caller's audio and feeds the recognizer.
//   - The recognizer's goroutine reads its results.
//   - The playout's goroutine owns the downlink clock.
//   - A reply runs in a goroutine of its own: at most one that speaks and one that is prepared.
//   - The loop owns everything else. It takes one arrival at a time, gives it its number and its moment, and does what the
//     core wants done. It never waits for a reply.
//   - The core decides: with the pure machine of package turn, whose turn it is; and from what came of an answer so far, what was
//     heard of it. It is pure itself.
//
// # Order is data
//
// Whatever comes to the core is an event without a Cause: an input of the turn machine with what it decided ([Step]), or
// another ([Took]): a piece of text that the model wrote, a phrase that the voice was given, sound that it made, how much of
// that was sent, an error, the end. It is traced before anything acts on it; what it leads to follows, with its number as the Cause.
// So the trace is all that is needed to have the conversation decided again, event by event ([Repeat]).
//
// # What is remembered
//
// The history keeps three texts of every answer: what the model generated, what was sent to the voice,
// and what was heard. The model is told what was heard. Only the core touches the history.
package agent
