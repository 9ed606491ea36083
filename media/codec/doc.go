// Package codec turns packets into mono 16-bit samples and back: Opus, and the codecs of the telephone network, G.722
// and both laws of G.711 (PCMU, PCMA).
//
// [NewDecoder] and [NewEncoder] make a [Decoder] and an [Encoder] of any of them; [Rate] says for how many samples a
// second, and [Duration] how long a packet lasts, without decoding it.
//
// # Opus
//
// An [OpusDecoder] reads whatever a sender chose (any mode, one or two channels, 2.5 to 120 ms a packet, changing from
// packet to packet) and gives mono at its own rate, so a recognizer at 16 kHz needs no resampler. An [OpusEncoder] takes
// speech at 8, 12, 16, 24 or 48 kHz. [PacketDuration] and [HasFEC] read a packet's first bytes. The package is the only
// one that imports libopus (by github.com/hraban/opus, which reads and writes up to the capacity of a slice, not its
// length; nothing of that shows here).
//
// How a talk spurt ends: encode frames of silence after the last frame of speech, twelve of them, then send the packet
// of [OpusEncoder.Quiet], then nothing but one encoded silent frame every 400 ms. A listener's decoder conceals what is
// missing from what it heard last, so a Quiet packet straight after speech makes it go on with noise. Begin the next
// spurt with Reset.
//
// # G.711 and G.722
//
// They have 64 kbit/s, a byte an eighth of a millisecond: 8,000 samples a second of G.711 or 16,000 of G.722, whose RTP
// clock says 8,000 all the same. They are written from the recommendations of ITU-T. Every code of G.711 is the sample
// that it is for ffmpeg, and every sample the same code, but for 512 (504 of A-law) of 65,536 next to the ends of the
// segments, where the recommendation's decision value is not the middle that ffmpeg takes. G.722 is that of ffmpeg to
// the bit, both ways; encoder and decoder together delay the sound by 22 samples (1.4 ms). After lost packets its
// decoder differs from one that lost none, after 200 ms by -30 dB, after 400 ms by nothing.
//
// Neither can say that a pause begins (no DTX) or repeat a frame (no FEC). A hole is filled with the last 5 to 15 ms,
// the distance at which the sound before it resembles itself most, without a step at the hole's beginning; the 5 ms
// after it are blended. Of human speech 20 ms so guessed have the right loudness within 1.8 dB (median), and bend at
// their ends hardly more sharply than the speech does there.
//
// On one core of a cloud server 20 ms take: G.711 0.4 µs to encode and 0.1 µs to decode, G.722 18 µs and 15 µs; to begin
// filling a hole takes 5 µs and 30 µs (go test -bench 'Phone|Conceal' ./media/codec). For Opus see its types.
//
// # Keys
//
// [ParseEvent] reads the packets by which a caller's telephone reports its keys (telephone-event, RFC 4733).
package codec
