package caller

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Packet is a packet of sound that crossed the wire.
type Packet struct {
	At    time.Duration // when it was sent or arrived
	Place time.Duration // of its first sample, by RTP time
	Long  time.Duration
	Level float64 // dBFS, of its loudest 20 ms
}

// Message is a text message of the server.
type Message struct {
	At   time.Duration // of its arrival
	Type string        // the field "type", if it is a JSON object that has one
	Raw  []byte

	state string
}

func newMessage(at time.Duration, raw []byte) Message {
	var known struct{ Type, State string }
	if json.Unmarshal(raw, &known) != nil { // any text may come
		known.Type, known.State = "", ""
	}
	return Message{At: at, Type: known.Type, Raw: raw, state: known.State}
}

// Stats count packets received.
type Stats struct {
	Received  int64
	Lost      int64  // numbers that never came: a listener would have concealed them
	Reordered int64  // came after a later one
	Restarts  int64  // the stream began anew
	Invalid   int64  // not Opus
	Overrun   uint64 // came faster than they could be decoded here
}

// record is all that happened in a call, as far as there is room.
type record struct {
	mu       sync.Mutex
	out, in  []Packet
	messages []Message
	state    Message // the latest of type state
	audible  Packet  // the latest audible packet received
	stats    Stats
}

// The bounds of the record: an hour of packets each way. What comes later is used but not remembered.
const (
	maxPackets  = 180_000
	maxMessages = 10_000
)

func (r *record) sent(p Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.out) < maxPackets {
		r.out = append(r.out, p)
	}
}

func (r *record) heard(p Packet, s Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.in) < maxPackets {
		r.in = append(r.in, p)
	}
	if p.Level > Audible {
		r.audible = p
	}
	t := &r.stats
	t.Received, t.Lost, t.Reordered = t.Received+s.Received, t.Lost+s.Lost, t.Reordered+s.Reordered
	t.Restarts, t.Invalid, t.Overrun = t.Restarts+s.Restarts, t.Invalid+s.Invalid, s.Overrun
}

func (r *record) message(m Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.messages) < maxMessages {
		r.messages = append(r.messages, m)
	}
	if m.Type == "state" {
		r.state = m
	}
}

// Sent is a copy of what was sent from a time on, in order.
func (c *Caller) Sent(from time.Duration) []Packet {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return slices.Clone(since(c.log.out, from))
}

// Heard is a copy of what was received from a time on, in order of arrival.
func (c *Caller) Heard(from time.Duration) []Packet {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return slices.Clone(since(c.log.in, from))
}

// Messages is a copy of the server's messages from a time on.
func (c *Caller) Messages(from time.Duration) []Message {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	i := len(c.log.messages)
	for i > 0 && c.log.messages[i-1].At >= from {
		i--
	}
	return slices.Clone(c.log.messages[i:])
}

// Stats may be read at any time.
func (c *Caller) Stats() Stats {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.log.stats
}

// since is the end of packets that begins at from; what is asked for is most often recent.
func since(packets []Packet, from time.Duration) []Packet {
	i := len(packets)
	for i > 0 && packets[i-1].At >= from {
		i--
	}
	return packets[i:]
}

// look is how often a wait looks. What is waited for has its own exact times.
const look = 10 * time.Millisecond

// wait returns when ready, or with ctx's cause.
func wait(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Until waits for a time of the call.
func (c *Caller) Until(ctx context.Context, at time.Duration) error {
	t := time.NewTimer(at - c.Now())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Answer waits for the first audible packet that arrives after a time.
func (c *Caller) Answer(ctx context.Context, after time.Duration) (p Packet, err error) {
	err = wait(ctx, func() (ok bool) {
		p, ok = FirstAudible(c.Heard(after), after)
		return ok
	})
	return p, err
}

// Expect waits for the first message of a type that arrives at or after a time.
func (c *Caller) Expect(ctx context.Context, kind string, from time.Duration) (m Message, err error) {
	err = wait(ctx, func() bool {
		all := c.Messages(from)
		i := slices.IndexFunc(all, func(m Message) bool { return m.Type == kind })
		if i >= 0 {
			m = all[i]
		}
		return i >= 0
	})
	return m, err
}

// How long it must be silent until the agent has finished: with its word that it listens, and without.
const (
	quietTold   = 300 * time.Millisecond
	quietUntold = 1500 * time.Millisecond
)

// Finished waits until the agent has said what it had to say: it is silent, and listens if it tells what it does.
func (c *Caller) Finished(ctx context.Context) error {
	return wait(ctx, func() bool {
		c.log.mu.Lock()
		defer c.log.mu.Unlock()
		quiet := c.Now() - c.log.audible.At
		if c.log.state.Type == "" {
			return quiet >= quietUntold
		}
		return quiet >= quietTold && c.log.state.state == "listening"
	})
}
