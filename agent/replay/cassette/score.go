package cassette

import (
	"math"
	"sync"
	"time"

	"parley/agent/vad"
	"parley/media"
)

// Detector gives the recorded scores of the voice detector at their places of the timeline, whatever the audio is; Level is
// that of the audio. It is nil if no scores were recorded.
func (c *Cassette) Detector() vad.Detector {
	if len(c.scores) == 0 {
		return nil
	}
	return vad.DetectorFunc(func() vad.Stream { return &scored{left: c.scores} })
}

// scored is one call's place in the scores.
type scored struct {
	left    []vad.Score
	any     bool
	out     []vad.Score
	squares float64 // of the samples since the last score
	n       int
}

// Score gives the scores whose hops end within f or were passed over since the frame before.
func (s *scored) Score(f media.Frame) ([]vad.Score, error) {
	for !s.any && len(s.left) > 0 && s.left[0].At <= f.At {
		s.left = s.left[1:]
	}
	s.any, s.out = true, s.out[:0]
	for _, v := range f.PCM {
		s.squares += float64(v) * float64(v)
	}
	s.n += len(f.PCM)
	for len(s.left) > 0 && s.left[0].At <= f.At+f.Duration() {
		score := s.left[0]
		score.Level = s.level()
		s.out, s.left = append(s.out, score), s.left[1:]
	}
	if len(s.out) > 0 {
		s.squares, s.n = 0, 0
	}
	return s.out, nil
}

func (s *scored) level() float32 {
	if s.n == 0 || s.squares == 0 {
		return -100
	}
	return max(-100, float32(10*math.Log10(s.squares/float64(s.n)/(1<<30))))
}

// How far a recorded score of the end-of-turn model may lie from when it is asked for.
const (
	finishedBefore = 100 * time.Millisecond
	finishedBehind = time.Second
)

// Finisher gives the recorded scores of the end-of-turn model, each once and when it came on the session clock: a question gets
// the first that came from 100 ms before it to 1 s after it, and waits until then. Where none came it gets −1, as after an
// error, and Misses tells of it. Nil if no scores were recorded.
func (c *Cassette) Finisher(now func() time.Duration) vad.Finisher {
	if len(c.finished) == 0 {
		return nil
	}
	return &finisher{c: c, now: now, left: c.finished}
}

type finisher struct {
	c   *Cassette
	now func() time.Duration

	mu    sync.Mutex
	calls int
	left  []finished
}

// Finished waits for the score that is due.
func (f *finisher) Finished([]int16) (float32, error) {
	now := f.now()
	score, ok := f.take(now)
	if !ok {
		return -1, nil
	}
	if d := score.now - now; d > 0 {
		<-time.After(d)
	}
	return score.value, nil
}

func (f *finisher) take(now time.Duration) (score finished, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for len(f.left) > 0 && f.left[0].now < now-finishedBefore {
		f.left = f.left[1:]
	}
	if len(f.left) == 0 || f.left[0].now > now+finishedBehind {
		f.c.miss(Miss{Engine: "vad", Call: f.calls, Asked: "has the speaker finished at " + now.String(), Why: "no score came then"})
		return finished{}, false
	}
	score, f.left = f.left[0], f.left[1:]
	return score, true
}
