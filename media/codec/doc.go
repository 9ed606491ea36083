// Package codec turns Opus packets into mono 16-bit samples and back.
//
// A [Decoder] reads whatever a sender chose (any mode, one or two channels, 2.5 to 120 ms a packet, changing from
// packet to packet) and gives mono at its own rate, so a recognizer at 16 kHz needs no resampler. An [Encoder] takes
// speech at 8, 12, 16, 24 or 48 kHz. [PacketDuration] and [HasFEC] read a packet's first bytes without decoding it.
//
// # How a talk spurt ends
//
// Encode frames of silence after the last frame of speech, twelve of them, then send the packet of [Encoder.Quiet], then
// nothing but one encoded silent frame every 400 ms. A listener's decoder conceals what is missing from what it
// heard last, so a Quiet packet straight after speech makes it go on with noise. Begin the next spurt with
// [Encoder.Reset].
//
// The package is the only one that imports libopus (by github.com/hraban/opus, which reads and writes up to the
// capacity of a slice, not its length; nothing of that shows here).
package codec
