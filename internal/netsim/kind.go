package netsim

import "encoding/binary"

// Kind is a set of the kinds of datagrams in a call.
type Kind uint8

// The kinds.
const (
	STUN  Kind = 1 << iota // connectivity checks and keepalives
	DTLS                   // handshakes and the data channel
	Audio                  // RTP
	RTCP                   // reports
	Other                  // TURN channels and anything else
)

// All is every kind.
const All = STUN | DTLS | Audio | RTCP | Other

const rtpHeader = 12

// kindOf tells by the first byte (RFC 7983), RTCP by the second (RFC 5761).
func kindOf(b []byte) Kind {
	switch {
	case len(b) == 0:
	case b[0] < 4:
		return STUN
	case b[0] >= 20 && b[0] < 64:
		return DTLS
	case b[0] >= 128 && b[0] < 192 && len(b) >= rtpHeader && (b[1] < 192 || b[1] > 223):
		return Audio
	case b[0] >= 128 && b[0] < 192 && len(b) >= 8:
		return RTCP
	}
	return Other
}

// The bound of numbering: the streams that are told apart.
const maxStreams = 64

// numbers gives the datagrams of one direction their numbers.
type numbers struct {
	streams map[uint32]*stream
	rest    int64
}

// stream is one SSRC.
type stream struct {
	top  uint16
	last int64 // the number of top
}

// next numbers a datagram: audio by its sequence number relative to the first of its SSRC, without wrapping; everything
// else, and the audio of too many SSRCs, by count.
func (s *numbers) next(k Kind, b []byte) int64 {
	if k != Audio {
		return s.count()
	}
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	t := s.streams[ssrc]
	if t == nil {
		if len(s.streams) >= maxStreams {
			return s.count()
		}
		if s.streams == nil {
			s.streams = map[uint32]*stream{}
		}
		t = &stream{top: seq}
		s.streams[ssrc] = t
	}
	n := t.last + int64(int16(seq-t.top))
	if n > t.last {
		t.last, t.top = n, seq
	}
	return n
}

func (s *numbers) count() int64 {
	s.rest++
	return s.rest - 1
}
