package record

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"parley/media"
)

// Kind says what an Entry is. The numbers are part of the format.
type Kind uint8

// The kinds of entries. Readers skip those they do not know.
const (
	Up       Kind = 1  // a packet from the caller
	Down     Kind = 2  // a packet to the caller, as it was sent
	RTCPUp   Kind = 3  // from the caller
	RTCPDown Kind = 4  // to the caller
	Gap      Kind = 5  // Count entries of the kind Of are not here, those from At to Now: Name says why
	Pause    Kind = 6  // nothing is kept from here on: Name says why
	Resume   Kind = 7  // and from here on it is again
	Mute     Kind = 8  // the caller's microphone was turned off (On) or on
	Line     Kind = 9  // of the ordered log
	Score    Kind = 10 // of a detector
	Blob     Kind = 11 // Name is the hash of content that lies beside the log, Count its length
	End      Kind = 12 // nothing follows: Name says "closed" or "recovered", Raw is the hash of the file before
	Tape     Kind = 13 // of the engines' requests and answers
	Tick     Kind = 14 // frames were made of the caller's packets though none came: a missing one was waited for no longer
	kinds    Kind = 15
)

var kindNames = [...]string{Up: "up", Down: "down", RTCPUp: "rtcp-up", RTCPDown: "rtcp-down", Gap: "gap", Pause: "pause",
	Resume: "resume", Mute: "mute", Line: "line", Score: "score", Blob: "blob", End: "end", Tape: "tape", Tick: "tick"}

// String is the kind's name, as Gap entries and reports use it.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Entry is one thing that was recorded. Which fields count depends on Kind; slices are the reader's own.
type Entry struct {
	Kind   Kind
	Now    time.Duration // on the session clock: of a packet its arrival or sending
	Seq    uint64        // Line, Score: in the ordered log; Tape: counted from 1; Up, Down, RTCPUp: in the relay it was taken from
	Packet media.Packet  // Up, Down
	Raw    []byte        // RTCPUp, RTCPDown: the packet; Line, Tape: what the caller of Log or Tape gave
	Name   string        // Score: of the detector; Gap, Pause: the reason; Blob: the hash; End: the status
	At     time.Duration // Score: where on its stream's timeline; Gap: since when
	Value  float32       // Score
	Count  uint64        // Gap, Blob
	Of     Kind          // Gap
	On     bool          // Mute
}

// errRecord is an entry that its chunk's checksum vouches for but that makes no sense: a foreign writer's.
var errRecord = errors.New("an entry that is not one")

const (
	flagMarker = 1 << iota
	flagSSRC   // another SSRC than the packet before it in this direction: it follows
	flagPT     // another payload type: it follows
)

// coder writes and reads the entries of one chunk. Numbers are differences to the entry before, so each chunk is read by
// itself.
type coder struct {
	now  time.Duration
	next [kinds]uint64 // the expected Seq of each kind
	last [Down + 1]media.Packet
	body []byte
}

func (c *coder) append(b []byte, e *Entry) []byte {
	c.body = binary.AppendVarint(c.body[:0], int64(e.Now-c.now))
	c.now = e.Now
	switch e.Kind {
	case Up, Down:
		c.seq(e)
		c.packet(&c.last[e.Kind], &e.Packet)
	case RTCPUp, RTCPDown, Line, Tape:
		c.seq(e)
		c.body = append(c.body, e.Raw...)
	case Gap:
		c.body = append(c.body, byte(e.Of))
		c.body = binary.AppendUvarint(c.body, e.Count)
		c.body = binary.AppendVarint(c.body, int64(e.Now-e.At))
		c.body = append(c.body, e.Name...)
	case Score:
		c.seq(e)
		c.body = binary.AppendVarint(c.body, int64(e.Now-e.At))
		c.body = binary.LittleEndian.AppendUint32(c.body, math.Float32bits(e.Value))
		c.body = append(c.body, e.Name...)
	case Blob:
		c.body = binary.AppendUvarint(c.body, e.Count)
		c.body = append(c.body, e.Name...)
	case Mute:
		c.body = append(c.body, boolByte(e.On))
	case End:
		c.body = append(c.body, e.Raw...)
		c.body = append(c.body, e.Name...)
	default:
		c.body = append(c.body, e.Name...)
	}
	b = append(b, byte(e.Kind))
	b = binary.AppendUvarint(b, uint64(len(c.body)))
	return append(b, c.body...)
}

