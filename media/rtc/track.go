package rtc

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"parley/media"
)

// outgoing is the track we send on. Sequence numbers, timestamps and markers are the sender's of the
// packets: only SSRC and payload type are what was negotiated.
type outgoing struct {
	id     string
	audio  atomic.Pointer[Audio] // what to send; set before it is negotiated
	wire   atomic.Pointer[wire]  // nil until negotiated and after the end
	header rtp.Header            // of the one caller of write
}

type wire struct {
	out  webrtc.TrackLocalWriter
	ssrc uint32
	as   Audio
}

// Bind implements webrtc.TrackLocal.
func (o *outgoing) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	a, all := o.audio.Load(), c.CodecParameters()
	if a == nil {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	i := slices.IndexFunc(all, func(p webrtc.RTPCodecParameters) bool {
		return strings.EqualFold(p.MimeType, "audio/"+string(a.Codec))
	})
	if i < 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	as := Audio{Codec: a.Codec, PT: uint8(all[i].PayloadType), Events: a.Events}
	o.wire.Store(&wire{out: c.WriteStream(), ssrc: uint32(c.SSRC()), as: as})
	return all[i], nil
}

// Unbind implements webrtc.TrackLocal.
func (o *outgoing) Unbind(webrtc.TrackLocalContext) error {
	o.wire.Store(nil)
	return nil
}

func (o *outgoing) ID() string                { return o.id }
func (o *outgoing) RID() string               { return "" }
func (o *outgoing) StreamID() string          { return Label }
func (o *outgoing) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }

// write sends p and fills in what it was sent as; false if it was not sent. One caller at a time.
func (o *outgoing) write(p *media.Packet) bool {
	w := o.wire.Load()
	if w == nil {
		return false
	}
	p.SSRC = w.ssrc
	if p.PT != w.as.Events || p.PT == 0 {
		p.PT = w.as.PT
	}
	o.header = rtp.Header{
		Version: 2, Marker: p.Marker, PayloadType: p.PT, SequenceNumber: p.Seq, Timestamp: p.Time, SSRC: p.SSRC,
	}
	n, err := w.out.WriteRTP(&o.header, p.Payload)
	return err == nil && n > 0
}

// incoming is a track of the peer, handed from pion's callback to Run.
type incoming struct {
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
}

// maxBadReads is how many reads in a row may fail before a reader gives up: packets with a payload type
// that was not negotiated, or with a header that cannot be read.
const maxBadReads = 1000

// readPackets relays the track's packets, of whatever payload type was negotiated, until the peer connection is
// closed.
func (c *Call) readPackets(in incoming) {
	level := levelExtension(in.receiver)
	buf := make([]byte, receiveMTU)
	var h rtp.Header
	for bad := 0; bad < maxBadReads; {
		n, _, err := in.track.Read(buf)
		if ended(err) {
			return
		}
		now := c.Now()
		take, hostile := c.flood.packet(now, max(n, 1))
		if hostile != nil {
			c.end(hostile)
			return
		}
		if err != nil {
			bad++
			continue
		}
		bad = 0
		c.seen.received.Store(int64(now))
		c.seen.heard.Store(int64(now))
		if !take {
			continue
		}
		c.count.received.Add(1)
		if p, ok := packet(buf[:n], &h, level); ok {
			p.At = now
			c.up.Send(p)
		}
	}
	c.log.Error("reader gives up: too many bad packets")
}

// packet makes a Packet of an RTP datagram; its payload is the one allocation. False for a datagram that
// has no payload, or whose padding is longer than it.
func packet(raw []byte, h *rtp.Header, level uint8) (media.Packet, bool) {
	at, err := h.Unmarshal(raw)
	if err != nil {
		return media.Packet{}, false
	}
	end := len(raw)
	if h.Padding {
		end -= int(raw[len(raw)-1])
	}
	if at >= end {
		return media.Packet{}, false
	}
	p := media.Packet{
		Seq: h.SequenceNumber, Time: h.Timestamp, SSRC: h.SSRC, Marker: h.Marker, PT: h.PayloadType, Level: -1,
		Payload: append([]byte(nil), raw[at:end]...),
	}
	if level != 0 {
		if x := h.GetExtension(level); len(x) == 1 {
			p.Level = int8(x[0] & 0x7f) // RFC 6464: voice flag, then −dBov
		}
	}
	return p, true
}

