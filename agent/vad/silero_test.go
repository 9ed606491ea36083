package vad

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/models"
	"parley/media"
)

func silero(t testing.TB) *Silero {
	t.Helper()
	d, err := NewSilero(model(t, models.SileroFile))
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

func TestSileroHearsSpeech(t *testing.T) {
	d := silero(t)
	const quiet = 500 * time.Millisecond
	var late []time.Duration
	for i, u := range speech(t, 2*time.Second, 4*time.Second) {
		if i%4 != 0 {
			continue
		}
		pcm := slices.Concat(make([]int16, quiet*media.ListenRate/time.Second), u.PCM, make([]int16, media.ListenRate))
		var first time.Duration
		voiced, after := time.Duration(0), time.Duration(0)
		for _, s := range scores(t, d, mix(pcm, 0, -60)) {
			hop := media.Samples(Hop, media.ListenRate)
			switch {
			case s.Voice < 0.5:
			case s.At > quiet+u.Duration()+300*time.Millisecond:
				after += hop
			default:
				if voiced += hop; first == 0 {
					first = s.At
				}
			}
		}
		late = append(late, first-quiet)
		if first < quiet || voiced < u.Duration()*7/10 || after > 0 {
			t.Errorf("%s of %v: %v of voice from %v on, %v of it long after the speech", u.Name, u.Duration(), voiced, first, after)
		}
	}
	slices.Sort(late)
	t.Logf("%d utterances, the onset heard after %v (median), %v (longest)", len(late), late[len(late)/2], late[len(late)-1])
	if late[len(late)/2] > 100*time.Millisecond {
		t.Error("want 100 ms")
	}
}

func TestSileroStreamsAreApart(t *testing.T) {
	d := silero(t)
	pcm := speech(t, 2*time.Second, 4*time.Second)[0].PCM
	alone := scores(t, d, pcm)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, s := range scores(t, d, pcm) {
				if s != alone[i] {
					t.Errorf("hop %d: %v among others, %v alone", i, s, alone[i])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSileroModelMissingOrBroken(t *testing.T) {
	other := model(t, models.SmartTurnFile)
	if _, err := NewSilero(filepath.Join(t.TempDir(), "none.onnx")); err == nil {
		t.Error("a missing model was opened")
	}
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("not a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSilero(broken); err == nil {
		t.Error("a broken model was opened")
	}
	if _, err := NewSilero(other); err == nil {
		t.Error("another model was opened")
	}
}

func BenchmarkSilero(b *testing.B) {
	d := silero(b)
	pcm := speech(b, 2*time.Second, 4*time.Second)[0].PCM[16000 : 16000+Hop]
	s := d.Open()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Score(media.Frame{Rate: 16000, PCM: pcm}); err != nil {
			b.Fatal(err)
		}
	}
}