// seq writes by how much the entry's number is not the one expected.
func (c *coder) seq(e *Entry) {
	c.body = binary.AppendVarint(c.body, int64(e.Seq-c.next[e.Kind]))
	c.next[e.Kind] = e.Seq + 1
}

func (c *coder) packet(last, p *media.Packet) {
	flags := boolByte(p.Marker)
	if p.SSRC != last.SSRC {
		flags |= flagSSRC
	}
	if p.PT != last.PT {
		flags |= flagPT
	}
	c.body = append(c.body, flags)
	c.body = binary.AppendVarint(c.body, int64(int16(p.Seq-last.Seq)))
	c.body = binary.AppendVarint(c.body, int64(int32(p.Time-last.Time)))
	c.body = append(c.body, byte(p.Level))
	if flags&flagSSRC != 0 {
		c.body = binary.LittleEndian.AppendUint32(c.body, p.SSRC)
	}
	if flags&flagPT != 0 {
		c.body = append(c.body, p.PT)
	}
	c.body = append(c.body, p.Payload...)
	*last = *p
	last.Payload = nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// cursor takes values off the front of a body. After one that is not there it is bad and gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.bad = nil, true
		return make([]byte, n)
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	return number(c, v, n)
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	return number(c, v, n)
}

func number[T int64 | uint64](c *cursor, v T, n int) T {
	if n <= 0 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[n:]
	return v
}

// parse takes the next entry off b. ok is false for a kind that is not known, which is skipped.
func (c *coder) parse(b []byte) (e Entry, rest []byte, ok bool, err error) {
	size, n := uint64(0), 0
	if len(b) > 0 {
		size, n = binary.Uvarint(b[1:])
	}
	if n <= 0 || size > uint64(len(b)-1-n) {
		return Entry{}, nil, false, errRecord
	}
	e.Kind, b = Kind(b[0]), b[1+n:]
	in := cursor{b: b[:size:size]}
	c.now += time.Duration(in.varint())
	e.Now = c.now
	ok = c.fields(&e, &in)
	if in.bad {
		return Entry{}, nil, false, errRecord
	}
	return e, b[size:], ok, nil
}

func (c *coder) fields(e *Entry, in *cursor) (known bool) {
	switch e.Kind {
	case Up, Down:
		c.number(e, in)
		c.readPacket(e, in)
	case RTCPUp, RTCPDown, Line, Tape:
		c.number(e, in)
		e.Raw = in.b
	case Gap:
		e.Of = Kind(in.take(1)[0])
		e.Count = in.uvarint()
		e.At = e.Now - time.Duration(in.varint())
		e.Name = string(in.b)
	case Score:
		c.number(e, in)
		e.At = e.Now - time.Duration(in.varint())
		e.Value = math.Float32frombits(binary.LittleEndian.Uint32(in.take(4)))
		e.Name = string(in.b)
	case Blob:
		e.Count = in.uvarint()
		e.Name = string(in.b)
	case Mute:
		e.On = in.take(1)[0] != 0
	case End:
		e.Raw = in.take(hashBytes)
		e.Name = string(in.b)
	case Pause, Resume, Tick:
		e.Name = string(in.b)
	default:
		return false
	}
	return true
}

func (c *coder) number(e *Entry, in *cursor) {
	e.Seq = c.next[e.Kind] + uint64(in.varint())
	c.next[e.Kind] = e.Seq + 1
}

func (c *coder) readPacket(e *Entry, in *cursor) {
	last, flags := &c.last[e.Kind], in.take(1)[0]
	p := media.Packet{At: e.Now, SSRC: last.SSRC, PT: last.PT, Marker: flags&flagMarker != 0}
	p.Seq = last.Seq + uint16(in.varint())
	p.Time = last.Time + uint32(in.varint())
	p.Level = int8(in.take(1)[0])
	if flags&flagSSRC != 0 {
		p.SSRC = binary.LittleEndian.Uint32(in.take(4))
	}
	if flags&flagPT != 0 {
		p.PT = in.take(1)[0]
	}
	p.Payload = in.b
	*last, e.Packet = p, p
}
