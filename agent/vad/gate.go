package vad

import (
	"time"

	"parley/media"
)

// The gate opens at floor + gateMargin, but never above gateHigh and never below gateLow: speech that a
// recognizer can use is louder than gateHigh, and what is softer than gateLow is silence on any line.
const (
	gateMargin = 6   // dB
	gateHigh   = -45 // dBFS
	gateLow    = -60 // dBFS
	floorRise  = 0.1 // dB a hop, about 3 dB a second
	gateBack   = 4   // hops before the opening that the detector hears too
	gateStay   = 8   // hops that the gate stays open after the last loud one
	gateVoice  = 0.1 // and while the detector's Voice is above this
)

// Gate puts an energy gate in front of d: while a line is quiet, d is not run and Voice is 0. The level
// that counts as quiet follows the line's noise, and stays well under speech. When sound begins, d first
// hears the 128 ms before it, so that no onset is lost. d must score each hop of [Hop] samples.
func Gate(d Detector) Detector {
	return DetectorFunc(func() Stream { return &gate{inner: d.Open(), floor: gateLow} })
}

type gate struct {
	inner  Stream
	hops   hopper
	scores []Score

	floor float32 // the line's noise in dBFS: falls at once, rises slowly
	open  int     // hops that the gate is still open
	back  [gateBack][Hop]int16
	kept  int // hops in back that the detector has not heard, the oldest first
}

// Score hears the level of each hop, and runs the detector on those that may hold speech.
func (g *gate) Score(f media.Frame) ([]Score, error) {
	g.scores = g.scores[:0]
	err := g.hops.cut(f, func(end time.Duration) error {
		score := Score{At: end, Level: level(g.hops.pcm[:])}
		g.listen(score.Level)
		if g.open == 0 {
			g.keep()
			g.scores = append(g.scores, score)
			return nil
		}
		err := g.catchUp()
		inner, innerErr := g.inner.Score(media.Frame{At: end - media.Samples(Hop, media.ListenRate), Rate: media.ListenRate, PCM: g.hops.pcm[:]})
		if innerErr != nil {
			return innerErr
		}
		for _, s := range inner {
			score.Voice = s.Voice
		}
		if score.Voice > gateVoice {
			g.open = max(g.open, 2)
		}
		g.scores = append(g.scores, score)
		return err
	})
	return g.scores, err
}

// listen moves the noise floor and opens the gate or lets it fall shut.
func (g *gate) listen(level float32) {
	g.floor = min(level, g.floor+floorRise)
	if level >= max(gateLow, min(gateHigh, g.floor+gateMargin)) {
		g.open = gateStay
		return
	}
	g.open = max(0, g.open-1)
}

// keep remembers the hop that the detector does not hear.
func (g *gate) keep() {
	if g.kept == gateBack {
		copy(g.back[:], g.back[1:])
		g.kept--
	}
	g.back[g.kept] = g.hops.pcm
	g.kept++
}

// catchUp lets the detector hear what was kept; its scores for it have passed.
func (g *gate) catchUp() error {
	var failed error
	for i := range g.kept {
		if _, err := g.inner.Score(media.Frame{Rate: media.ListenRate, PCM: g.back[i][:]}); err != nil {
			failed = err
		}
	}
	g.kept = 0
	return failed
}
