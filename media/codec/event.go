package codec

import (
	"encoding/binary"
	"fmt"
)

// Event is one report of a telephone-event (RFC 4733 section 2.3): a key pressed, or another signal of the telephone
// network. A sender repeats the report while the event lasts, with one RTP timestamp, and the last one three times.
type Event struct {
	Code     uint8  // what it is: section 3.2 and the registry of IANA; see [Event.Key]
	End      bool   // the event is over
	Volume   uint8  // −dBm0 of a tone, 0 to 63
	Duration uint16 // so far, in units of the RTP clock
}

// eventBytes is the length of one report.
const eventBytes = 4

// ParseEvent reads the payload of one telephone-event packet. Bytes beyond the first report are not read. A payload too
// short for one is an error.
func ParseEvent(payload []byte) (Event, error) {
	if len(payload) < eventBytes {
		return Event{}, fmt.Errorf("parse telephone-event: %d bytes, want %d", len(payload), eventBytes)
	}
	return Event{
		Code:     payload[0],
		End:      payload[1]&0x80 != 0,
		Volume:   payload[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, nil
}

// keys are the events of section 3.2 that a telephone's keypad makes, in the order of their codes.
const keys = "0123456789*#ABCD"

// Key is the key of a keypad that was pressed: a digit, '*', '#', or 'A' to 'D'. ok is false for any other event.
func (e Event) Key() (key rune, ok bool) {
	if int(e.Code) >= len(keys) {
		return 0, false
	}
	return rune(keys[e.Code]), true
}
