// Package rerun holds a conversation again in this process, from packets and engines that are given, in virtual time.
//
// A [Stage] is everything of a call above media/rtc as a server composes it: the caller's packets come at their times, go
// through media/line to an agent.Session, and what it says becomes packets again; a record is kept of it as of any call. [Recorded]
// makes one of a bundle. A [Network] between the caller and the stage delays and loses packets by their numbers, so that one seed always
// loses the same.
//
// # Time
//
// Everything here uses package time and its session clock counts from Run. In a bubble of testing/synctest that clock is virtual:
// an hour passes as fast as its work is done, and what happens between two moments takes none, so what is measured is order and
// policy, not speed. Who makes packets by hand does well to have none arrive on a multiple of 10 ms since Run, where
// the playout ticks and the order of the two would be anybody's guess.
//
// # Invariants
//
// [Check] judges what came of it by what must hold in every conversation, whatever fails:
//
//	I1  no sound of the agent is sent after a stop was decided, but a fade of 5 ms in the next frame
//	I2  the model is told of the agent's words only those that were heard
//	I3  every turn of the caller is answered, or it is told why not
//	I4  at most one committed and one prepared answer are generated at a time
//	I5  canceled work ends within 50 ms, and no goroutine outlives the conversation
//	I6  no queue outgrows its bound or loses anything, and the loop does not spin
//	I7  the effects of tools happen at most once (there are no tools yet, so nothing is checked)
//	I8  the log's inputs give the log's decisions again
//	I9  the record's classes of samples sum to its duration, and both its tracks have that
//
// That no goroutine is left the bubble itself proves: it panics otherwise.
package rerun
