package cassette

import (
	"bytes"
	"compress/flate"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/corpus"
)

func TestPCM(t *testing.T) {
	noise := make([]int16, 5000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = int16(r.Uint32())
	}
	tests := [][]int16{nil, {1}, {-32768, 32767, -32768, 32767}, {0, 0, 0}, noise}
	for _, pcm := range tests {
		b := packPCM(pcm)
		got, err := unpackPCM(b)
		if err != nil || !slices.Equal(got, pcm) {
			t.Errorf("%d samples came back as %d: %v", len(pcm), len(got), err)
		}
		for _, bad := range [][]byte{b[1:], b[:len(b)-1], append(slices.Clone(b), 0), nil, []byte(pcmMagic)} {
			if _, err := unpackPCM(bad); err == nil {
				t.Errorf("%d bytes of %d are taken", len(bad), len(b))
			}
		}
	}
}

func FuzzPCM(f *testing.F) {
	f.Add([]byte("pcm1\x02abcd"))
	f.Add([]byte("pcm1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pcm, err := unpackPCM(b)
		if err != nil {
			return
		}
		if again, err := unpackPCM(packPCM(pcm)); err != nil || !slices.Equal(again, pcm) {
			t.Errorf("%d samples do not come back: %v", len(pcm), err)
		}
	})
}

// TestPCMRatio measures what is left of human speech after the bundle's DEFLATE.
func TestPCMRatio(t *testing.T) {
	if testing.Short() {
		t.Skip("needs human speech")
	}
	speech, err := corpus.Load(time.Second, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	raw, packed := 0, 0
	for _, u := range speech[:min(40, len(speech))] {
		var out bytes.Buffer
		z, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(packPCM(u.PCM)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		raw, packed = raw+2*len(u.PCM), packed+out.Len()
	}
	ratio := float64(packed) / float64(raw)
	t.Logf("%d bytes became %d: %.3f", raw, packed, ratio)
	if ratio > 0.7 {
		t.Errorf("%.3f of the samples' size is left, want at most 0.7", ratio)
	}
}

func BenchmarkPackPCM(b *testing.B) {
	pcm := make([]int16, 24000)
	for i := range pcm {
		pcm[i] = int16(i * i)
	}
	b.SetBytes(int64(2 * len(pcm)))
	for b.Loop() {
		packPCM(pcm)
	}
}
