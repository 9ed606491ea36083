// Package line is the audio of one call, both ways: [Up] makes the packets that came from the caller into
// frames for a recognizer, [Down] makes the frames of a Playout into packets for the caller.
//
// Samples exist only on the inner side of this package, packets only on the outer. Neither direction has
// a goroutine of its own: Up works in the loop that reads its frames, Down in the Playout that writes to it.
//
// Up gives one continuous row of 20 ms frames, whatever the network and the sender's packet length do: what is missing
// is concealed and marked. Down spends nothing on silence but what keeps the path and the
// listener's decoder in order; see [Down.Write].
package line
