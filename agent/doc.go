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
//   - The loop owns everything else. It takes one arrival at a time, stamps it, gives it to the pure
//     machine of package turn, and carries out what that decides. It never waits for a reply.
//
// # Order is data
//
// Every input of the turn machine gets its number and its moment when the loop takes it, and is traced
// together with the decisions that followed ([Event] of kind Step) before anything acts on them. Feeding
// these entries to turn.Replay gives the same decisions, byte for byte.
//
// # What is remembered
//
// The history keeps three texts of every answer: what the model generated, what was sent to the voice,
// and what was heard. The model is told what was heard. Only the loop touches the history.
package agent
