// Package dialogs is a corpus of short conversations composed of human voices, of which everything is known: what the
// caller says and when, to the sample, what the agent's engines answer, and what a person would expect of the agent.
//
// The recipe is a text that reads as a play; the caller's track is built of recordings that Debian packages hold (SOURCES.md
// names them and their licenses). [All] composes it, the same each time. [Dialog.Stage] makes a conversation that package
// rerun holds in virtual time, with the voice detector and the voice that are given, and a recognizer and a model that know
// the truth. [Happened] tells from the events what came of it, to be compared with [Dialog.Want].
//
// # The recipe
//
// A dialog begins with its name and a sentence about it. Its lines are in the order in which they are expected to be heard:
//
//	greeting TEXT                what the agent says first
//	say WHEN [GAIN] PARTS: TEXT  a turn of the caller: recordings with pauses between them (60 ms if none is given). TEXT is
//	                             what they say, with its punctuation; it must agree with the recordings' transcripts
//	backchannel WHEN PARTS: TEXT the same, but it is expected to let the agent go on
//	mm-hm, cough WHEN [GAIN]     a hum, a cough (synthetic); a hum before the answer is part of the turn
//	noise WHEN LONG LEVEL        a burst of pink noise
//	answer TEXT                  what the model answers to the turn before, expected to be heard to its end
//	silent                       no answer is expected
//	check-in                     the agent is expected to ask whether the caller is still there
//	type WHEN: TEXT              a line that is typed
//	key WHEN KEY                 a key of a telephone
//	mute, unmute WHEN            the microphone
//	under LEVEL                  noise under all of it
//	check-in LONG                the silence before the agent asks
//	end +LONG                    the track goes on so long (1.5 s)
//
// With "greeting!", "answer!" and "check-in!" the line is expected to be cut. What is said without a line of the agent between is one
// turn. WHEN is +LONG, after the end of what was before; in LONG, after the beginning of the agent's last line; at LONG,
// on the track.
//
// Where the agent's lines lie is not known when the track is made, for that is the agent's to decide. The composer takes
// them to begin [Reply] after the caller's turn and to last [Pace] a character, and the tests tell how far that was off.
package dialogs
