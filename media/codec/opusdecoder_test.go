package codec

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/hraban/opus"
)

func TestDecodeAnySender(t *testing.T) {
	for _, app := range []opus.Application{opus.AppVoIP, opus.AppAudio, opus.AppRestrictedLowdelay} {
		for _, channels := range []int{1, 2} {
			for _, tenths := range packetLengths {
				for _, rate := range []int{16000, 48000} {
					s := sender{app, 48000, channels, tenths, 0}
					t.Run(fmt.Sprint(s, "→", rate), func(t *testing.T) {
						got := decodeAll(t, newDecoder(t, rate), s.packets(t, "tone", 1.2), rate*tenths/10000)
						if a := level(got[rate/2:], rate); math.Abs(a-0.5) > 0.04 {
							t.Errorf("the tone came out at %.3f, want 0.5", a)
						}
					})
				}
			}
		}
	}
}

// decodeAll decodes packets that each hold want samples.
func decodeAll(t *testing.T, d *OpusDecoder, packets [][]byte, want int) []int16 {
	t.Helper()
	pcm := make([]int16, d.rate*120/1000)
	var out []int16
	for _, p := range packets {
		n, err := d.Decode(p, pcm)
		if err != nil || n != want {
			t.Fatalf("%d samples, %v; want %d", n, err, want)
		}
		out = append(out, pcm[:n]...)
	}
	return out
}

func TestDecodeChangeInMidStream(t *testing.T) {
	d := newDecoder(t, 16000)
	for _, s := range []sender{
		{opus.AppAudio, 48000, 2, 200, 0},
		{opus.AppVoIP, 16000, 1, 600, 0},
		{opus.AppRestrictedLowdelay, 48000, 2, 25, 0},
		{opus.AppVoIP, 48000, 2, 1200, 0},
		{opus.AppVoIP, 8000, 1, 100, 0},
		{opus.AppAudio, 48000, 1, 1000, 0},
	} {
		got := decodeAll(t, d, s.packets(t, "tone", 1.2), 16*s.tenths/10)
		if a := level(got[8000:], 16000); math.Abs(a-0.5) > 0.04 {
			t.Errorf("%v: the tone came out at %.3f, want 0.5", s, a)
		}
	}
}

// One packet that is none, or that is of another length, costs its own 20 ms: what follows sounds as without it.
func TestOneInvalidPacketCostsOnlyItself(t *testing.T) {
	for _, s := range []sender{{opus.AppVoIP, 48000, 1, 200, 0}, {opus.AppAudio, 48000, 2, 200, 0}, {opus.AppRestrictedLowdelay, 48000, 1, 600, 0}} {
		for _, bad := range [][]byte{{}, {0xff, 0xff}, {3}, bytes.Repeat([]byte{0xfb}, 1400)} {
			packets, frame := s.packets(t, "tone", 2), 16*s.tenths/10
			clean := decodeAll(t, newDecoder(t, 16000), packets, frame)
			d, pcm := newDecoder(t, 16000), make([]int16, 1920)
			got := decodeAll(t, d, packets[:10], frame)
			if _, err := d.Decode(bad, pcm); !errors.Is(err, ErrPacket) {
				t.Fatalf("%v: % x gave %v", s, bad[:min(2, len(bad))], err)
			}
			if err := d.Conceal(nil, pcm[:frame]); err != nil {
				t.Fatal(err)
			}
			got = append(append(got, pcm[:frame]...), decodeAll(t, d, packets[11:], frame)...)
			from := 12 * frame
			if a := snr(got[from:], clean[from:], 0); len(got) != len(clean) || a < 10 {
				t.Errorf("%v: %d samples of %d, %.1f dB from what it would be", s, len(got), len(clean), a)
			}
		}
	}
}

const canary = 0x5a5a

func canaries(n int) []int16 { return slices.Repeat([]int16{canary}, n) }

func intact(pcm []int16) bool {
	return !slices.ContainsFunc(pcm, func(v int16) bool { return v != canary })
}

