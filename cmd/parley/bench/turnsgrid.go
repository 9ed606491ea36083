package bench

import (
	"cmp"
	"slices"
	"time"

	"parley/agent/turn"
)

// today is the configuration that parley has without a flag.
var today = setting{name: "parley, defaults"}

// published are thresholds that others publish, run through our machine: its voice detector, its end-of-turn model, its rule for who has the floor.
func published() []setting {
	const ms = time.Millisecond
	waits := func(ahead, done, not time.Duration, at float32) turn.End {
		return turn.End{Ahead: ahead, Short: done, Middle: done, Long: not, Dangling: not, Done: at, Open: at}
	}
	pipecat := turn.Voice{Start: 0.7, Stop: 0.7, Onset: 200 * ms}
	livekit := turn.Voice{Start: 0.5, Stop: 0.35, Onset: 50 * ms}
	ask := turn.BargeIn{Ask: 500 * ms, Text: 2000 * ms}
	return []setting{
		{"Pipecat's thresholds: stop 0.2 s, Smart Turn 0.5, else 3 s", turn.Config{Voice: pipecat, End: waits(200*ms, 200*ms, 3000*ms, 0.5)}, true, ""},
		{"Pipecat's thresholds: stop 0.2 s, then 0.6 s of silence", turn.Config{Voice: pipecat, End: waits(200*ms, 800*ms, 800*ms, 0.5)}, true, ""},
		{"LiveKit's thresholds: 0.5 s, or 3 s under 0.36", turn.Config{Voice: livekit, End: waits(250*ms, 500*ms, 3000*ms, 0.36), Interrupt: ask}, true, ""},
		{"LiveKit's thresholds with a turn detector: 0.3 s, or 2.5 s under 0.36", turn.Config{Voice: livekit, End: waits(250*ms, 300*ms, 2500*ms, 0.36), Interrupt: ask}, true, ""},
	}
}

// grid is every combination of waits and probabilities in which a wait is not shorter than the one before it.
func grid() (all []setting) {
	ms := func(n ...int) (d []time.Duration) {
		for _, v := range n {
			d = append(d, time.Duration(v)*time.Millisecond)
		}
		return d
	}
	for _, short := range ms(250, 300, 350, 500, 850) {
		for _, middle := range ms(500, 700, 850, 950) {
			for _, long := range ms(850, 1150, 1600, 2100) {
				for _, dangling := range ms(1350, 2100) {
					if short <= middle && middle <= long && long <= dangling {
						all = append(all, probabilities(turn.End{Short: short, Middle: middle, Long: long, Dangling: dangling})...)
					}
				}
			}
		}
	}
	return all
}

func probabilities(e turn.End) (all []setting) {
	for _, p := range [][2]float32{{0.8, 0.2}, {0.8, 0.5}, {0.9, 0.3}, {0.9, 0.6}, {0.95, 0.3}, {0.95, 0.6}, {0.98, 0.5}, {0.98, 0.8}} {
		e.Done, e.Open = p[0], p[1]
		all = append(all, setting{c: turn.Config{End: e}})
	}
	return all
}

// pareto are the tallies to which no other is better in false cut-offs, median and tail at once, the fewest cut-offs first.
func pareto(all []tally) (best []tally) {
	better := func(a, b tally) bool {
		x, y := a.costs(), b.costs()
		less := false
		for i := range x {
			if x[i] > y[i] {
				return false
			}
			less = less || x[i] < y[i]
		}
		return less
	}
	for i, t := range all {
		same := func(o tally) bool { return o.costs() == t.costs() }
		if !slices.ContainsFunc(all, func(o tally) bool { return better(o, t) }) && !slices.ContainsFunc(all[:i], same) {
			best = append(best, t)
		}
	}
	slices.SortStableFunc(best, func(a, b tally) int { return cmp.Compare(a.Cut.of(), b.Cut.of()) })
	return best
}

// costs are what a tally is compared by: the first to a percent, the others to 10 ms.
func (t tally) costs() [3]int {
	return [3]int{int(t.Cut.of()*100 + 0.5), int(t.Delay.P50/10 + 0.5), int(t.Delay.P95/10 + 0.5)}
}
