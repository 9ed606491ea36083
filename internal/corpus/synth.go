package corpus

import (
	"math"
	"math/rand/v2"
	"time"

	"parley/media"
)

// PinkNoise makes noise with equal power in each octave, at dBFS and [media.ListenRate]; the same for the same seed.
// The filter is Paul Kellet's, economy version.
func PinkNoise(d time.Duration, dBFS float64, seed uint64) []int16 {
	rnd := rand.New(rand.NewPCG(seed, 1))
	n := int(d.Seconds() * media.ListenRate)
	var b0, b1, b2 float64
	x := make([]float64, n)
	for i := range x {
		w := rnd.NormFloat64()
		b0 = 0.99765*b0 + w*0.0990460
		b1 = 0.96300*b1 + w*0.2965164
		b2 = 0.57000*b2 + w*1.0526913
		x[i] = b0 + b1 + b2 + w*0.1848
	}
	return render(x, dBFS)
}

// Cough makes something like a cough: a burst, a breath and a short voiced end. It is synthesized, not human.
func Cough() Utterance {
	rnd := rand.New(rand.NewPCG(7, 2))
	x := make([]float64, 45*media.ListenRate/100)
	throat, mouth := resonator(900, 300), resonator(2400, 900)
	for i := range x {
		t := float64(i) / media.ListenRate
		w := rnd.NormFloat64()
		burst := rise(t, 0.004) * math.Exp(-t/0.035)
		breath := 0.35 * rise(t-0.05, 0.03) * math.Exp(-max(0, t-0.08)/0.10)
		voice := 0.5 * rise(t-0.18, 0.03) * math.Exp(-max(0, t-0.2)/0.07) * pulse(t, 170)
		in := w*(burst+breath) + 3*voice
		x[i] = throat(in) + 0.6*mouth(in)
	}
	return synthetic("synthetic cough", "", x)
}

// MmHm makes the hum of a listener who agrees: two nasal syllables, the second higher. It is synthesized, not human.
func MmHm() Utterance {
	rnd := rand.New(rand.NewPCG(7, 3))
	x := make([]float64, 55*media.ListenRate/100)
	nose, air := resonator(260, 70), resonator(1900, 500)
	for i := range x {
		t := float64(i) / media.ListenRate
		first := rise(t, 0.03) * rise(0.2-t, 0.03)
		breath := rise(t-0.19, 0.02) * rise(0.27-t, 0.02)
		second := rise(t-0.26, 0.03) * rise(0.54-t, 0.12)
		voice := first*pulse(t, 112-40*t) + 1.2*second*pulse(t, 118+60*(t-0.26))
		x[i] = nose(voice) + 0.12*air(0.5*voice+0.3*breath*rnd.NormFloat64())
	}
	return synthetic("synthetic mm-hm", "mm-hm", x)
}

func synthetic(name, text string, x []float64) Utterance {
	return Utterance{Name: name, Text: text, Speaker: "synthetic", Rate: media.ListenRate,
		PCM: Trim(Normalize(render(x, speechLevel), media.ListenRate, speechLevel), media.ListenRate)}
}

// rise goes from 0 at t ≤ 0 to 1 at t ≥ over, smoothly.
func rise(t, over float64) float64 {
	t = max(0, min(1, t/over))
	return t * t * (3 - 2*t)
}

// pulse is a glottis at hz: 30 harmonics that fall by 12 dB an octave.
func pulse(t, hz float64) float64 {
	var v float64
	for k := 1.0; k <= 30; k++ {
		v += math.Sin(2*math.Pi*k*hz*t) / (k * k)
	}
	return v
}

// resonator is a two-pole band-pass around hz, width wide, with unit gain in the middle (RBJ's cookbook).
func resonator(hz, width float64) func(float64) float64 {
	w := 2 * math.Pi * hz / media.ListenRate
	alpha := math.Sin(w) * width / hz / 2
	var x1, x2, y1, y2 float64
	return func(x float64) float64 {
		y := (alpha*(x-x2) + 2*math.Cos(w)*y1 - (1-alpha)*y2) / (1 + alpha)
		x1, x2, y1, y2 = x, x1, y, y1
		return y
	}
}

// render scales x to an RMS of dBFS.
func render(x []float64, dBFS float64) []int16 {
	var power float64
	for _, v := range x {
		power += v * v / float64(len(x))
	}
	gain := 32768 * math.Pow(10, dBFS/20) / math.Sqrt(max(power, 1e-20))
	pcm := make([]int16, len(x))
	for i, v := range x {
		pcm[i] = int16(max(-32768, min(32767, math.Round(v*gain))))
	}
	return pcm
}
