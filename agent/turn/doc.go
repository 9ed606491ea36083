// Package turn decides whose turn it is: when the caller has begun and finished, when the agent is to
// pause, go on or give way, when silence has lasted too long.
//
// A [Machine] is pure: no clock, no goroutine, no I/O. [Machine.Step] takes one input and the moment it
// was taken and returns what is to be done; [Machine.Wake] says by when it wants to be asked again. The
// same inputs with the same moments give the same decisions, on every computer and at any speed, which is
// how a recorded conversation is run again ([Replay]).
//
// # How it decides
//
// Voice scores pass a hysteresis. While the agent has the floor a voice onset means hold: the agent
// pauses within a frame, and what was heard decides. Words interrupt; a backchannel ("mm-hm"), a cough or
// noise lets it go on from where it was. While the caller has the floor, a short silence flushes the
// recognizer and the answer is thought ahead; it is committed once the silence has lasted as long as the
// words and their sound ask for. What the words say (package ending), the mark behind them and what the end-of-turn
// model hears are weighed as one probability that the turn is finished: from Done on the wait is Short, under Open it
// is Long, between them Middle. All waits adapt to the caller ([Pace]). If the
// caller goes on before that, the answer is discarded and leaves no trace; a cough changes nothing. Letters and
// figures that are dictated are waited for longer. A voice of which no words come is excused for, once.
//
// A turn that is an order goes to no model: "stop", "goodbye", and "hold on", after which a silence may last longer.
//
// Every wait has a deadline and every decision a reason.
package turn
