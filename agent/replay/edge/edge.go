package edge

import (
	"math"
	"time"
)

// Version names the algorithm and its numbers: figures of one are not to be compared with those of another.
const Version = "edge/1"

// Gap is the shortest silence between two spans.
const Gap = 300 * time.Millisecond

const (
	hops    = 100 // a second
	fine    = 5   // parts of a hop in which an edge is put
	smooth  = 5   // hops over which floor and loudness are looked for
	around  = 3 * hops
	above   = 8.0   // dB over the noise floor: speech
	noisy   = -26.0 // dBFS: no noise is louder
	below   = 34.0  // dB under the loudest: none
	least   = -62.0 // dBFS: what is below is silence
	stays   = 3.0   // dB by which speech may fall before it ends
	piece   = 2     // hops that count at least
	click   = 5     // loud hops that a span has at least
	nothing = -120.0
)

// Span is a stretch of speech: From is its first sample, To the one behind its last, as times from the beginning of the
// samples.
type Span struct{ From, To time.Duration }

// Detect finds the speech in mono samples at a rate of 8000 a second or more, in order and apart by [Gap] at least. A rate
// that is not a multiple of 500 moves edges by less than 2 ms; none at all has no speech. Pcm is not kept.
func Detect(pcm []int16, rate int) []Span {
	if rate < hops*fine || len(pcm) == 0 {
		return nil
	}
	t := measure(pcm, rate)
	var spans []Span
	loud := 0 // hops of the last span
	for _, r := range t.runs() {
		next := Span{t.first(r.from), t.last(r.to)}
		n := len(spans)
		switch {
		case n > 0 && next.From-spans[n-1].To < Gap:
			spans[n-1].To = max(spans[n-1].To, next.To)
			loud += r.loud
		case n > 0 && loud < click:
			spans[n-1], loud = next, r.loud
		default:
			spans, loud = append(spans, next), r.loud
		}
	}
	if n := len(spans); n > 0 && loud < click {
		spans = spans[:n-1]
	}
	return spans
}

// track is what the samples were made into.
type track struct {
	parts  []float64 // power of each part of a hop
	tails  []float64 // the same, of samples filtered backward
	levels []float64 // dBFS of each hop
	marks  []float64 // dBFS at which speech begins
	length time.Duration
}

// run is hops from and up to, but not, to; loud of them are at least at their mark.
type run struct{ from, to, loud int }

func measure(pcm []int16, rate int) *track {
	n := (len(pcm)*hops + rate - 1) / rate
	t := &track{levels: make([]float64, n), length: time.Duration(len(pcm)) * time.Second / time.Duration(rate)}
	t.parts, t.tails = powers(pcm, rate, n*fine)
	for i := range t.levels {
		t.levels[i] = decibel(t.parts[i*fine : (i+1)*fine])
	}
	even := make([]float64, n)
	for i := range even {
		even[i] = decibel(t.parts[max(0, i-smooth/2)*fine : min(n, i+smooth/2+1)*fine])
	}
	t.marks = marks(even)
	return t
}

// powers are those of n parts of the samples, filtered forward and backward: a filter rings behind what stops, so beginnings
// are exact in the one and ends in the other.
func powers(pcm []int16, rate, n int) (forward, backward []float64) {
	forward, backward = make([]float64, n), make([]float64, n)
	edge := func(part int) int { return min(len(pcm), int(int64(part)*int64(rate)/(hops*fine))) }
	pass := highPass(80, rate)
	for i := range forward {
		for k := edge(i); k < edge(i+1); k++ {
			v := pass(float64(pcm[k]) / 32768)
			forward[i] += v * v
		}
		forward[i] /= float64(max(1, edge(i+1)-edge(i)))
	}
	pass = highPass(80, rate)
	for i := n - 1; i >= 0; i-- {
		for k := edge(i+1) - 1; k >= edge(i); k-- {
			v := pass(float64(pcm[k]) / 32768)
			backward[i] += v * v
		}
		backward[i] /= float64(max(1, edge(i+1)-edge(i)))
	}
	return forward, backward
}

