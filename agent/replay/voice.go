package replay

import (
	"time"

	"parley/agent/turn"
)

// ear finds where the caller's voice was heard: the same hysteresis as the turn machine's, but on the caller's timeline,
// which is where the sound lies in the record.
type ear struct {
	start, stop float32
	onset       time.Duration
	muted, lost bool
	run         time.Duration // how long scores have been above start
	from        time.Duration // since where
	hop         time.Duration // the shortest from a score to the next: those of silence are left out now and then
	at          time.Duration // of the last score
	came        time.Duration // when it did
	voice       bool
	span        Span // of the present voice
}

func newEar(c turn.Voice) ear {
	return ear{start: c.Start, stop: c.Stop, onset: c.Onset, hop: turn.LongestHop}
}

// hear takes an input of the turn machine. done is true when a voice has ended with it: where it was.
func (e *ear) hear(now time.Duration, in turn.Input) (s Span, done bool) {
	if e.voice && now >= e.came+turn.Stall {
		s, done = e.end()
	}
	switch in.Kind {
	case turn.Muted:
		if e.muted = in.On; in.On && e.voice {
			return e.end()
		}
	case turn.PathLost, turn.PathBack:
		e.lost = in.Kind == turn.PathLost
	case turn.Score:
		if ended, ok := e.score(in); ok {
			s, done = ended, true
		}
		e.came = now
	}
	return s, done
}

func (e *ear) score(in turn.Input) (Span, bool) {
	hop := max(0, min(in.At-e.at, turn.LongestHop))
	if e.at = in.At; hop > 0 {
		e.hop = min(e.hop, hop)
	}
	loud := in.At
	if in.Loud > 0 {
		loud = min(in.Loud, in.At)
	}
	switch {
	case e.muted || e.lost:
	case e.voice && in.Voice >= e.stop:
		e.span.To = max(e.span.To, loud)
	case e.voice:
		return e.end()
	case in.Voice < e.start:
		e.run = 0
	default:
		if e.run == 0 {
			e.from = in.At - e.hop
		}
		if e.run += hop; e.run >= e.onset {
			e.voice, e.span = true, Span{e.from, in.At}
		}
	}
	return Span{}, false
}

func (e *ear) end() (Span, bool) {
	e.voice, e.run = false, 0
	return e.span, true
}

// split ends the present voice where it is now and lets the rest be another.
func (e *ear) split() (s Span, ok bool) {
	s = Span{e.span.From, e.at}
	e.span = Span{e.at, e.at}
	return s, e.voice
}
