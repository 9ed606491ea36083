// Package edge finds where speech begins and ends in a track: the ruler of response times, interruptions and pauses. It is
// arithmetic on samples, the same for the same samples, without a model; it cannot tell speech from other sound that is as
// loud.
//
// # The algorithm, version 1
//
//   - A high-pass filter (Butterworth, second order, 80 Hz) takes rumble, hum and offset away.
//   - Each hop of 10 ms has a level, the power of its samples in dBFS. So that no two hops of one pitch period differ for that
//     alone, floor and loudness are looked for in the mean of five hops.
//   - The noise floor adapts: it is the larger of the least level in the three seconds before a hop and of the least in the three
//     seconds after it. So a noise that begins or ends, as with a call, is no speech, and speech that goes on is no noise:
//     within three seconds it has a closure. Beyond the ends of the track it is silent, and no noise is louder than −26 dBFS: a
//     tone that goes on for longer is heard if it is louder than −18.
//   - Loudness is the greatest level within three seconds.
//   - Speech begins where the level reaches the greatest of the floor + 8 dB, the loudness − 34 dB and −62 dBFS, and ends where
//     it falls 3 dB below that: the hysteresis. What lasts under 20 ms does not count.
//   - Gaps shorter than [Gap] are closed; a span in which less than 50 ms are loud is a click.
//   - Each edge is then put on the 2 ms of its hop, or of one next to it, at which the level is first or last reached; of an end
//     in the samples filtered backward, since the filter rings for 10 ms behind what stops at once.
//
// # Its error
//
// Of human speech whose edges are where it passes −45 dBFS, 25 dB under its mean: 95 % within 8 ms, behind Opus within 10 ms (its
// delay of 2.5 ms included), with its voice modes within 14 (6.5 ms). Noise hides what is softer than it: 20 dB under the speech
// half of the edges are within 11 ms and 95 % within 140, most of them the ends of words that fade. go test -run TestError -v
// ./agent/replay/edge tells it anew, and parley calibrate of whole calls.
package edge
