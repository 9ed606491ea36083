package rtc

import (
	"errors"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/pion/datachannel"
	"github.com/pion/webrtc/v4"
)

// The bounds of the data channel.
const (
	inboxDepth  = 64        // messages that wait for Messages; further ones are dropped
	outboxLimit = 256 << 10 // bytes that wait for the network; further messages are refused
	maxForeign  = 16        // channels that are not ours, after which the peer is taken for hostile
)

// channel is a call's data channel. It is opened once: further channels of the name are foreign.
type channel struct {
	opened  chan opened // handed from pion's callback to Run; room for one
	inbox   chan []byte // closed when Run ends
	out     atomic.Pointer[opened]
	taken   atomic.Bool // one channel of our name is there
	foreign atomic.Int32
}

type opened struct {
	dc  *webrtc.DataChannel
	raw datachannel.ReadWriteCloserDeadliner
}

func newChannel() *channel {
	return &channel{opened: make(chan opened, 1), inbox: make(chan []byte, inboxDepth)}
}

// adopt takes the first channel of our name and closes every other. It runs in pion's callback.
func (c *Call) adopt(dc *webrtc.DataChannel) {
	ch := c.channel
	if dc.Label() != Label || !ch.taken.CompareAndSwap(false, true) {
		_ = dc.Close() // it is marked closed; pion closes it as soon as it opens
		if ch.foreign.Add(1) > maxForeign {
			c.end(ErrHostile)
		}
		return
	}
	dc.OnOpen(func() {
		raw, err := dc.DetachWithDeadline()
		if err != nil {
			c.log.Error("data channel lost", slog.Any("err", err))
			return
		}
		o := opened{dc: dc, raw: raw}
		ch.out.Store(&o)
		ch.opened <- o // there is room: a call takes one channel
	})
}

// readMessages queues the channel's text messages until it is closed. What is not text is ignored, what is beyond the
// bounds of a peer dropped; a message over the limit closes the channel.
func (c *Call) readMessages(o opened) {
	defer c.channel.out.Store(nil)
	buf := make([]byte, messageLimit)
	for {
		n, text, err := o.raw.ReadDataChannel(buf)
		if err != nil {
			if errors.Is(err, io.ErrShortBuffer) {
				c.count.ignored.Add(1)
				c.log.Warn("data channel closed: a message is too long", slog.Int("limit", messageLimit))
			}
			_ = o.raw.Close() // it is over either way
			return
		}
		take, hostile := c.flood.message(c.Now(), n)
		if hostile != nil {
			c.end(hostile)
			return
		}
		if !take {
			continue
		}
		if !text {
			c.count.ignored.Add(1)
			continue
		}
		select {
		case c.channel.inbox <- append([]byte(nil), buf[:n]...):
		default:
			c.count.messages.Add(1)
		}
	}
}

// Post sends a text message. It is false, and counted, if the channel is not open, the message is over
// 16 KiB, or too much already waits for the network. Safe for concurrent use.
func (c *Call) Post(msg []byte) bool {
	o := c.channel.out.Load()
	if o == nil || len(msg) > messageLimit || o.dc.BufferedAmount()+uint64(len(msg)) > outboxLimit {
		c.count.posts.Add(1)
		return false
	}
	if _, err := o.raw.WriteDataChannel(msg, true); err != nil {
		c.count.posts.Add(1)
		return false
	}
	return true
}

// Open is whether the data channel is open: before, Post can only fail.
func (c *Call) Open() bool { return c.channel.out.Load() != nil }
