// Package line is the audio of one call, both ways: [Up] makes the packets that came from the caller into
// frames for a recognizer, [Down] makes the frames of a Playout into packets for the caller.
//
// Samples exist only on the inner side of this package, packets only on the outer. Neither direction has
// a goroutine of its own: Up works in the loop that reads its frames, Down in the Playout that writes to it.
//
// Up gives one continuous row of 20 ms frames, whatever the network and the sender's packet length do: what is missing
// is concealed and marked. Down spends nothing on silence but what keeps the path and the
// listener's decoder in order; see [Down.Write].
//
// # Rates
//
// A call has one codec. Opus is decoded and encoded at the rate of the frames; G.722, PCMU and PCMA have rates of their own,
// and there a stateful filter for each direction stands between, which delays the sound by 6 ms (PCMU, PCMA) or
// 3 ms (G.722) and no frame. RTP time is in units of the codec's clock.
//
// # Two clocks
//
// The jitter buffer's timeline is on the sender's clock, frames are on the session's: turns are taken by the difference of a
// frame's At and now. What lies between is measured, as the least delay of a packet in the last one to two seconds, and made good
// one frame at a time when it has become more than half a frame, 12 ms: at once where nothing is heard, by a frame of silence
// more or less; in sound by reading it 0.2 % slower or faster for ten seconds (3.4 cents, with cubic interpolation, level
// within 0.4 dB up to 3 kHz at 16 kHz). Between corrections samples pass as they are. A clock that is 500 ppm off is followed within
// 14 ms, without a click, and jitter that leaves one packet in a second alone changes nothing. A whole frame rather than less,
// because after it packets and frames end together again and no sample waits for the packet after its own.
//
// # Keys
//
// The packets of a telephone-event are numbered with the sound but carry none. All of one press have one timestamp, so
// a press is told once, by whichever of them comes first; see [UpOptions].
//
// # Loss, and what is sent against it
//
// Up repairs by what the next packet has of the one before (Opus in-band FEC) or by what was heard last, which fades to
// silence from the 50th to the 60th millisecond. Down sends such copies from the next talk spurt on when the listener reports
// losses; see [Down.Write]. What lines of each kind of failure make of a conversation: go test -run 'TestFailureTable|TestProfiles' -v
// ./media/line.
package line
