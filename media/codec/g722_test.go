package codec

import (
	"math"
	"slices"
	"testing"

	"parley/media"
)

// g722Delay is by how many samples encoder and decoder together are late.
const g722Delay = 22

// snr is how far, in dB, got is from want, which it follows delay samples later.
func snr(got, want []int16, delay int) float64 {
	var signal, noise float64
	for i, w := range want[:min(len(want), len(got)-delay)] {
		e := float64(got[i+delay]) - float64(w)
		noise += e * e
		signal += float64(w) * float64(w)
	}
	return 10 * math.Log10(signal/noise)
}

func TestG722Quality(t *testing.T) {
	for _, c := range []struct {
		kind string
		want float64 // dB
	}{{"tone", 35}, {"hum", 44}, {"voice", 38}} {
		pcm := wave(c.kind, 16000, 16000)
		got := decodePackets(t, media.G722, encodeAll(t, media.G722, pcm))
		best, delay := math.Inf(-1), 0
		for d := range 60 {
			if s := snr(got, pcm, d); s > best {
				best, delay = s, d
			}
		}
		if best < c.want || delay != g722Delay {
			t.Errorf("%s: %.1f dB at a delay of %d samples, want %.0f at %d", c.kind, best, delay, c.want, g722Delay)
		}
	}
}

// An encoder's Reset leaves what the listener's predictors have in common with its own: speech that begins anew is as
// clear as at first, whether it was silent before or was cut.
func TestG722GoesOnAfterReset(t *testing.T) {
	for _, silence := range []int{0, 1, 12} {
		e, d := newG722Encoder(), newG722Decoder()
		pass := func(pcm []int16) []int16 {
			buf, out := make([]byte, len(pcm)/2), make([]int16, len(pcm))
			e.encode(pcm, buf)
			d.decode(buf, out)
			return out
		}
		speech := wave("voice", 16000, 16000)
		pass(speech[:9000])
		pass(make([]int16, 320*silence))
		e.reset()
		first := pass(speech[:1600])
		fresh := decodePackets(t, media.G722, encodeAll(t, media.G722, speech[:1600]))
		// Without silence the last samples of what was cut are still in the listener's filter.
		got, want := snr(first[100:], speech[100:1600], g722Delay), snr(fresh[100:], speech[100:1600], g722Delay)
		if got < want-1 {
			t.Errorf("after %d silent frames: %.1f dB, at first %.1f", silence, got, want)
		}
		if !slices.Equal(e.low.b[:], d.low.b[:]) || e.low.nb != d.low.nb || e.high.nb != d.high.nb {
			t.Errorf("after %d silent frames the two ends differ", silence)
		}
	}
}

// A listener who missed packets soon hears what the others hear, and 400 ms later to the bit.
func TestG722RecoversFromLoss(t *testing.T) {
	for _, kind := range []string{"tone", "voice"} {
		for lost := 1; lost <= 10; lost++ {
			coded := encodeAll(t, media.G722, wave(kind, 16000, 32000))
			all, missed := newG722Decoder(), newG722Decoder()
			a, b := make([]int16, 320), make([]int16, 320)
			for i := 0; i < len(coded)/160; i++ {
				all.decode(coded[160*i:][:160], a)
				if i < 50 || i >= 50+lost {
					missed.decode(coded[160*i:][:160], b)
				}
				after := i - 50 - lost
				if s := snr(b, a, 0); after >= 1 && s < 8 || after >= 10 && s < 30 || after >= 20 && !slices.Equal(a, b) {
					t.Fatalf("%s, %d packets lost: %d packets later %.1f dB", kind, lost, after, s)
				}
			}
		}
	}
}