// marks are the levels at which speech begins.
func marks(even []float64) []float64 {
	n := len(even)
	quiet := trail(even, math.Min, nothing)
	loud := trail(even, math.Max, nothing)
	reverse(even)
	after, louder := trail(even, math.Min, nothing), trail(even, math.Max, nothing)
	reverse(even)
	out := make([]float64, n)
	for i := range out {
		floor := min(noisy, max(quiet[i], after[n-1-i]))
		out[i] = max(floor+above, max(loud[i], louder[n-1-i])-below, least)
	}
	return out
}

func reverse(v []float64) {
	for i, j := 0, len(v)-1; i < j; i, j = i+1, j-1 {
		v[i], v[j] = v[j], v[i]
	}
}

// trail is pick's choice of each value and those of the time before it, where before the first all are outside: van Herk's
// algorithm (1992), which takes three steps a value, whatever the time.
func trail(v []float64, pick func(a, b float64) float64, outside float64) []float64 {
	padded := make([]float64, around+len(v)+around)
	for i := range padded {
		padded[i] = outside
	}
	copy(padded[around:], v)
	ahead, back := make([]float64, len(padded)), make([]float64, len(padded))
	for i := range padded {
		if ahead[i] = padded[i]; i%around != 0 {
			ahead[i] = pick(ahead[i-1], padded[i])
		}
	}
	for i := len(padded) - 1; i >= 0; i-- {
		if back[i] = padded[i]; (i+1)%around != 0 && i+1 < len(padded) {
			back[i] = pick(back[i+1], padded[i])
		}
	}
	out := make([]float64, len(v))
	for i := range out { // of padded from i+1 to i+around
		out[i] = pick(back[i+1], ahead[i+around])
	}
	return out
}

// runs are the stretches of hops that are loud, but for those that are too short to count.
func (t *track) runs() []run {
	var all []run
	now, speaks := run{}, false
	for i := range len(t.levels) + 1 {
		l, mark := nothing, 0.0 // behind the end
		if i < len(t.levels) {
			l, mark = t.levels[i], t.marks[i]
		}
		switch {
		case !speaks && l >= mark:
			now, speaks = run{i, i + 1, 1}, true
		case speaks && l >= mark-stays:
			now.to = i + 1
			if l >= mark {
				now.loud++
			}
		case speaks:
			if now.to-now.from >= piece {
				all = append(all, now)
			}
			speaks = false
		}
	}
	return all
}

// first is where in hop i, or in the one before, the mark is first reached.
func (t *track) first(i int) time.Duration {
	for k := max(0, i-1) * fine; k < (i+1)*fine; k++ {
		if decibel(t.parts[k:k+1]) >= t.marks[i] {
			return t.time(k)
		}
	}
	return t.time(i * fine)
}

// last is where in the hop behind to, or in the three before it, speech is last.
func (t *track) last(to int) time.Duration {
	for k := min(len(t.levels), to+1)*fine - 1; k >= max(0, to-3)*fine; k-- {
		if decibel(t.tails[k:k+1]) >= t.marks[to-1]-stays {
			return min(t.time(k+1), t.length)
		}
	}
	return min(t.time(to*fine), t.length)
}

func (t *track) time(part int) time.Duration {
	return time.Duration(part) * time.Second / (hops * fine)
}

// decibel is the level of parts of equal length.
func decibel(power []float64) float64 {
	var sum float64
	for _, p := range power {
		sum += p
	}
	return max(nothing, 10*math.Log10(sum/float64(len(power))+1e-30))
}

// highPass is a Butterworth filter of second order (RBJ's cookbook).
func highPass(hz float64, rate int) func(float64) float64 {
	w := 2 * math.Pi * hz / float64(rate)
	alpha, cos := math.Sin(w)/math.Sqrt2, math.Cos(w)
	a0 := 1 + alpha
	b, c, d := (1+cos)/2/a0, 2*cos/a0, (1-alpha)/a0
	var x1, x2, y1, y2 float64
	return func(x float64) float64 {
		y := b*(x-2*x1+x2) + c*y1 - d*y2
		x1, x2, y1, y2 = x, x1, y, y1
		return y
	}
}
