package caller

import (
	"time"

	"parley/media"
)

// Wire is a call as it crosses the wire, for those who record it. Its times are those of Clock.
type Wire struct {
	Sent, Heard *media.Tap[media.Packet]
	// Controls has the RTCP of both sides; what the server sent is marked Up, as it came from the peer.
	Controls  *media.Tap[media.Control]
	Clock     func() time.Duration // zero is when the call was made
	Connected time.Duration        // on Clock: zero of all other times of this package
	Events    uint8                // payload type of the packets of keys; 0: the server takes none
}

// Wire begins to tap the call; each tap holds up to depth items and then loses the newest. Taps that are not read must be
// closed.
func (c *Caller) Wire(depth int) Wire {
	return Wire{
		Sent:      c.call.Down().Tap(depth, media.DropNewest),
		Heard:     c.call.Up().Tap(depth, media.DropNewest),
		Controls:  c.call.Controls().Tap(depth, media.DropNewest),
		Clock:     c.call.Now,
		Connected: c.connected,
		Events:    c.call.Audio().Events,
	}
}
