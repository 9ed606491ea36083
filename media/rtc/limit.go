package rtc

import "time"

// flood bounds what a peer may send.
type flood struct{}

// packet counts a packet of n bytes that came at now. take: it is within what is allowed. The error is ErrHostile's
// when the peer has gone on beyond it for so long that the call is to end.
func (f *flood) packet(now time.Duration, n int) (take bool, err error) { return true, nil }

// message is packet for a message of the data channel.
func (f *flood) message(now time.Duration, n int) (take bool, err error) { return true, nil }
