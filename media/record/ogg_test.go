package record

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"
	"time"

	"parley/media"
	"parley/media/codec"
)

// oggPackets takes an Ogg file apart and checks its pages. It returns the packets after the two of the header, and the
// last granule.
func oggPackets(t *testing.T, b []byte) (packets [][]byte, granule int64) {
	t.Helper()
	for n := uint32(0); len(b) > 0; n++ {
		if string(b[:4]) != "OggS" || binary.LittleEndian.Uint32(b[18:]) != n {
			t.Fatalf("page %d begins with %q", n, b[:27])
		}
		g := int64(binary.LittleEndian.Uint64(b[6:]))
		if g < granule {
			t.Fatalf("granule %d after %d", g, granule)
		}
		granule = g
		segments := int(b[26])
		size := 27 + segments
		var packet []byte
		for _, l := range b[27 : 27+segments] {
			packet = append(packet, b[size:size+int(l)]...)
			size += int(l)
			if l < 255 {
				packets = append(packets, packet)
				packet = nil
			}
		}
		page := bytes.Clone(b[:size])
		clear(page[22:26])
		if sum := bitwise(page); sum != binary.LittleEndian.Uint32(b[22:]) {
			t.Fatalf("page %d: checksum %x", n, sum)
		}
		if last := b[5]&4 != 0; last != (len(b) == size) || b[5]&2 != 0 != (n == 0) {
			t.Fatalf("page %d: flags %d", n, b[5])
		}
		b = b[size:]
	}
	if len(packets) < 2 || string(packets[0][:8]) != "OpusHead" || string(packets[1][:8]) != "OpusTags" {
		t.Fatalf("headers %q", packets)
	}
	return packets[2:], granule
}

// bitwise is the page checksum, by another way than the table's.
func bitwise(b []byte) (sum uint32) {
	for _, v := range b {
		for bit := 7; bit >= 0; bit-- {
			top := sum>>31 ^ uint32(v>>bit&1)
			sum = sum<<1 ^ top*0x04c11db7
		}
	}
	return sum
}

// oggSeconds is how long the Ogg file of the caller's side lasts: by its granules, which the packets must reach.
func oggSeconds(t *testing.T, b *Bundle) time.Duration {
	t.Helper()
	var out bytes.Buffer
	if err := b.Ogg(&out, Up); err != nil {
		t.Fatal(err)
	}
	packets, granule := oggPackets(t, out.Bytes())
	var sum time.Duration
	for _, p := range packets {
		d, err := codec.PacketDuration(p)
		if err != nil {
			t.Fatal(err)
		}
		sum += d
	}
	total := media.Samples(int(granule), media.ClockRate)
	if off := sum - total; off.Abs() > 20*ms {
		t.Errorf("packets of %v, granules of %v", sum, total)
	}
	return total
}

func TestSilencePackets(t *testing.T) {
	for _, s := range silences {
		dec, err := codec.NewOpusDecoder(48000)
		if err != nil {
			t.Fatal(err)
		}
		pcm := make([]int16, 5760)
		for range 5 {
			n, err := dec.Decode(s.packet, pcm)
			if err != nil || media.Samples(n, 48000) != s.length {
				t.Fatalf("%v: %d samples, %v", s.length, n, err)
			}
			for _, v := range pcm[:n] {
				if v != 0 {
					t.Fatalf("%v of silence has a sample of %d", s.length, v)
				}
			}
		}
	}
}

// The packets of the file are those that were sent, and a hole is heard where it was.
func TestOggSound(t *testing.T) {
	in := spoken(t, 499)
	b := open(t, build(t, Manifest{}, said, as(Down, without(in, 250, 350))...))
	var out bytes.Buffer
	if err := b.Ogg(&out, Down); err != nil {
		t.Fatal(err)
	}
	packets, _ := oggPackets(t, out.Bytes())
	dec, err := codec.NewOpusDecoder(16000)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 1920)
	var at time.Duration
	for _, p := range packets {
		n, err := dec.Decode(p, pcm)
		if err != nil {
			t.Fatal(err)
		}
		var power float64
		for _, v := range pcm[:n] {
			power += float64(v) * float64(v) / float64(n)
		}
		loud := math.Sqrt(power) > 1000
		if want := at > 40*ms && at < 5*time.Second || at > 7040*ms; loud != want && (at < 4980*ms || at > 5100*ms) && at > 40*ms && (at < 7*time.Second || at > 7040*ms) {
			t.Errorf("at %v: level %.0f", at, math.Sqrt(power))
		}
		at += media.Samples(n, 16000)
	}
	for i, p := range packets[:250] {
		if !bytes.Equal(p, in[i].Payload) {
			t.Fatalf("packet %d is not what was sent", i)
		}
	}
}

// A clock that is fast or slow makes the file neither longer nor shorter.
func TestOggDrift(t *testing.T) {
	payload := spoken(t, 50)[40].Payload
	for _, ppm := range []int64{-500, 500} {
		var in []media.Packet
		for i := range 30000 {
			at := time.Duration(i)*20*ms + time.Duration(int64(i)*20*ppm)*ms/1000000
			in = append(in, media.Packet{At: at, Seq: uint16(i), Time: uint32(960 * i), Payload: payload})
		}
		b := open(t, build(t, Manifest{}, 10*time.Minute, as(Up, in)...))
		if d := oggSeconds(t, b); d != 10*time.Minute {
			t.Errorf("%d ppm: %v", ppm, d)
		}
	}
}

func TestOggSum(t *testing.T) {
	b := []byte("123456789")
	if oggSum(0, b) != bitwise(b) || oggSum(oggSum(0, b[:4]), b[4:]) != bitwise(b) || crc32.ChecksumIEEE(b) == bitwise(b) {
		t.Errorf("%x, want %x", oggSum(0, b), bitwise(b))
	}
}
