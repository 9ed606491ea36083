package vad

import (
	"errors"
	"math"
	"testing"
	"time"

	"parley/media"
)

// hears is a detector whose streams note the level of each hop that they hear, and report a Voice that is
// not certain.
func hears(levels *[]float32, fail error) Detector {
	return DetectorFunc(func() Stream { return &hearing{levels: levels, fail: fail, voice: 0.7} })
}

type hearing struct {
	hops   hopper
	levels *[]float32
	fail   error
	voice  float32
}

func (s *hearing) Score(f media.Frame) ([]Score, error) {
	var out []Score
	err := s.hops.cut(f, func(end time.Duration) error {
		*s.levels = append(*s.levels, level(s.hops.pcm[:]))
		out = append(out, Score{At: end, Voice: s.voice})
		return s.fail
	})
	return out, err
}

// tone is n hops of a square wave at the given level.
func tone(n int, dBFS float64) []int16 {
	pcm := make([]int16, n*Hop)
	a := int16(math.Round(32768 * math.Pow(10, dBFS/20)))
	for i := range pcm {
		pcm[i] = a
		if i%20 < 10 {
			pcm[i] = -a
		}
	}
	return pcm
}

func TestGateHearsWhatWasBefore(t *testing.T) {
	var levels []float32
	pcm := append(tone(10, -70), tone(3, -30)...)
	got := scores(t, Gate(hears(&levels, nil)), pcm)
	if len(got) != 13 {
		t.Fatalf("%d scores for 13 hops", len(got))
	}
	for i, s := range got {
		want := Score{At: media.Samples((i+1)*Hop, 16000), Level: -70}
		if i >= 10 {
			want.Voice, want.Level = 0.7, -30
		}
		if s.At != want.At || s.Voice != want.Voice || math.Abs(float64(s.Level-want.Level)) > 0.5 {
			t.Errorf("hop %d: %v, want %v", i, s, want)
		}
	}
	if len(levels) != gateBack+3 || levels[gateBack-1] > -69 || levels[gateBack] < -31 {
		t.Errorf("the detector heard %v, want %d quiet hops and 3 loud ones", levels, gateBack)
	}
}

// In the middle of loud speech three hops are scored together; where it falls each is scored as it comes.
func TestGateIsSureInSpeech(t *testing.T) {
	var levels []float32
	s := Gate(DetectorFunc(func() Stream { return &hearing{levels: &levels, voice: 1} })).Open()
	var heard []int
	for hop, level := range []float64{-70, -30, -30, -30, -30, -30, -30, -30, -50, -50, -30, -30} {
		got, err := s.Score(media.Frame{Rate: 16000, PCM: tone(1, level)})
		if err != nil || len(got) != 1 || (got[0].Voice == 1) != (hop > 0) {
			t.Fatalf("hop %d: %v, %v", hop, got, err)
		}
		heard = append(heard, len(levels))
	}
	want := []int{0, 2, 2, 2, 5, 5, 5, 8, 9, 10, 10, 10}
	for i := range want {
		if heard[i] != want[i] {
			t.Fatalf("after each hop the detector had heard %v, want %v", heard, want)
		}
	}
}

func TestGateFollowsTheNoise(t *testing.T) {
	for _, tt := range []struct {
		noise   float64
		seconds int
		opens   bool // for sound 4 dB louder than the noise
		speech  float64
	}{
		{-90, 2, false, -50}, // far below gateLow
		{-70, 10, false, -55},
		{-55, 10, false, -45},
		{-40, 10, true, -30}, // a line this loud is always heard
	} {
		var levels []float32
		s := Gate(hears(&levels, nil)).Open().(*gate)
		play := func(hops int, dBFS float64) int {
			levels = nil
			if _, err := s.Score(media.Frame{Rate: 16000, PCM: tone(hops, dBFS)}); err != nil {
				t.Fatal(err)
			}
			return len(levels)
		}
		play(tt.seconds*31, tt.noise)
		if got := play(1, tt.noise+4) > 0; got != tt.opens {
			t.Errorf("noise of %v dBFS: opened for 4 dB more: %v, want %v", tt.noise, got, tt.opens)
		}
		if play(1, tt.speech) == 0 {
			t.Errorf("noise of %v dBFS: closed for speech of %v", tt.noise, tt.speech)
		}
	}
}

func TestGatePassesErrorsAndGoesOn(t *testing.T) {
	fail := errors.New("fake")
	var levels []float32
	s := Gate(hears(&levels, fail)).Open()
	for range 2 {
		if _, err := s.Score(media.Frame{Rate: 16000, PCM: tone(1, -20)}); !errors.Is(err, fail) {
			t.Errorf("error %v, want the detector's", err)
		}
	}
	if len(levels) != 2 {
		t.Errorf("%d hops heard after errors, want 2", len(levels))
	}
}

func TestGateAgreesOnSpeech(t *testing.T) {
	d := silero(t)
	var line []int16
	us := speech(t, 2*time.Second, 5*time.Second)
	for i := 0; i < len(us); i += len(us) / 8 {
		line = append(append(line, us[i].PCM...), make([]int16, 2*media.ListenRate)...)
	}
	for _, tt := range []struct {
		name  string
		gain  float64 // of the speech, dB
		noise float64 // dBFS
		heard float64 // largest part of the hops that the model may hear
	}{
		{"digital silence", 0, -100, 0.75},
		{"quiet room", 0, -66, 0.75},
		{"quiet speaker", -15, -66, 0.75},
		{"office", 0, -50, 0.85},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pcm := mix(line, tt.gain, tt.noise)
			n := 0
			counted := DetectorFunc(func() Stream { return countHops{d.Open(), &n} })
			open, gated := scores(t, d, pcm), scores(t, Gate(counted), pcm)
			differ, lost := 0, 0
			for i := range open {
				if (open[i].Voice >= 0.5) != (gated[i].Voice >= 0.5) {
					differ++
				}
				if i > 0 && open[i].Voice >= 0.5 && open[i-1].Voice < 0.5 && gated[i].Voice < 0.5 && gated[min(i+1, len(gated)-1)].Voice < 0.5 {
					lost++
				}
			}
			heard := float64(n) / float64(len(open))
			t.Logf("%d of %d hops decided differently, %d onsets late, the model heard %.0f %%", differ, len(open), lost, 100*heard)
			if differ > len(open)/100 || lost > 0 || heard > tt.heard {
				t.Errorf("want ≤ %d, 0, ≤ %.0f %%", len(open)/100, 100*tt.heard)
			}
		})
	}
}

type countHops struct {
	Stream
	n *int
}

func (c countHops) Score(f media.Frame) ([]Score, error) {
	*c.n++
	return c.Stream.Score(f)
}
