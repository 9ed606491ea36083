package corpus

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"parley/internal/wav"
)

const (
	edgeLevel   = -45.0 // dBFS: where speech begins and ends
	speechLevel = -20.0 // dBFS: of the windows that are speech
	peak        = 29000 // no sample of normalized speech is above this
)

// windows are the levels of pcm in steps of 10 ms.
func windows(pcm []int16, rate int) (levels []float64, step int) {
	step = rate / 100
	for w := range slices.Chunk(pcm, step) {
		levels = append(levels, wav.Level(w))
	}
	return levels, step
}

// Trim cuts pcm where its level first passes −45 dBFS, and behind where it last does. A click of 10 ms does not count: two
// of three such steps must be above. The result shares pcm's memory.
func Trim(pcm []int16, rate int) []int16 {
	levels, step := windows(pcm, rate)
	first, last := -1, 0
	for i, l := range levels {
		if l > edgeLevel && loud(levels, i, 1) && first < 0 {
			first = i
		}
		if l > edgeLevel && loud(levels, i, -1) {
			last = i
		}
	}
	if first < 0 {
		return nil
	}
	return pcm[first*step : min(len(pcm), (last+1)*step)]
}

// loud says whether one of the two steps next to i in a direction is loud too.
func loud(levels []float64, i, direction int) bool {
	for k := range 2 {
		if j := i + (k+1)*direction; j >= 0 && j < len(levels) && levels[j] > edgeLevel {
			return true
		}
	}
	return false
}

// Normalize is pcm without what is below 70 Hz (some recordings rumble louder than their pauses are) and with its speech,
// the steps of 10 ms within 25 dB of the loudest, at dBFS, or a little less where a peak would clip.
func Normalize(pcm []int16, rate int, dBFS float64) []int16 {
	pcm = highPass(pcm, rate)
	levels, _ := windows(pcm, rate)
	if len(levels) == 0 {
		return nil
	}
	loudest := slices.Max(levels)
	var power, n float64
	for _, l := range levels {
		if l > loudest-25 {
			power += math.Pow(10, l/10)
			n++
		}
	}
	top := 1.0
	for _, s := range pcm {
		top = max(top, math.Abs(float64(s)))
	}
	gain := min(math.Pow(10, dBFS/20)/math.Sqrt(power/n), peak/top)
	for i, s := range pcm {
		pcm[i] = int16(math.Round(float64(s) * gain))
	}
	return pcm
}

// highPass is a Butterworth filter of second order at 70 Hz (RBJ's cookbook), which begins as if pcm's first sample had
// been there for ever.
func highPass(pcm []int16, rate int) []int16 {
	if len(pcm) == 0 {
		return nil
	}
	w := 2 * math.Pi * 70 / float64(rate)
	alpha, cos := math.Sin(w)/math.Sqrt2, math.Cos(w)
	out := make([]int16, len(pcm))
	x1, x2 := float64(pcm[0]), float64(pcm[0])
	var y1, y2 float64
	for i, s := range pcm {
		x := float64(s)
		y := ((1+cos)/2*(x-2*x1+x2) + 2*cos*y1 - (1-alpha)*y2) / (1 + alpha)
		x1, x2, y1, y2 = x, x1, y, y1
		out[i] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(y))))
	}
	return out
}

// Join says parts one after the other with silence of exactly pause between them. It panics if their rates differ.
func Join(pause time.Duration, parts ...Utterance) Utterance {
	var u Utterance
	for i, p := range parts {
		if i == 0 {
			u = Utterance{Name: p.Name, Text: p.Text, Speaker: p.Speaker, Rate: p.Rate, PCM: slices.Clone(p.PCM)}
			continue
		}
		if p.Rate != u.Rate {
			panic(fmt.Sprintf("corpus: join of %d and %d samples a second", u.Rate, p.Rate))
		}
		u.Name += "+" + p.Name
		u.Text = strings.TrimSpace(u.Text + " " + p.Text)
		if u.Speaker != p.Speaker {
			u.Speaker += " and " + p.Speaker
		}
		u.PCM = append(u.PCM, make([]int16, int(pause.Seconds()*float64(u.Rate)+0.5))...)
		u.PCM = append(u.PCM, p.PCM...)
	}
	return u
}

// Split cuts u in two where it is quietest (over 60 ms) in its middle third, most often between two words, and trims
// both. The text stays whole, with the first part.
func Split(u Utterance) (first, second Utterance) {
	const over = 6
	levels, step := windows(u.PCM, u.Rate)
	cut, quietest := len(levels)/2, math.Inf(1)
	for i := len(levels) / 3; i+over < len(levels)*2/3; i++ {
		if l := slices.Max(levels[i : i+over]); l < quietest {
			cut, quietest = i+over/2, l
		}
	}
	first, second = u, u
	first.PCM = Trim(u.PCM[:cut*step], u.Rate)
	second.PCM = Trim(u.PCM[cut*step:], u.Rate)
	first.Name, second.Name, second.Text = u.Name+"[0]", u.Name+"[1]", ""
	return first, second
}

// Mix is the sum of two signals, as long as the first, clipped. The second is repeated.
func Mix(pcm, under []int16) []int16 {
	out := slices.Clone(pcm)
	for i := range out {
		if len(under) > 0 {
			out[i] = int16(max(math.MinInt16, min(math.MaxInt16, int(out[i])+int(under[i%len(under)]))))
		}
	}
	return out
}
