// Package resample changes the rate of a stream of mono 16-bit samples.
//
// A [Resampler] is a polyphase filter: a sinc under a Kaiser window (J. O. Smith, "Digital Audio Resampling"), sampled
// once for each place that an output sample can have between two input samples. It is flat within 0.01 dB to 90 % of the lower of
// the two Nyquist frequencies and, from that frequency on, 72 dB down: aliases and images are below −70 dB. Its phase is
// linear and its delay taken out: output sample n is the sound at n/to seconds of the input.
//
// It has state: use one for each stream and never one for each frame. When the rate or the channels change in
// mid-stream, Flush the old one and go on with a new one. At its two ends a stream is continued by its own reflection, not by
// silence, so pieces joined this way do not click.
package resample
