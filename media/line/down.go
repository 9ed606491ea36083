package line

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"parley/media"
	"parley/media/codec"
)

const (
	tail      = 12                                                // frames of silence that are really encoded after speech
	keepalive = int(400 * time.Millisecond / media.FrameDuration) // frames from one packet to the next in a pause
	noSound   = 127                                               // the level of silence, −dBov
)

// Down turns frames into packets and sends them.
type Down struct {
	enc   *codec.OpusEncoder
	send  func(media.Packet)
	pcm   []int16 // the frame
	buf   [codec.MaxPayload]byte
	seq   uint16
	time  uint32 // at zero of the session clock
	quiet int    // frames of silence written since speech ended

	mu    sync.Mutex
	stats DownStats
}

// DownStats counts what went down a line.
type DownStats struct {
	Packets uint64
	Bytes   uint64 // of payload
	Spurts  uint64 // talk spurts begun
	Failed  uint64 // frames that the encoder refused; nothing was sent for them
	Audible bool   // the last packet was speech
	Level   int8   // of the last packet, −dBov: 0 is the loudest, 127 silence
}

// DownOptions say what goes down a line.
type DownOptions struct {
	Rate  int         // of the frames, in samples a second: 8000, 12000, 16000, 24000 or 48000
	Codec media.Codec // of the packets
	// Send gets each packet within Write; it fills in At, SSRC and PT and must not block. It may keep the payload.
	Send func(media.Packet)
	// Loss is the share of our packets that the listener reports lost, 0 to 1, asked at the beginning of a talk
	// spurt. Nil: none.
	Loss func() float64
}

// NewDown makes a Down.
func NewDown(o DownOptions) (*Down, error) {
	enc, err := codec.NewOpusEncoder(o.Rate, codec.EncoderOptions{})
	if err != nil {
		return nil, fmt.Errorf("make downlink: %w", err)
	}
	return &Down{
		enc:   enc,
		send:  o.Send,
		pcm:   make([]int16, samples(media.FrameDuration, o.Rate)),
		seq:   uint16(rand.Uint32N(1 << 15)), // low: SRTP must not see an early wrap that it may have missed
		time:  rand.Uint32(),
		quiet: tail + keepalive, // a call begins in a pause, with a packet at once
	}, nil
}

// Write sends what f needs sent. It is called for every 20 ms of the call, by one goroutine. A frame without
// samples is silence; one of less than 20 ms is filled up with silence, of a longer one the rest is left out.
//
// Speech is one packet a frame. The first of a talk spurt has the marker and comes from a reset encoder, so
// that it depends on nothing sent before. After speech twelve frames of silence are really encoded, which calms the
// listener's decoder, then one packet of one byte announces the pause (DTX), and from there one encoded frame of silence
// every 400 ms keeps the path open, each with such a packet behind it: without, a browser takes what does not come for
// lost and conceals it (3 to 5 % of a call). RTP time follows f.At; numbers count packets.
func (d *Down) Write(f media.Frame) {
	n := copy(d.pcm, f.PCM)
	clear(d.pcm[n:])
	switch pause := d.quiet - tail; {
	case n > 0:
		d.speak(f.At)
		return
	case pause < 0, pause > 0 && pause%keepalive == 0:
		d.encode(f.At, noSound, false)
	case pause == 0, pause%keepalive == 1 && pause > 1:
		d.emit(media.Packet{Time: d.clock(f.At), Level: noSound, Payload: d.buf[:d.enc.Quiet(d.buf[:])]})
	}
	d.quiet++
}

// speak sends the frame as speech. With a network that loses much, this is where another encoder would take over: only
// between spurts can a listener's decoder follow without a seam.
func (d *Down) speak(at time.Duration) {
	first := d.quiet > 0
	d.quiet = 0
	if first && d.enc.Reset() != nil {
		d.count(func(s *DownStats) { s.Failed++ })
	}
	d.encode(at, level(d.pcm), first)
}

func (d *Down) encode(at time.Duration, level int8, marker bool) {
	n, err := d.enc.Encode(d.pcm, d.buf[:])
	if err != nil {
		d.count(func(s *DownStats) { s.Failed++ })
		return
	}
	d.emit(media.Packet{Time: d.clock(at), Marker: marker, Level: level, Payload: d.buf[:n]})
}

// emit numbers the packet, gives it a payload of its own and sends it.
func (d *Down) emit(p media.Packet) {
	p.Seq = d.seq
	p.Payload = slices.Clone(p.Payload)
	d.seq++
	d.count(func(s *DownStats) {
		s.Packets++
		s.Bytes += uint64(len(p.Payload))
		s.Level, s.Audible = p.Level, d.quiet == 0
		if p.Marker {
			s.Spurts++
		}
	})
	d.send(p)
}

// clock is the RTP time of a place on the session clock.
func (d *Down) clock(at time.Duration) uint32 {
	const kilohertz = media.ClockRate / 1000
	return d.time + uint32(at.Microseconds()*kilohertz/1000)
}

func (d *Down) count(f func(*DownStats)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.stats)
}

// Stats returns the counters. Safe from any goroutine.
func (d *Down) Stats() DownStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

// level is the loudness of a frame in −dBov as RFC 6464 has it: 0 is a full-scale square wave.
func level(pcm []int16) int8 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return noSound
	}
	rms := math.Sqrt(sum/float64(len(pcm))) / -math.MinInt16
	return int8(min(max(-20*math.Log10(rms), 0), noSound))
}
