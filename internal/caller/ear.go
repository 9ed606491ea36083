package caller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
)

const (
	upDepth   = 256              // packets that may wait to be decoded
	placeSlip = 10 * time.Second // RTP time this far from arrival begins a new count
)

// ear decodes what arrives and places it by RTP time.
type ear struct {
	decoder codec.Decoder
	rate    int // of what it decodes
	clock   time.Duration
	wide    *widener
	pcm     []int16

	ssrc    uint32
	started bool
	time    uint32        // RTP, of the packet placed last
	place   time.Duration // of that packet
	top     uint16        // highest sequence number
}

func newEar(c media.Codec, each func(int64, []int16)) (*ear, error) {
	rate := codec.Rate(c, Rate)
	dec, err := codec.NewDecoder(c, rate)
	if err != nil {
		return nil, fmt.Errorf("prepare ear: %w", err)
	}
	e := &ear{decoder: dec, rate: rate, clock: time.Duration(c.Clock()), pcm: make([]int16, int(codec.MaxDuration/time.Millisecond)*rate/1000)}
	if each != nil {
		e.wide = newWidener(rate, each)
	}
	return e, nil
}

// listen hears until the call ends.
func (c *Caller) listen(up *media.Tap[media.Packet]) {
	for _, p := range up.All(context.Background()) { // the relay ends with the call
		p.At -= c.connected
		heard, stats := c.ear.hear(p)
		stats.Overrun = up.Dropped()
		c.log.heard(heard, stats)
	}
	c.ear.wide.end()
}

// hear decodes one packet. A packet that is not audio is silent and counted.
func (e *ear) hear(p media.Packet) (Packet, Stats) {
	stats := e.follow(p)
	n, err := e.decoder.Decode(p.Payload, e.pcm)
	if err != nil {
		stats.Invalid++
	}
	pcm := e.pcm[:n]
	e.wide.hear(int64(e.place)*int64(e.rate)/int64(time.Second), pcm)
	return Packet{At: p.At, Place: e.place, Long: media.Samples(n, e.rate), Level: loudest(pcm, e.rate/50)}, stats
}

// follow finds the packet's place from its timestamp, and the holes before it from its number.
func (e *ear) follow(p media.Packet) (s Stats) {
	s.Received = 1
	place := e.place + time.Duration(int32(p.Time-e.time))*time.Second/e.clock
	if slip := place - p.At; !e.started || p.SSRC != e.ssrc || slip > placeSlip || slip < -placeSlip {
		if e.started {
			s.Restarts = 1
		}
		e.started, e.ssrc, e.top, place = true, p.SSRC, p.Seq, p.At
	}
	e.time, e.place = p.Time, place
	switch step := int16(p.Seq - e.top); {
	case step > 0:
		s.Lost = int64(step) - 1
		e.top = p.Seq
	case step < 0:
		s.Lost = -1 // it was taken for lost
		s.Reordered = 1
	}
	return s
}

// loudest is the level of the loudest 20 ms.
func loudest(pcm []int16, frame int) float64 {
	level := wav.Level(nil)
	for part := range slices.Chunk(pcm, frame) {
		level = max(level, wav.Level(part))
	}
	return level
}

// Recording keeps what is heard: its Hear is an [Options].Hear. The zero value is ready. Safe for concurrent use.
type Recording struct {
	mu  sync.Mutex
	pcm []int16
}

// maxRecording bounds a Recording: ten minutes. What comes later is not kept.
const maxRecording = 600 * Rate

// Hear puts pcm at its place.
func (r *Recording) Hear(at int64, pcm []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := min(int(at)+len(pcm), maxRecording)
	if more := end - len(r.pcm); more > 0 {
		r.pcm = append(r.pcm, make([]int16, more)...)
	}
	if int(at) < end {
		copy(r.pcm[at:], pcm)
	}
}

// Between is a copy of what was heard from one time to another, holes silent, as far as it was heard.
func (r *Recording) Between(from, to time.Duration) []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	place := func(t time.Duration) int { return max(0, min(len(r.pcm), int(t*Rate/time.Second))) }
	return slices.Clone(r.pcm[place(from):max(place(from), place(to))])
}