// levelExtension is the number of the audio level's header extension; zero if it was not negotiated.
func levelExtension(r *webrtc.RTPReceiver) uint8 {
	for _, x := range r.GetParameters().HeaderExtensions {
		if x.URI == sdp.AudioLevelURI {
			return uint8(x.ID)
		}
	}
	return 0
}

// readSenderControls relays the RTCP that is about what we send, and takes note of receiver reports.
func (c *Call) readSenderControls() {
	var seen uint32
	c.readControls(c.sender.Read, func(raw []byte, packets []rtcp.Packet) {
		c.control(true, raw)
		for _, r := range reports(packets) {
			if w := c.out.wire.Load(); w == nil || r.SSRC != w.ssrc {
				continue
			}
			c.count.loss.Store(uint32(r.FractionLost))
			c.count.jitter.Store(int64(time.Duration(r.Jitter) * time.Second / time.Duration(c.Audio().Codec.Clock())))
			if rtt, ok := roundTrip(c.wall(), r); ok {
				c.count.rtt.Store(int64(rtt))
			}
			if r.LastSequenceNumber != seen {
				seen = r.LastSequenceNumber
				c.seen.reported.Store(int64(c.Now()))
			}
		}
	})
}

// readReceiverControls relays the RTCP that is only about what the peer sends: what is about both comes
// to the sender too.
func (c *Call) readReceiverControls(in incoming) {
	c.readControls(in.receiver.Read, func(raw []byte, packets []rtcp.Packet) {
		if w := c.out.wire.Load(); w == nil || !about(packets, w.ssrc) {
			c.control(true, raw)
		}
	})
}

func (c *Call) readControls(read reader, take func([]byte, []rtcp.Packet)) {
	buf := make([]byte, receiveMTU)
	for bad := 0; bad < maxBadReads; {
		n, attributes, err := read(buf)
		if ended(err) {
			return
		}
		now := c.Now()
		taken, hostile := c.flood.packet(now, max(n, 1))
		if hostile != nil {
			c.end(hostile)
			return
		}
		var packets []rtcp.Packet
		if err == nil {
			packets, err = attributes.GetRTCPPackets(buf[:n])
		}
		if err != nil {
			bad++
			continue
		}
		bad = 0
		c.seen.heard.Store(int64(now))
		if !taken {
			continue
		}
		take(append([]byte(nil), buf[:n]...), packets)
	}
	c.log.Error("reader gives up: too many bad control packets")
}

func reports(packets []rtcp.Packet) []rtcp.ReceptionReport {
	var out []rtcp.ReceptionReport
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.ReceiverReport:
			out = append(out, p.Reports...)
		case *rtcp.SenderReport:
			out = append(out, p.Reports...)
		}
	}
	return out
}

// roundTrip is the time there and back that a report tells, if it answers a report of ours (RFC 3550, 6.4.1). Times
// are the middle 32 bits of NTP's: 65536ths of a second.
func roundTrip(now time.Time, r rtcp.ReceptionReport) (time.Duration, bool) {
	if r.LastSenderReport == 0 {
		return 0, false
	}
	const epoch = 2208988800 // NTP's, in seconds before that of Unix
	t := uint64(now.Unix()+epoch)<<16 | uint64(now.Nanosecond())<<16/uint64(time.Second)
	d := int32(uint32(t) - r.LastSenderReport - r.Delay)
	if d < -(1<<16) || d > 60<<16 { // of another clock
		return 0, false
	}
	return time.Duration(max(d, 0)) * time.Second >> 16, true
}

func about(packets []rtcp.Packet, ssrc uint32) bool {
	for _, p := range packets {
		for _, s := range p.DestinationSSRC() {
			if s == ssrc {
				return true
			}
		}
	}
	return false
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

// last reads a time that another goroutine noted.
func last(t *atomic.Int64) time.Duration { return time.Duration(t.Load()) }
