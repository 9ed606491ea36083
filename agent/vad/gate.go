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

	certain     = 0.8 // in the middle of speech, told by such a Voice
	certainFall = 12  // and a level so many dB under the speech's at the most,
	certainHops = 3   // only every third hop is scored at once
	speechFall  = 0.3 // dB a hop that the speech's level is forgotten by
)

// Gate puts an energy gate in front of d: while a line is quiet, d is not run and Voice is 0. The level
// that counts as quiet follows the line's noise, and stays well under speech. When sound begins, d first
// hears the 128 ms before it, so that no onset is lost. d must score each hop of [Hop] samples.
//
// In the middle of loud speech d hears three hops together, and until it does they are taken to be as the last:
// a model that comes back to a processor after others have used it costs three times what it costs at once
// again. Where the level falls each hop is scored as it comes, so the end of speech is not heard later.
func Gate(d Detector) Detector {
	return DetectorFunc(func() Stream { return &gate{inner: d.Open(), floor: gateLow, speech: silence} })
}

type gate struct {
	inner  Stream
	hops   hopper
	scores []Score

	floor float32 // the line's noise in dBFS: falls at once, rises slowly
	open  int     // hops that the gate is still open
	back  [gateBack][Hop]int16
	kept  int // hops in back that the detector has not heard, the oldest first

	voice  float32 // the last score
	speech float32 // the level of speech lately
}

// Score hears the level of each hop, and runs the detector on those that may hold speech.
func (g *gate) Score(f media.Frame) ([]Score, error) {
	g.scores = g.scores[:0]
	err := g.hops.cut(f, func(end time.Duration) error {
		score := Score{At: end, Level: level(g.hops.pcm[:])}
		g.listen(score.Level)
		if g.open == 0 || g.sure(score.Level) {
			if g.open == 0 {
				g.voice = 0
			}
			score.Voice = g.voice
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
		g.heard(score)
		g.scores = append(g.scores, score)
		return err
	})
	return g.scores, err
}

// sure tells a hop in the middle of loud speech that may wait for the next to be scored.
func (g *gate) sure(level float32) bool {
	return g.voice >= certain && level >= g.speech-certainFall && g.kept < certainHops-1
}

func (g *gate) heard(s Score) {
	g.voice = s.Voice
	g.speech -= speechFall
	if s.Voice >= certain {
		g.speech = max(g.speech, s.Level)
	}
	if s.Voice > gateVoice {
		g.open = max(g.open, 2)
	}
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
