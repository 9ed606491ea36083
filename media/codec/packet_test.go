package codec

import (
	"errors"
	"testing"
	"time"

	"github.com/hraban/opus"
)

func TestPacketDuration(t *testing.T) {
	const silk60, hybrid20, celt2 = 3 << 3, 15 << 3, 28 << 3 // the configurations
	many := func(toc, count byte, rest ...byte) []byte { return append([]byte{toc | 3, count}, rest...) }
	for _, c := range []struct {
		name string
		in   []byte
		want time.Duration // 0: ErrPacket
	}{
		{"empty", nil, 0},
		{"silence from here", []byte{silk60}, 60 * time.Millisecond},
		{"one frame", []byte{hybrid20, 1, 2}, 20 * time.Millisecond},
		{"one frame of 1275 bytes", append([]byte{celt2}, make([]byte, 1275)...), 2500 * time.Microsecond},
		{"one frame too big", append([]byte{celt2}, make([]byte, 1276)...), 0},
		{"two equal", []byte{silk60 | 1, 1, 2}, 120 * time.Millisecond},
		{"two equal, none sent", []byte{silk60 | 1}, 120 * time.Millisecond},
		{"two equal in odd bytes", []byte{silk60 | 1, 1, 2, 3}, 0},
		{"two told", []byte{hybrid20 | 2, 1, 9, 9, 9}, 40 * time.Millisecond},
		{"two told, second empty", []byte{hybrid20 | 2, 1, 9}, 40 * time.Millisecond},
		{"two told, no length", []byte{hybrid20 | 2}, 0},
		{"two told, half a length", []byte{hybrid20 | 2, 252}, 0},
		{"two told, first too long", []byte{hybrid20 | 2, 3, 9, 9}, 0},
		{"two told, length of two bytes", append([]byte{hybrid20 | 2, 252, 1}, make([]byte, 256)...), 40 * time.Millisecond},
		{"two told, last too big", append([]byte{hybrid20 | 2, 0}, make([]byte, 1276)...), 0},
		{"many, no count", []byte{celt2 | 3}, 0},
		{"many, none", many(celt2, 0), 0},
		{"48 of 2.5 ms", many(celt2, 48), 120 * time.Millisecond},
		{"49 of 2.5 ms", many(celt2, 49), 0},
		{"three of 60 ms", many(silk60, 3), 0},
		{"three equal", many(hybrid20, 3, 7, 7, 7), 60 * time.Millisecond},
		{"three unequal", many(hybrid20, 3, 7, 7), 0},
		{"one in many, too big", many(hybrid20, 1, make([]byte, 1276)...), 0},
		{"three told", many(hybrid20, 0x80|3, 1, 2, 7, 7, 7, 7), 60 * time.Millisecond},
		{"three told, lengths missing", many(hybrid20, 0x80|3, 1), 0},
		{"one told", many(hybrid20, 0x80|1, 7, 7), 20 * time.Millisecond},
		{"padded", many(hybrid20, 0x40|1, 2, 7, 0, 0), 20 * time.Millisecond},
		{"padding only", many(hybrid20, 0x40|1, 2, 0, 0), 20 * time.Millisecond},
		{"padded too much", many(hybrid20, 0x40|1, 3, 0, 0), 0},
		{"padding without length", many(hybrid20, 0x40|1), 0},
		{"padding without end", many(hybrid20, 0x40|1, 255, 255), 0},
		{"long padding", many(hybrid20, 0x40|1, append([]byte{255, 1, 7}, make([]byte, 255)...)...), 20 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := PacketDuration(c.in)
			if got != c.want || (c.want == 0) != errors.Is(err, ErrPacket) {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestHasFEC(t *testing.T) {
	for _, s := range []sender{
		{app: opus.AppVoIP, rate: 16000, channels: 1, tenths: 100},
		{app: opus.AppVoIP, rate: 16000, channels: 1, tenths: 200},
		{app: opus.AppVoIP, rate: 16000, channels: 1, tenths: 400},
		{app: opus.AppVoIP, rate: 16000, channels: 1, tenths: 600},
		{app: opus.AppVoIP, rate: 16000, channels: 2, tenths: 200},
		{app: opus.AppVoIP, rate: 16000, channels: 2, tenths: 600},
		{app: opus.AppVoIP, rate: 16000, channels: 1, tenths: 1200},
		{app: opus.AppVoIP, rate: 48000, channels: 1, tenths: 200}, // hybrid
		{app: opus.AppRestrictedLowdelay, rate: 48000, channels: 2, tenths: 200},
	} {
		for _, s.loss = range []int{0, 15} { // with loss 0 libopus adds no copies
			ps, with := s.packets(t, "voice", 1.2), 0
			for _, p := range ps {
				if HasFEC(p) {
					with++
				}
			}
			want := s.loss > 0 && s.app == opus.AppVoIP
			if want && with < len(ps)/2 || !want && with > 0 {
				t.Errorf("%v, loss %d: %d of %d packets", s, s.loss, with, len(ps))
			}
		}
	}
	for _, p := range [][]byte{nil, {8}, {9}, {11}, {11, 0}, {10, 200}} {
		if HasFEC(p) {
			t.Errorf("% x has none", p)
		}
	}
}

// seed adds packets of every kind to a fuzz target.
func seed(f *testing.F) {
	for _, app := range []opus.Application{opus.AppVoIP, opus.AppRestrictedLowdelay} {
		for _, tenths := range packetLengths {
			ps := sender{app, 48000, 1 + tenths/100%2, tenths, 15}.packets(f, "voice", 0.4)
			f.Add(ps[len(ps)-1])
		}
	}
	f.Add([]byte{})
	f.Add([]byte{0xd8})
	f.Add([]byte{0xff, 0xff, 0xff})
}

// What libopus decodes has the duration that parse found, and parse refuses nothing that libopus decodes.
func FuzzPacketDuration(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := PacketDuration(payload)
		if err != nil && (d != 0 || !errors.Is(err, ErrPacket) || HasFEC(payload)) {
			t.Fatalf("%v, %v", d, err)
		}
		if err == nil && (d <= 0 || d > MaxDuration) {
			t.Fatalf("duration %v", d)
		}
		if len(payload) == 0 {
			return
		}
		HasFEC(payload)
		dec := newDecoder(t, 48000)
		n, decErr := dec.opus.Decode(payload, make([]int16, 5760))
		if decErr == nil && n != int(d*48000/time.Second) {
			t.Fatalf("libopus made %d samples of a packet of %v (%v)", n, d, err)
		}
	})
}
