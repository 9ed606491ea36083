package netsim

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// rtp is a packet without audio.
func rtp(seq uint16, ssrc uint32) []byte {
	b := make([]byte, 40)
	b[0], b[1] = 0x80, 111
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	return b
}

func TestKindOf(t *testing.T) {
	long := func(first, second byte) []byte { return append([]byte{first, second}, make([]byte, 30)...) }
	for _, c := range []struct {
		b    []byte
		want Kind
	}{
		{nil, Other}, {long(0, 1), STUN}, {long(1, 1), STUN}, {[]byte{3}, STUN}, {long(4, 0), Other}, {long(16, 0), Other},
		{long(20, 254), DTLS}, {long(22, 254), DTLS}, {long(63, 0), DTLS}, {long(64, 0), Other}, {long(79, 0), Other},
		{long(128, 111), Audio}, {long(0x90, 0x80|111), Audio}, {long(191, 0), Audio}, {long(192, 0), Other}, {long(255, 0), Other},
		{long(128, 192), RTCP}, {long(128, 200), RTCP}, {long(129, 223), RTCP}, {long(128, 224), Audio}, {long(128, 191), Audio},
		{[]byte{128, 111, 0}, Other}, {make([]byte, 8)[:8], STUN},
	} {
		if got := kindOf(c.b); got != c.want {
			t.Errorf("% x is %d, want %d", c.b[:min(2, len(c.b))], got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	var s numbers
	for i, c := range []struct {
		kind Kind
		seq  uint16
		ssrc uint32
		want int64
	}{
		{Audio, 65534, 1, 0}, {Audio, 65535, 1, 1}, {STUN, 0, 0, 0}, {Audio, 1, 1, 3}, {Audio, 0, 1, 2}, {Audio, 1, 1, 3},
		{Audio, 65500, 1, -34}, {Audio, 700, 2, 0}, {DTLS, 0, 0, 1}, {Audio, 4, 1, 6}, {Audio, 701, 2, 1}, {RTCP, 0, 0, 2},
	} {
		if got := s.next(c.kind, rtp(c.seq, c.ssrc)); got != c.want {
			t.Errorf("step %d: number %d, want %d", i, got, c.want)
		}
	}
	for ssrc := range uint32(2 * maxStreams) {
		s.next(Audio, rtp(9, 1000+ssrc))
	}
	if len(s.streams) > maxStreams {
		t.Errorf("%d streams are remembered", len(s.streams))
	}
}

// Any order with steps below half the space gives the true numbers.
func TestNumbersDoNotWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s numbers
		first := rapid.Uint16().Draw(t, "first")
		s.next(Audio, rtp(first, 5))
		top := int64(0)
		for _, step := range rapid.SliceOf(rapid.Int64Range(-3000, 30_000)).Draw(t, "steps") {
			n := top + step
			if got := s.next(Audio, rtp(first+uint16(n), 5)); got != n {
				t.Fatalf("number %d, want %d", got, n)
			}
			top = max(top, n)
		}
	})
}
