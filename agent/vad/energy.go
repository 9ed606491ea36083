package vad

import (
	"time"

	"parley/media"
)

// Energy is a Detector that takes whatever is loud for speech: for tests, and for when no model is at
// hand. Its Voice is 1 in a hop of at least Threshold dBFS and else 0.
type Energy struct {
	Threshold float32 // dBFS; zero means −45
}

// Open opens the detector for one call.
func (e Energy) Open() Stream {
	if e.Threshold == 0 {
		e.Threshold = -45
	}
	return &energyStream{threshold: e.Threshold}
}

type energyStream struct {
	threshold float32
	hops      hopper
	scores    []Score
}

// Score compares each hop with the threshold.
func (s *energyStream) Score(f media.Frame) ([]Score, error) {
	s.scores = s.scores[:0]
	err := s.hops.cut(f, func(end time.Duration) error {
		score := Score{At: end, Level: level(s.hops.pcm[:])}
		if score.Level >= s.threshold {
			score.Voice = 1
		}
		s.scores = append(s.scores, score)
		return nil
	})
	return s.scores, err
}
