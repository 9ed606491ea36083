package caller

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"parley/media"
)

// keyFrames is how long a key is held, in packets, and keyEnds how often its end is told.
const (
	keyFrames = 5
	keyEnds   = 3
)

// key is a key being pressed.
type key struct {
	code uint8
	pt   uint8
	step int
	time uint32 // RTP, of its first packet
	done chan struct{}
}

// ErrNoKeys says that the server takes no keys: it did not answer with telephone-event.
var ErrNoKeys = errors.New("the server takes no keys of a telephone")

// Press presses a key of a telephone for 100 ms, 0 to 9, *, #, or A to D, and returns when all of it has been sent. Its
// packets take the place of the voice's (RFC 4733). It waits for a Say or a Press under way.
func (c *Caller) Press(ctx context.Context, name rune) error {
	code := strings.IndexRune("0123456789*#ABCD", name)
	if code < 0 {
		return fmt.Errorf("press %q: no telephone has such a key", name)
	}
	pt := c.call.Audio().Events
	if pt == 0 {
		return fmt.Errorf("press %q: %w", name, ErrNoKeys)
	}
	m := c.mouth
	select {
	case m.floor <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-m.floor }()
	k := &key{code: uint8(code), pt: pt, done: make(chan struct{})}
	m.mu.Lock()
	m.key = k
	m.mu.Unlock()
	select {
	case <-k.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// dial puts the key that is pressed, if there is one, in place of p's sound.
func (m *mouth) dial(p *media.Packet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.key
	if k == nil {
		return
	}
	if k.step == 0 {
		k.time = p.Time
	}
	p.Marker, p.PT, p.Time = k.step == 0, k.pt, k.time
	p.Payload = k.payload(m.voice.ticks(min(k.step+1, keyFrames)))
	if k.step++; k.step == keyFrames+keyEnds-1 {
		m.key = nil
		close(k.done)
	}
}

// payload is the event of RFC 4733, 2.3: the end is set in the last packets, which all have the same length.
func (k *key) payload(length uint32) []byte {
	const end, volume = 0x80, 10
	b := []byte{k.code, volume, 0, 0}
	if k.step >= keyFrames-1 {
		b[1] |= end
	}
	binary.BigEndian.PutUint16(b[2:], uint16(length))
	return b
}
