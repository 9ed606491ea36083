package jitter

import (
	"time"

	"parley/media"
)

// Kind is what to do with an [Item].
type Kind uint8

// The kinds of items.
const (
	Play    Kind = iota // decode Packet
	Conceal             // make sound up: from the redundancy in Next if that is set, else from what came before
	Silence             // no sound
)

// Item is the next piece of the timeline. Items follow each other without a gap: each begins where the one before
// ended.
type Item struct {
	Kind     Kind
	At       time.Duration // where it begins, on the session clock; the first is the first packet's arrival
	Duration time.Duration // positive, a multiple of 2.5 ms; of concealed sound at most 60 ms in a row, of silence at most 1 s
	Skip     time.Duration // Play: leave out this much of the packet's beginning, it has been concealed
	Lost     bool          // sound was sent or expected here and is not here; false for a pause of the sender
	Packet   media.Packet  // Play only
	Next     []byte        // Conceal only: payload of the packet after this, which carries this piece again
}

// Stats counts what a Buffer met. Received is the sum of Played, Late, Duplicated, Overflowed, Ignored
// and what is held or on probation.
type Stats struct {
	Received   uint64 // packets pushed
	Played     uint64
	Lost       uint64 // not there at their deadline; one that comes later counts here and in Late
	Late       uint64 // came after their place had been concealed; dropped
	Duplicated uint64 // came again; dropped
	Overflowed uint64 // found the buffer full; dropped
	Ignored    uint64 // without audio, or strays that no second packet confirmed
	Recovered  uint64 // pieces concealed by redundancy
	Restarts   uint64 // sequence restarts, SSRC changes, jumps of the sender's clock, route changes

	Concealed time.Duration // sound made up without redundancy
	Silenced  time.Duration // silence in place of sound
	Paused    time.Duration // silence of the sender
	Depth     time.Duration // what a missing packet is now waited for beyond its expected arrival
}
