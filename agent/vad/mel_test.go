package vad

import (
	"errors"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"

	"parley/internal/onnx"
	"parley/media"
)

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

// plain fills out as features does, the simple way: every frame by itself, with another transform.
func plain(m *mel, pcm []int16, out []float32) {
	m.normalize(pcm)
	transform := fourier.NewFFT(melWindow)
	var frame [melWindow]float64
	var spectrum [melBins]complex128
	logs, most := make([]float64, len(out)), math.Inf(-1)
	for t := range melFrames {
		for i, w := range m.window {
			frame[i] = m.audio[t*melHop+i] * w
		}
		transform.Coefficients(spectrum[:], frame[:])
		for b, band := range m.bands {
			var e float64
			for k, w := range band.weight {
				c := spectrum[band.first+k]
				e += w * (real(c)*real(c) + imag(c)*imag(c))
			}
			e = math.Log10(max(e, 1e-10))
			logs[b*melFrames+t] = e
			most = max(most, e)
		}
	}
	for i, e := range logs {
		out[i] = float32((max(e, most-8) + 4) / 4)
	}
}

// apart is the largest difference of two sets of features.
func apart(a, b []float32) float64 {
	var most float64
	for i := range a {
		most = max(most, math.Abs(float64(a[i])-float64(b[i])))
	}
	return most
}

// TestMelIsThePlainOne: the short cuts change nothing that float32 can hold, at any length of the audio.
func TestMelIsThePlainOne(t *testing.T) {
	m, fast, want := newMel(), make([]float32, melBands*melFrames), make([]float32, melBands*melFrames)
	noise := make([]int16, melSamples+1)
	for i, r := 0, rand.New(rand.NewPCG(3, 4)); i < len(noise); i++ {
		noise[i] = int16(r.NormFloat64() * 900)
	}
	ends := []int{0, 1, 159, 160, 161, 199, 200, 201, 400, 559, 560, 561, 719, 720, 721, 16000}
	for _, end := range ends {
		for _, n := range []int{end, melSamples + 1 - end} {
			m.features(noise[:n], fast)
			plain(m, noise[:n], want)
			if d := apart(fast, want); d > 2.5e-7 {
				t.Errorf("%d samples: %v apart", n, d)
			}
		}
	}
}

// TestSmartTurnAnswersAsOfThePlainMel: human speech, every second sentence cut short. Features equal to the
// bit give equal answers; of the others the model is asked.
func TestSmartTurnAnswersAsOfThePlainMel(t *testing.T) {
	d := smartTurn(t)
	r, err := newSmartTurnRun()
	if err != nil {
		t.Fatal(err)
	}
	defer r.free()
	fast := make([]float32, len(r.features))
	clips, others := speech(t, 2*time.Second, 8*time.Second), 0
	for i, u := range clips {
		pcm := u.PCM[:len(u.PCM)*(10-4*(i%2))/10]
		r.mel.features(pcm, fast)
		plain(r.mel, pcm, r.features)
		if a := apart(fast, r.features); a > 1e-6 {
			t.Errorf("clip %d: features %v apart", i, a)
		}
		if slices.Equal(fast, r.features) {
			continue
		}
		others++
		p, err1 := d.Finished(pcm)
		err2 := d.session.Run(t.Context(), []*onnx.Tensor{r.in}, []*onnx.Tensor{r.out})
		if err := errors.Join(err1, err2); err != nil || math.Abs(float64(p-r.probability[0])) > 1e-3 {
			t.Errorf("clip %d: probability %v, want %v; %v", i, p, r.probability[0], err)
		}
	}
	t.Logf("%d clips, %d of them with features that differ in a bit", len(clips), others)
	if len(clips) < 100 {
		t.Errorf("only %d clips", len(clips))
	}
}

func TestFFT(t *testing.T) {
	f, r := newFFT(), rand.New(rand.NewPCG(5, 6))
	for i := range f.points {
		f.points[i] = complex(r.NormFloat64(), r.NormFloat64())
	}
	want := fourier.NewCmplxFFT(melWindow).Coefficients(nil, f.points[:])
	f.transform()
	for k, w := range want {
		if cmplx.Abs(f.points[k]-w) > 1e-12 {
			t.Errorf("bin %d: %v, want %v", k, f.points[k], w)
		}
	}
}

func BenchmarkMel(b *testing.B) {
	m, out := newMel(), make([]float32, melBands*melFrames)
	for _, hops := range []int{250, 125} { // 8 and 4 s
		pcm := tone(hops, -20)
		b.Run(media.Samples(len(pcm), media.ListenRate).String(), func(b *testing.B) {
			b.ReportAllocs()
			before := processor(b)
			for b.Loop() {
				m.features(pcm, out)
			}
			b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
