package bench

import (
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"parley/internal/netsim"
	"parley/media"
	"parley/media/codec"
	"parley/media/line"
)

const (
	browserRate = 48000
	browserBits = 32000
	netTick     = 2500 * time.Microsecond // how exactly a frame's time is known that no packet brought
	netTail     = media.FrameDuration     // of the call, after the last packet could come
	netDepth    = 64                      // packets that may come at one time
)

// carried is what came out of a line.
type carried struct {
	sent   int // packets
	lost   int // of these in the network
	first  int // the number of the packet that came first
	frames []carriedFrame
	up     line.UpStats
}

// carriedFrame is one frame, with its own samples.
type carriedFrame struct {
	pcm   []int16
	out   time.Duration // since the first packet was sent
	added time.Duration // behind the sending of its packet and the network's least delay
	depth time.Duration // what the line would wait for an overtaken packet then
	lost  bool          // some of it was made up
}

// carry encodes pcm as a browser does, takes it through a network and a line, and gives the frames that a recognizer
// would get. The encoder expects the loss of the network, as receiver reports would tell it to.
func carry(pcm []int16, p netsim.Profile, seed uint64) (carried, error) {
	enc, err := codec.NewOpusEncoder(browserRate, codec.EncoderOptions{Bitrate: browserBits, Complexity: 9, Voice: true, Loss: int(math.Ceil(100 * p.Loss.Share))})
	if err != nil {
		return carried{}, fmt.Errorf("encode speech: %w", err)
	}
	up, err := line.NewUp(line.UpOptions{Rate: media.ListenRate})
	if err != nil {
		return carried{}, fmt.Errorf("receive speech: %w", err)
	}
	c := carried{first: -1}
	var flying packets
	var buf [codec.MaxPayload]byte
	for frame := range slices.Chunk(pcm, browserRate/50) {
		n, err := enc.Encode(frame, buf[:])
		if err != nil {
			return carried{}, fmt.Errorf("encode speech: %w", err)
		}
		at := time.Duration(c.sent) * media.FrameDuration
		fate := p.Fate(seed, netsim.Up, int64(c.sent), at)
		if fate.Lost {
			c.lost++
		} else {
			heap.Push(&flying, media.Packet{At: at + fate.Delay, Seq: uint16(c.sent), Time: uint32(c.sent * len(frame)), Payload: slices.Clone(buf[:n]), Level: -1})
		}
		c.sent++
	}
	c.receive(up, flying, p.Base)
	return c, nil
}

// receive lets the line live through its packets, tick by tick.
func (c *carried) receive(up *line.Up, flying packets, base time.Duration) {
	var relay media.Relay[media.Packet]
	tap := relay.Tap(netDepth, media.DropNewest)
	var now time.Duration
	frames := up.Frames(func() time.Duration { return now }, tap)
	live := func() {
		for f := range frames(&patience{}) {
			sent := time.Duration(c.first+len(c.frames)) * media.FrameDuration
			c.frames = append(c.frames, carriedFrame{pcm: slices.Clone(f.PCM), out: now, added: now - sent - base, depth: up.Stats().Depth, lost: f.Lost})
		}
	}
	end := time.Duration(c.sent)*media.FrameDuration + base + netTail
	for tick := time.Duration(0); tick < end; tick += netTick {
		for len(flying) > 0 && flying[0].At <= tick {
			p := heap.Pop(&flying).(media.Packet)
			if c.first < 0 {
				c.first = int(p.Seq)
			}
			now = p.At
			relay.Send(p)
			live()
		}
		now = tick
		live()
	}
	relay.Close()
	c.up = up.Stats()
}

// delays are those of all frames.
func (c *carried) delays() (all figures) {
	for _, f := range c.between(0, time.Hour) {
		all = append(all, f.added)
	}
	return all
}

// concealed is the share of frames that hold sound which was made up, or silence in place of sound.
func (c *carried) concealed() float64 {
	all := c.between(0, time.Hour)
	n := 0
	for _, f := range all {
		if f.lost {
			n++
		}
	}
	return float64(n) / float64(max(1, len(all)))
}

// settled is for each outage how long after it the line was back at what it was before the first: no frame later, as exactly
// as that is known, and no longer wait for an overtaken one.
func (c *carried) settled(p netsim.Profile) (all []time.Duration) {
	before := c.between(0, p.Outage.First)
	floor, depth := netTick, time.Duration(0)
	for _, f := range before {
		floor, depth = max(floor, f.added+netTick), max(depth, f.depth)
	}
	for from := p.Outage.First; ; from += p.Outage.Every {
		to := from + p.Outage.Long
		after := c.between(to, from+p.Outage.Every)
		if p.Outage.Every == 0 {
			after = c.between(to, time.Hour)
		}
		late := time.Duration(0)
		for i, f := range after {
			if f.added > floor || f.depth > depth {
				late = time.Duration(i+1) * media.FrameDuration
			}
		}
		if len(after) > 0 {
			all = append(all, late)
		}
		if len(after) == 0 || p.Outage.Every == 0 {
			return all
		}
	}
}

// between are the frames whose packets were sent from a time to another.
func (c *carried) between(from, to time.Duration) []carriedFrame {
	index := func(t time.Duration) int {
		return max(0, min(len(c.frames), c.sent-c.first, int(t/media.FrameDuration)-c.first))
	}
	return c.frames[index(from):max(index(from), index(to))]
}

// packets are in flight: a heap by time of arrival.
type packets []media.Packet

func (p packets) Len() int           { return len(p) }
func (p packets) Less(i, j int) bool { return p[i].At < p[j].At }
func (p packets) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *packets) Push(v any)        { *p = append(*p, v.(media.Packet)) }
func (p *packets) Pop() any {
	v := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return v
}

// patience is a context that is done once somebody would wait for it: who runs under it does what is due, and no
// more. The wait itself then is for whoever owns the clock.
type patience struct{ gone bool }

func (*patience) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*patience) Value(any) any               { return nil }
func (p *patience) Done() <-chan struct{} {
	p.gone = true
	c := make(chan struct{})
	close(c)
	return c
}
func (p *patience) Err() error {
	if p.gone {
		return context.Canceled
	}
	return nil
}
