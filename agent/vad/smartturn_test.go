package vad

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/models"
	"parley/media"
)

func smartTurn(t testing.TB) *SmartTurn {
	t.Helper()
	d, err := NewSmartTurn(model(t, models.SmartTurnFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestSmartTurnTellsWholeFromCut: sentences of one clause, whole and cut at 60 % of their length, each with
// 100 ms of silence.
func TestSmartTurnTellsWholeFromCut(t *testing.T) {
	d := smartTurn(t)
	finished := func(pcm []int16) bool {
		p, err := d.Finished(append(slices.Clone(pcm), make([]int16, media.ListenRate/10)...))
		if err != nil || p < 0 || p > 1 {
			t.Fatalf("probability %v, %v", p, err)
		}
		return p > 0.5
	}
	whole, cut, n := 0, 0, 0
	for i, u := range speech(t, 2200*time.Millisecond, 7*time.Second) {
		words := strings.TrimRight(strings.TrimSpace(u.Text), ".!?")
		if i%2 == 1 || strings.ContainsAny(words, ".,;!?") {
			continue
		}
		if n++; finished(u.PCM) {
			whole++
		}
		if !finished(u.PCM[:len(u.PCM)*6/10]) {
			cut++
		}
	}
	t.Logf("of %d sentences: %d whole ones finished, %d cut ones unfinished", n, whole, cut)
	if n < 30 || whole*100 < 75*n || cut*100 < 65*n {
		t.Error("want 75 % and 65 % of at least 30")
	}
}

// TestMelIsWhispers compares with values of Whisper's own feature extractor.
func TestMelIsWhispers(t *testing.T) {
	pcm := make([]int16, 4*media.ListenRate)
	for i := range pcm {
		n := float64(i)
		pcm[i] = int16(6000*math.Sin(n*n/200000) + 1000*math.Sin(n*0.9))
	}
	out := make([]float32, melBands*melFrames)
	newMel().features(pcm, out)
	for _, tt := range []struct {
		band, frame int
		want        float32
	}{
		{0, 0, 0.41821}, {3, 410, 0.66912}, {10, 450, 0.19728}, {25, 600, 0.64540}, {40, 700, -0.11486},
		{60, 750, -0.24876}, {79, 799, -0.07736}, {50, 399, 0.20128}, {50, 400, 0.73062},
	} {
		if got := out[tt.band*melFrames+tt.frame]; math.Abs(float64(got-tt.want)) > 2e-5 {
			t.Errorf("band %d, frame %d: %.5f, want %.5f", tt.band, tt.frame, got, tt.want)
		}
	}
}

func TestMelOfTones(t *testing.T) {
	m := newMel()
	out := make([]float32, melBands*melFrames)
	for _, hz := range []float64{200, 700, 1500, 4000, 7000} {
		pcm := make([]int16, 9*media.ListenRate)
		for i := range pcm {
			pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/media.ListenRate))
		}
		m.features(pcm, out)
		loudest := 0
		for b := range melBands {
			if out[b*melFrames+400] > out[loudest*melFrames+400] {
				loudest = b
			}
		}
		top := slaney(media.ListenRate / 2)
		low, high := hertz(top*float64(loudest)/(melBands+1)), hertz(top*float64(loudest+2)/(melBands+1))
		if hz < low || hz > high {
			t.Errorf("%v Hz is loudest in the band from %.0f to %.0f Hz", hz, low, high)
		}
	}
	if got := hertz(slaney(3333)); math.Abs(got-3333) > 1e-6 {
		t.Errorf("3333 Hz and back is %v Hz", got)
	}
}

func TestMelOfShortAudioHasSilenceBefore(t *testing.T) {
	m := newMel()
	out := make([]float32, melBands*melFrames)
	m.features(tone(30, -20), out) // 0.96 s
	for b := range melBands {
		early, late := out[b*melFrames+100], out[b*melFrames+melFrames-20]
		if early > late {
			t.Errorf("band %d: %v in the silence, %v in the sound", b, early, late)
		}
	}
	m.features(nil, out)
	for i, v := range out {
		if v != out[0] || math.IsNaN(float64(v)) {
			t.Fatalf("feature %d of nothing is %v, others %v", i, v, out[0])
		}
	}
}

func BenchmarkSmartTurn(b *testing.B) {
	d := smartTurn(b)
	pcm := speech(b, 4*time.Second, 7*time.Second)[0].PCM
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Finished(pcm); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMel(b *testing.B) {
	m, out := newMel(), make([]float32, melBands*melFrames)
	pcm := tone(250, -20)
	b.ReportAllocs()
	for b.Loop() {
		m.features(pcm, out)
	}
}
