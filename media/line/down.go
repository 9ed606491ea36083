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
	voice voice
	conv  converter
	send  func(media.Packet)
	pcm   []int16 // the frame
	buf   [codec.MaxPayload]byte
	seq   uint16
	time  uint32        // at zero of the session clock
	end   time.Duration // of the last packet's sound, on that clock
	quiet int           // frames of silence written since speech ended

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
	Bitrate int    // of the encoder in use while there is speech, bits a second
	Voice   bool   // it is the one for lossy networks, with in-band FEC
}

// DownOptions say what goes down a line.
type DownOptions struct {
	Rate  int         // of the frames, in samples a second: 8000, 12000, 16000, 24000 or 48000
	Codec media.Codec // of the packets
	// Send gets each packet within Write; it fills in At, SSRC and PT and must not block. It may keep the payload.
	Send func(media.Packet)
	// Loss is the share of our packets that the listener reports lost, 0 to 1. With Opus it is asked at the beginning of
	// a talk spurt, once a second at most. Nil: none.
	Loss func() float64
}

// NewDown makes a Down.
func NewDown(o DownOptions) (*Down, error) {
	v, err := newVoice(o)
	if err != nil {
		return nil, fmt.Errorf("make downlink: %w", err)
	}
	conv, err := newConverter(o.Rate, v.rate)
	if err != nil {
		return nil, fmt.Errorf("make downlink: %w", err)
	}
	return &Down{
		voice: v,
		conv:  conv,
		send:  o.Send,
		pcm:   make([]int16, samples(media.FrameDuration, o.Rate)),
		seq:   uint16(rand.Uint32N(1 << 15)), // low: SRTP must not see an early wrap that it may have missed
		time:  rand.Uint32(),
		quiet: tail + keepalive, // a call begins in a pause, with a packet at once
		stats: DownStats{Bitrate: v.bitrate()},
	}, nil
}

// Write sends what f needs sent. It is called for every 20 ms of the call, by one goroutine. A frame without
// samples is silence; one of less than 20 ms is filled up with silence, of a longer one the rest is left out.
//
// Speech is one packet a frame. The first of a talk spurt has the marker and, with Opus, comes from a reset encoder, so
// that it depends on nothing sent before. After speech twelve frames of silence are really encoded, which calms the
// listener's decoder, then one packet of one byte announces the pause (DTX), and from there one encoded frame of silence
// every 400 ms keeps the path open, each with such a packet behind it: without, a browser takes what does not come for
// lost and conceals it (3 to 5 % of a call). The other codecs have no such packet: with them a frame of silence is a packet like
// any other. RTP time follows f.At; numbers count packets.
//
// The encoder is chosen anew for each spurt. While the listener reports at most 2 % of packets lost it is one of the CELT modes with
// 32 kbit/s; above, one whose packets each carry a copy of the one before (in-band FEC), with 32 kbit/s, above 10 % loss
// 24, above 20 % 20; and back when loss is below half of that.
func (d *Down) Write(f media.Frame) {
	n := copy(d.pcm, f.PCM)
	clear(d.pcm[n:])
	switch pause := d.quiet - tail; {
	case n > 0:
		d.speak(f.At)
		return
	case pause < 0, pause > 0 && pause%keepalive == 0, !d.voice.pauses():
		d.encode(f.At, noSound, false)
	case pause == 0, pause%keepalive == 1 && pause > 1:
		d.emit(f.At, media.Packet{Level: noSound, Payload: d.buf[:d.voice.quiet(d.buf[:])]})
	}
	d.quiet++
}

// Free says whether no packet that was sent lasts beyond at, so that speech can begin there: most of the time in a pause, never
// with a codec that knows none. It is for [media.Playout.Early]; called by the goroutine that calls Write.
func (d *Down) Free(at time.Duration) bool { return at >= d.end }

// speak sends the frame as speech.
func (d *Down) speak(at time.Duration) {
	first := d.quiet > 0
	d.quiet = 0
	if first && d.voice.pauses() {
		err := d.voice.spurt(at)
		d.count(func(s *DownStats) {
			s.Bitrate, s.Voice = d.voice.bitrate(), d.voice.plan > 0
			if err != nil {
				s.Failed++
			}
		})
	}
	d.encode(at, level(d.pcm), first)
}

func (d *Down) encode(at time.Duration, level int8, marker bool) {
	n, err := d.voice.enc.Encode(d.conv.convert(d.pcm), d.buf[:])
	if err != nil {
		d.count(func(s *DownStats) { s.Failed++ })
		return
	}
	d.emit(at, media.Packet{Marker: marker, Level: level, Payload: d.buf[:n]})
}

// emit numbers the packet, gives it its time and a payload of its own and sends it.
func (d *Down) emit(at time.Duration, p media.Packet) {
	p.Seq, p.Time = d.seq, d.clock(at)
	d.end = at + media.FrameDuration
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
	return d.time + uint32(at.Microseconds()*int64(d.voice.codec.Clock())/1e6)
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
