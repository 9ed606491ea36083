package line

import (
	"time"

	"parley/media"
	"parley/media/codec"
)

const (
	segment = 1<<16 - 1       // the longest duration an event packet can tell; a longer press goes on with a timestamp this much later
	recent  = 2 * time.Second // packets of a press come again within this
)

// keys finds the presses in the packets of a telephone-event (RFC 4733). All packets of a press have the timestamp of its
// beginning; each of them may be lost, late or there twice.
type keys struct {
	digit func(at time.Duration, key rune) // may be nil
	last  media.Packet                     // the newest of the newest press
	event codec.Event                      // what it said
	any   bool
}

// hear takes a packet and reports whether it tells of a new press, which is given to digit.
func (k *keys) hear(p media.Packet) bool {
	e, err := codec.ParseEvent(p.Payload)
	if err != nil {
		return false
	}
	ahead := int32(p.Time - k.last.Time)
	goesOn := false
	if k.any && p.SSRC == k.last.SSRC {
		switch {
		case ahead == 0:
			k.event.End = k.event.End || e.End
			k.last.At = p.At
			return false
		case ahead < 0 && p.At-k.last.At < recent:
			return false // of an earlier press
		}
		goesOn = ahead > 0 && ahead%segment == 0 && e.Code == k.event.Code && !k.event.End
	}
	k.any, k.last, k.event = true, p, e
	key, ok := e.Key()
	if !ok || goesOn {
		return false
	}
	if k.digit != nil {
		k.digit(p.At, key)
	}
	return true
}