// libopus is given the capacity of a slice by its binding; what lies there must never be touched.
func TestDecodeAndConcealStayWithinTheirSlice(t *testing.T) {
	packets := sender{opus.AppVoIP, 48000, 1, 200, 15}.packets(t, "voice", 1)
	d := newDecoder(t, 16000)
	for i, p := range packets {
		whole := canaries(10000)
		n, err := d.Decode(p, whole[:1920])
		if n != 320 || err != nil || !intact(whole[320:]) {
			t.Fatalf("packet %d: %d samples, %v, rest intact: %v", i, n, err, intact(whole[320:]))
		}
		for _, next := range [][]byte{nil, p} {
			whole = canaries(10000)
			if err := d.Conceal(next, whole[:320]); err != nil || !intact(whole[320:]) || intact(whole[:320]) {
				t.Fatalf("conceal after %d: %v, rest intact: %v", i, err, intact(whole[320:]))
			}
		}
		whole = canaries(10000)
		if n, err := d.Decode(p, whole[:319]); n != 0 || err == nil || !intact(whole) {
			t.Fatalf("packet %d in too short a slice: %d samples, %v, intact: %v", i, n, err, intact(whole))
		}
	}
}

func TestDecodeDamagedPackets(t *testing.T) {
	for _, s := range []sender{{opus.AppVoIP, 48000, 2, 200, 0}, {opus.AppRestrictedLowdelay, 48000, 1, 600, 0}} {
		packets := s.packets(t, "tone", 3)
		good, bad := packets[:len(packets)-4], packets[len(packets)-4]
		d := newDecoder(t, 16000)
		whole := canaries(4000)
		for n := range bad {
			if _, err := d.Decode(bad[:n], whole[:1920]); n == 0 && !errors.Is(err, ErrPacket) {
				t.Errorf("%v: an empty packet gave %v", s, err)
			}
		}
		for i := range 256 {
			flipped := slices.Clone(bad)
			flipped[i%len(flipped)] ^= byte(i)
			_, _ = d.Decode(flipped, whole[:1920]) // error or noise, as the bits fall
		}
		if !intact(whole[1920:]) {
			t.Errorf("%v: wrote beyond the slice", s)
		}
		got := decodeAll(t, d, good, 16*s.tenths/10)
		if a := level(got[8000:], 16000); math.Abs(a-0.5) > 0.04 {
			t.Errorf("%v: after damaged packets the tone came out at %.3f, want 0.5", s, a)
		}
	}
}

func TestConcealLengths(t *testing.T) {
	for _, rate := range []int{8000, 12000, 16000, 24000, 48000} {
		d := newDecoder(t, rate)
		step := rate / 400
		pcm := canaries(rate)
		if err := d.Conceal(nil, pcm[:8*step]); err != nil || !math.IsInf(peak(pcm[:8*step]), -1) {
			t.Errorf("%d Hz: before the first packet: %v, %.0f dBFS", rate, err, peak(pcm[:8*step]))
		}
		decodeAll(t, d, sender{opus.AppVoIP, 48000, 1, 200, 15}.packets(t, "tone", 0.5), rate/50)
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 24, 47, 48, 100, 400} {
			pcm = canaries(rate + step)
			if err := d.Conceal(nil, pcm[:n*step]); err != nil || pcm[n*step-1] == canary || !intact(pcm[n*step:]) {
				t.Errorf("%d Hz, %d × 2.5 ms: %v", rate, n, err)
			}
		}
		for _, n := range []int{0, 1, step - 1, step + 1} {
			if d.Conceal(nil, pcm[:n]) == nil {
				t.Errorf("%d Hz: %d samples are not a multiple of 2.5 ms", rate, n)
			}
		}
	}
}

