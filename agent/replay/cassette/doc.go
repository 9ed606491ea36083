// Package cassette keeps what the engines of a conversation were asked and what they answered, and when, and plays it
// again as engines.
//
// A [Sink] wraps a recognizer, a model and a voice and changes nothing of what they do: it writes lines, and what the voice
// said as blobs. [Read] finds them in a bundle; a [Cassette] is then the same engines without the providers. All waiting
// is done with package time, so in a testing/synctest bubble it takes none.
//
// # The tape
//
// A line is one JSON object and its time is that of the entry it lies in ([record.Tape]). Beside "engine" ("stt", "llm" or
// "tts") and "stream", which counts the calls of that engine in this conversation from 1, it has one more field, which says
// what happened:
//
//	open     a call began. v: the format's number, 1. Of a model also print, its request's fingerprint, and request: system,
//	         messages (role, text, calls, callID), tools, max. A request too long for a line is left out; print stays
//	flush    the recognizer was given a frame, at this place of its input, that asks for a Final
//	phrase   the voice was given this text
//	delta    the model wrote: text, call, usage or end; after
//	result   the recognizer heard: kind, text, start, end, words; heard, the end of the newest frame it had been given; after,
//	         counted from when it was given that frame
//	sound    the voice made samples at a rate, which say words; after
//	spoken   the samples that are gathered of a phrase: samples, blob; whole: the voice asked for the next phrase. A phrase has
//	         several if it is long. Without a blob the sound was not kept
//	end      the call ended: error and class ("auth", "quota", "bad request", "unavailable", "truncated") if it failed; cut if its
//	         caller ended it, so that more would have come; heard of a recognizer; after
//
// All times are nanoseconds. Places are on the timeline that the engine's contract names. After is how long the engine took:
// from the moment it could go on (it was called, its consumer came back for more, it was given a phrase) to this line.
// Arguments and parameters, which are JSON themselves, are strings. The text of an error is at most 300 bytes.
//
// A fingerprint is the SHA-256 of the request as JSON, with every run of white space in its texts made one space.
//
// A blob is the samples of a phrase, without loss: "pcm1", their number (uvarint), then of each sample what it differs by from
// the line through the two before it (Shorten's second predictor, Robinson 1994), folded so that small numbers of both
// signs are small (0, −1, 1, −2 … become 0, 1, 2, 3 …): first the low bytes of all, then the high bytes. It is as long as the
// samples were; the bundle's DEFLATE then makes it two thirds of that.
//
// # Versions
//
// Readers skip fields and kinds of lines that they do not know, so both may be added. What changes the meaning of a field gets
// a new name or, if all of a call is concerned, the next v: calls of a v that is not known are left out and told of.
package cassette
