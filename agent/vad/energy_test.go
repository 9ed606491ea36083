package vad

import (
	"math"
	"slices"
	"testing"
	"time"

	"parley/media"
)

func TestEnergyScores(t *testing.T) {
	for _, tt := range []struct {
		name  string
		e     Energy
		pcm   []int16
		voice float32
		level float64
	}{
		{"silence", Energy{}, make([]int16, Hop), 0, -100},
		{"an offset", Energy{}, slices.Repeat([]int16{3000}, Hop), 0, -100},
		{"loud", Energy{}, tone(1, -20), 1, -20},
		{"soft", Energy{}, tone(1, -46), 0, -46},
		{"soft, with a lower threshold", Energy{Threshold: -50}, tone(1, -46), 1, -46},
		{"full scale", Energy{}, tone(1, -0.0003), 1, 0},
	} {
		got := scores(t, tt.e, tt.pcm)
		if len(got) != 1 || got[0].Voice != tt.voice || math.Abs(float64(got[0].Level)-tt.level) > 0.2 {
			t.Errorf("%s: %v, want voice %v, level %v", tt.name, got, tt.voice, tt.level)
		}
	}
}

func TestHopsOfAnyFrame(t *testing.T) {
	for _, size := range []int{1, 100, 320, 512, 513, 1024, 5000} {
		s := Energy{}.Open()
		var ends []time.Duration
		for i := 0; i < 5000; i += size {
			n := min(size, 5000-i)
			got, err := s.Score(media.Frame{At: time.Second + media.Samples(i, 16000), Rate: 16000, PCM: make([]int16, n)})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range got {
				ends = append(ends, s.At)
			}
		}
		if len(ends) != 9 {
			t.Fatalf("frames of %d: %d hops of 5000 samples, want 9", size, len(ends))
		}
		for i, at := range ends {
			if want := time.Second + media.Samples((i+1)*Hop, 16000); (at - want).Abs() > time.Microsecond {
				t.Errorf("frames of %d: hop %d ends at %v, want %v", size, i, at, want)
			}
		}
	}
}

func TestFramesOfAnotherRateAreRefused(t *testing.T) {
	s := Energy{}.Open()
	if _, err := s.Score(media.Frame{Rate: 48000, PCM: make([]int16, 960)}); err == nil {
		t.Error("a frame of 48 kHz was scored")
	}
	if got, err := s.Score(media.Frame{Rate: 16000, PCM: make([]int16, Hop)}); err != nil || len(got) != 1 {
		t.Errorf("after an error: %v, %v", got, err)
	}
}