// A packet lost now and then is heard from the copy in the next: nearer to what was sent than a guess.
func TestConcealByFEC(t *testing.T) {
	const rate, frame = 16000, 320
	for _, hole := range []int{1, 3} { // packets lost at a time
		packets := sender{opus.AppVoIP, rate, 1, 200, 15}.packets(t, "voice", 4)
		whole := decodeAll(t, newDecoder(t, rate), packets, frame)
		errorOf := func(fec bool) (sum float64) {
			d := newDecoder(t, rate)
			pcm := make([]int16, 1920)
			for i := 0; i < len(packets); i++ {
				if i%20 == 10 {
					var next []byte
					if i += hole; fec {
						next = packets[i]
					}
					gap := pcm[:hole*frame]
					if err := d.Conceal(next, gap); err != nil {
						t.Fatal(err)
					}
					for k, v := range gap[(hole-1)*frame:] {
						e := float64(v) - float64(whole[(i-1)*frame+k])
						sum += e * e
					}
				}
				if _, err := d.Decode(packets[i], pcm); err != nil {
					t.Fatal(err)
				}
			}
			return sum
		}
		if with, without := errorOf(true), errorOf(false); with > without*2/3 {
			t.Errorf("hole of %d: error energy %.3g with the copy, %.3g without", hole, with, without)
		}
	}
}

// What follows a hole may be anything; then the hole is guessed.
func TestConcealWithUselessNext(t *testing.T) {
	packets := sender{opus.AppVoIP, 16000, 1, 200, 15}.packets(t, "voice", 1)
	celt := sender{opus.AppRestrictedLowdelay, 16000, 1, 200, 15}.packets(t, "voice", 1)
	long := sender{opus.AppVoIP, 16000, 1, 600, 15}.packets(t, "voice", 1)
	var want []int16
	for _, next := range [][]byte{nil, {}, {0xff, 0xff}, celt[20], long[5]} {
		d := newDecoder(t, 16000)
		decodeAll(t, d, packets[:20], 320)
		got := make([]int16, 320)
		if err := d.Conceal(next, got); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("a next of %d bytes changed the guess", len(next))
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	packets := sender{opus.AppVoIP, 48000, 1, 200, 15}.packets(t, "voice", 1)
	d := newDecoder(t, 16000)
	pcm := make([]int16, 1920)
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		p := packets[i%len(packets)]
		i++
		if d.Conceal(p, pcm[:320]) != nil || d.Conceal(nil, pcm[:320]) != nil {
			t.Fatal("no concealment")
		}
		if _, err := d.Decode(p, pcm); err != nil {
			t.Fatal(err)
		}
		if _, err := PacketDuration(p); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// FuzzDecode: any bytes, between good packets, give an error or their duration of samples, and nothing else is touched.
func FuzzDecode(f *testing.F) {
	seed(f)
	good := sender{opus.AppVoIP, 48000, 1, 200, 15}.packets(f, "voice", 0.2)
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := newDecoder(t, 16000)
		whole := canaries(4000)
		for _, p := range [][]byte{payload, good[3], payload, payload, good[4]} {
			n, err := d.Decode(p, whole[:1920])
			want, bad := PacketDuration(p)
			if err == nil && (bad != nil || n != d.samples(want)) || bad != nil && !errors.Is(err, ErrPacket) {
				t.Fatalf("%d samples, %v; want %v, %v", n, err, want, bad)
			}
			if err := d.Conceal(p, whole[:960]); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := d.Decode(good[5], whole[:1920]); n != 320 || err != nil {
			t.Fatalf("a good packet afterwards: %d, %v", n, err)
		}
		if !intact(whole[1920:]) {
			t.Fatal("wrote beyond the slice")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, app := range []opus.Application{opus.AppVoIP, opus.AppRestrictedLowdelay} {
		for _, rate := range []int{16000, 48000} {
			s := sender{app, 48000, 1, 200, 0}
			b.Run(fmt.Sprint(s, "→", rate), func(b *testing.B) {
				packets := s.packets(b, "voice", 2)
				d := newDecoder(b, rate)
				pcm := make([]int16, rate*120/1000)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := d.Decode(packets[i%len(packets)], pcm); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
