package codec

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"parley/media"
)

var phones = []media.Codec{media.PCMU, media.PCMA, media.G722}

// lossy decodes pcm with the packets that lost names missing, as it is heard with a caller who fades long holes.
func lossy(t *testing.T, c media.Codec, pcm []int16, lost func(packet int) bool) (heard []int16) {
	t.Helper()
	coded := encodeAll(t, c, pcm)
	d := newPhone(t, c)
	frame := Rate(c, 0) / 50
	out := make([]int16, 6*frame)
	made := 0
	for i := 0; i < len(coded)/160; i++ {
		if lost(i) {
			if err := d.Conceal(nil, out[:frame]); err != nil {
				t.Fatal(err)
			}
			for k := range frame {
				if made++; made > fadeFrom*frame/20 {
					out[k] = int16(int(out[k]) * max(0, fadeTo*frame/20-made) / ((fadeTo - fadeFrom) * frame / 20))
				}
			}
		} else {
			made = 0
			if _, err := d.Decode(coded[160*i:][:160], out); err != nil {
				t.Fatal(err)
			}
		}
		heard = append(heard, out[:frame]...)
	}
	return heard
}

func newPhone(t testing.TB, c media.Codec) Decoder {
	t.Helper()
	d, err := NewDecoder(c, Rate(c, 0))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConcealmentFollowsThePeriod(t *testing.T) {
	for _, c := range phones {
		for _, f := range []float64{70, 100, 131, 187.5, 250, 440, 1000} {
			rate := Rate(c, 0)
			pcm := make([]int16, rate)
			for i := range pcm {
				x := 2 * math.Pi * f * float64(i) / float64(rate)
				pcm[i] = int16(8000*math.Sin(x) + 3000*math.Sin(2*x))
			}
			clean := lossy(t, c, pcm, func(int) bool { return false })
			got := lossy(t, c, pcm, func(i int) bool { return i == 20 })
			hole := got[20*rate/50 : 21*rate/50]
			if s := snr(hole, clean[20*rate/50:21*rate/50], 0); s < 12 {
				t.Errorf("%s: 20 ms of %v Hz are guessed to %.1f dB", c, f, s)
			}
		}
	}
}

// Where a hole begins, where what fills it repeats, where it ends: the sound bends no more sharply than it does
// elsewhere, if it has a period, and not much more if it has none.
func TestConcealmentDoesNotClick(t *testing.T) {
	for _, c := range phones {
		for kind, most := range map[string]float64{"tone": 1.1, "hum": 1.1, "voice": 1.1, "chord": 2} {
			rate := Rate(c, 0)
			pcm := wave(kind, rate, rate/2)
			clean := lossy(t, c, pcm, func(int) bool { return false })
			limit := most*bend(clean, 1, len(clean)-1) + 20
			for _, hole := range []int{1, 2, 3, 4, 10} {
				for first := 5; first < 14; first++ {
					got := lossy(t, c, pcm, func(i int) bool { return i >= first && i < first+hole })
					from, to := first*rate/50-3, min((first+hole)*rate/50+rate/200, len(got)-1)
					if b := bend(got, from, to); b > limit {
						t.Errorf("%s, %s: a hole of %d at %d bends the sound by %.0f, %.0f are allowed", c, kind, hole, first, b, limit)
					}
				}
			}
		}
	}
}

// bend is the largest second difference.
func bend(pcm []int16, from, to int) (most float64) {
	for i := from; i < to; i++ {
		most = max(most, math.Abs(float64(pcm[i-1])-2*float64(pcm[i])+float64(pcm[i+1])))
	}
	return most
}

func TestConcealmentDoesNotGrow(t *testing.T) {
	for _, c := range phones {
		for name, pcm := range map[string][]int16{
			"noise":  wave("noise", 16000, 16000),
			"square": square(16000),
			"voice":  wave("voice", Rate(c, 0), 16000),
			"onset":  append(make([]int16, 3100), wave("hum", Rate(c, 0), 100)...),
			"click":  append(make([]int16, 3199), 30000),
			"silent": make([]int16, 3200),
		} {
			coded := encodeAll(t, c, pcm[:3200])
			d, out := newPhone(t, c), make([]int16, 1920)
			var heard []int16
			for ; len(coded) > 0; coded = coded[min(160, len(coded)):] {
				n, err := d.Decode(coded[:min(160, len(coded))], out)
				if err != nil {
					t.Fatal(err)
				}
				heard = append(heard, out[:n]...)
			}
			before := power(heard[len(heard)-Rate(c, 0)*patchPast/1000:])
			loudest := peak(heard)
			hole := make([]int16, Rate(c, 0)*2)
			if err := d.Conceal(nil, hole); err != nil {
				t.Fatal(err)
			}
			// The last period may be louder than the time that was searched for it, at most by their lengths' ratio.
			if p := power(hole[len(hole)/2:]); p > before+10*math.Log10(float64(patchPast)/periodLeast) {
				t.Errorf("%s, %s: %.1f dBFS after a second in a hole, %.1f before", c, name, p, before)
			}
			if p := peak(hole[len(hole)/2:]); p > loudest {
				t.Errorf("%s, %s: a peak of %.1f dBFS in a hole, %.1f before", c, name, p, loudest)
			}
		}
	}
}

// Speech that comes back after a hole that the caller faded to silence rises from silence.
func TestSpeechReturnsFromSilence(t *testing.T) {
	for _, c := range phones {
		frame := Rate(c, 0) / 50
		got := lossy(t, c, wave("voice", 50*frame, 30*frame), func(i int) bool { return i >= 10 && i < 20 })
		if p := peak(got[13*frame : 20*frame]); !math.IsInf(p, -1) {
			t.Errorf("%s: a long hole ends at %.1f dBFS", c, p)
		}
		if p := peak(got[20*frame:][:frame/40]); p > -20 {
			t.Errorf("%s: half a millisecond after it there are %.1f dBFS", c, p)
		}
		clean := lossy(t, c, wave("voice", 50*frame, 30*frame), func(int) bool { return false })
		if c != media.G722 && !slices.Equal(got[20*frame+frame/4:], clean[20*frame+frame/4:]) {
			t.Errorf("%s: 5 ms after the hole the sound is not what it was", c)
		}
	}
}

func TestPhoneConcealLengths(t *testing.T) {
	for _, c := range phones {
		step := Rate(c, 0) / 400
		d, pcm := newPhone(t, c), canaries(100*step)
		for _, n := range []int{0, 1, step - 1, step + 1} {
			if d.Conceal(nil, pcm[:n]) == nil || !intact(pcm) {
				t.Errorf("%s: %d samples are not a multiple of 2.5 ms", c, n)
			}
		}
		for _, n := range []int{1, 8, 48} {
			if err := d.Conceal([]byte{1}, pcm[:n*step]); err != nil || !math.IsInf(peak(pcm[:n*step]), -1) || !intact(pcm[n*step:]) {
				t.Errorf("%s: before the first packet: %v, %.0f dBFS", c, err, peak(pcm[:n*step]))
			}
		}
	}
}

func BenchmarkConceal(b *testing.B) {
	for _, c := range phones {
		b.Run(fmt.Sprint(c), func(b *testing.B) {
			d, pcm := newPhone(b, c), make([]int16, 1920)
			coded := encodeAll(b, c, wave("voice", Rate(c, 0), Rate(c, 0)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ { // a hole of 20 ms, and the packet after it
				if _, err := d.Decode(coded[i%50*160:][:160], pcm); err != nil {
					b.Fatal(err)
				}
				if err := d.Conceal(nil, pcm[:Rate(c, 0)/50]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
