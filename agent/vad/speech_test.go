package vad

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/internal/models"
	"parley/internal/onnx"
	"parley/media"
)

// model is the path of a fetched model; the runtime is open.
func model(t testing.TB, file string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs fetched models and human speech")
	}
	if err := onnx.Open(filepath.Join(models.Dir(), models.RuntimeFile)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(models.Dir(), file)
}

// speech is human speech of the given lengths, of at least 2 s.
func speech(t testing.TB, min, max time.Duration) []corpus.Utterance {
	t.Helper()
	all, err := human()
	if err != nil {
		t.Fatal(err)
	}
	var us []corpus.Utterance
	for _, u := range all {
		if d := u.Duration(); d >= min && d <= max {
			us = append(us, u)
		}
	}
	return us
}

var human = sync.OnceValues(func() ([]corpus.Utterance, error) { return corpus.Load(2*time.Second, 8*time.Second) })

// mix changes the level of pcm by gain (dB) and adds white noise of the given level (dBFS).
func mix(pcm []int16, gain, noise float64) []int16 {
	out := make([]int16, len(pcm))
	g, n := math.Pow(10, gain/20), 32768*math.Pow(10, noise/20)
	r := rand.New(rand.NewPCG(1, 2))
	for i, v := range pcm {
		out[i] = int16(math.Round(max(-32768, min(32767, float64(v)*g+n*r.NormFloat64()))))
	}
	return out
}

// scores plays pcm through d in frames of 20 ms.
func scores(t testing.TB, d Detector, pcm []int16) []Score {
	t.Helper()
	var all []Score
	s := d.Open()
	for i := 0; i < len(pcm); i += 320 {
		f := media.Frame{At: media.Samples(i, 16000), Rate: 16000, PCM: pcm[i:min(len(pcm), i+320)]}
		got, err := s.Score(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, got...)
	}
	return all
}
