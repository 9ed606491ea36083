package rtc

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"parley/media"
)

func TestPacket(t *testing.T) {
	make := func(edit func(p *rtp.Packet)) []byte {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 111, SequenceNumber: 7, Timestamp: 8, SSRC: 9}, Payload: []byte{1, 2}}
		edit(&p)
		b, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	plain := make(func(*rtp.Packet) {})
	level := make(func(p *rtp.Packet) {
		if err := p.SetExtension(3, []byte{0x80 | 42}); err != nil {
			t.Fatal(err)
		}
	})
	want := media.Packet{Seq: 7, Time: 8, SSRC: 9, PT: 111, Level: -1, Payload: []byte{1, 2}}
	loud := want
	loud.Level = 42
	for _, c := range []struct {
		name string
		raw  []byte
		want *media.Packet
	}{
		{"plain", plain, &want},
		{"level", level, &loud},
		{"padded", make(func(p *rtp.Packet) { p.Padding, p.PaddingSize = true, 5 }), &want},
		{"only padding", make(func(p *rtp.Packet) { p.Payload = nil; p.Padding, p.PaddingSize = true, 200 }), nil},
		{"no payload", make(func(p *rtp.Packet) { p.Payload = nil }), nil},
		{"padding longer than the packet", append(bytes.Clone([]byte{plain[0] | 0x20}), append(bytes.Clone(plain[1:13]), 255)...), nil},
		{"short", plain[:11], nil},
		{"empty", nil, nil},
	} {
		var h rtp.Header
		got, ok := packet(c.raw, &h, 3)
		if ok != (c.want != nil) {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		} else if ok && (got.Level != c.want.Level || got.Seq != 7 || got.Time != 8 || got.SSRC != 9 || got.PT != 111 || !bytes.Equal(got.Payload, c.want.Payload)) {
			t.Errorf("%s: %+v, want %+v", c.name, got, *c.want)
		}
	}
}

// FuzzPacket: a datagram may hold anything; what is made of it lies within it and is a copy.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3})
	f.Add([]byte{0xb0, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x30, 0xaa, 0, 0, 9, 1})
	var h rtp.Header
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, ok := packet(raw, &h, 3)
		if !ok {
			return
		}
		if len(p.Payload) == 0 || len(p.Payload) > len(raw)-12 {
			t.Errorf("%d bytes of %d", len(p.Payload), len(raw))
		}
		before := bytes.Clone(p.Payload)
		clear(raw)
		if !bytes.Equal(before, p.Payload) {
			t.Error("payload is not a copy")
		}
	})
}

// BenchmarkPacket: the payload is the one allocation of a received packet.
func BenchmarkPacket(b *testing.B) {
	raw := append([]byte{0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, bytes.Repeat([]byte{7}, 80)...)
	var h rtp.Header
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := packet(raw, &h, 0); !ok {
			b.Fatal("no packet")
		}
	}
}

// TestAllocations: a received packet is one allocation.
func TestAllocations(t *testing.T) {
	raw := append([]byte{0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, bytes.Repeat([]byte{7}, 80)...)
	var h rtp.Header
	if n := allocations(func() { _, _ = packet(raw, &h, 0) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestRoundTrip is the example of RFC 3550, 6.4.1, and reports that tell nothing.
func TestRoundTrip(t *testing.T) {
	const second = 1 << 16
	received := uint32(0xb710*second + 0x8000) // 46864.500 s of NTP
	const sent, delay = 0xb705*second + 0x2000, 5*second + 0x4000
	const epoch = 2208988800
	now := time.Unix(0xe0000000|int64(received>>16)-epoch, int64(received&0xffff)*int64(time.Second)>>16+1)
	for _, c := range []struct {
		name string
		r    rtcp.ReceptionReport
		want time.Duration
		ok   bool
	}{
		{"RFC", rtcp.ReceptionReport{LastSenderReport: sent, Delay: delay}, 6125 * time.Millisecond, true},
		{"no report of ours", rtcp.ReceptionReport{Delay: delay}, 0, false},
		{"in no time", rtcp.ReceptionReport{LastSenderReport: received - delay, Delay: delay + 1}, 0, true},
		{"before it was sent", rtcp.ReceptionReport{LastSenderReport: received + 9*second}, 0, false},
		{"long ago", rtcp.ReceptionReport{LastSenderReport: received - 300*second}, 0, false},
	} {
		got, ok := roundTrip(now, c.r)
		if ok != c.ok || (got-c.want).Abs() > time.Millisecond {
			t.Errorf("%s: %v, %v; want %v", c.name, got, ok, c.want)
		}
	}
}
