package vad

import (
	"math"

	"parley/media"
)

// The shape of the features: Whisper's, for 8 s.
const (
	melSeconds = 8
	melSamples = melSeconds * media.ListenRate
	melWindow  = 400
	melHop     = 160
	melBands   = 80
	melFrames  = melSamples / melHop
	melBins    = melWindow/2 + 1
)

// mel makes Whisper's log-mel features (https://arxiv.org/abs/2212.04356): 80 bands on Slaney's scale,
// windows of 25 ms every 10 ms. Not safe for concurrent use.
type mel struct {
	fft    *fft
	window [melWindow]float64
	bands  [melBands]band

	audio [melSamples + melWindow]float64 // with half a window on each side
	power [2][melBins]float64
	logs  [melBands * melFrames]float64
}

// band is a triangle over a few bins of the spectrum.
type band struct {
	first  int
	weight []float64
}

func newMel() *mel {
	m := &mel{fft: newFFT()}
	for i := range m.window { // Hann, periodic
		m.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/melWindow)
	}
	top := slaney(media.ListenRate / 2)
	edge := func(i int) float64 { return hertz(top * float64(i) / (melBands + 1)) }
	for b := range m.bands {
		low, mid, high := edge(b), edge(b+1), edge(b+2)
		for k := range melBins {
			f := float64(k) * media.ListenRate / melWindow
			w := min((f-low)/(mid-low), (high-f)/(high-mid)) * 2 / (high - low)
			if w <= 0 {
				continue
			}
			if m.bands[b].weight == nil {
				m.bands[b].first = k
			}
			m.bands[b].weight = append(m.bands[b].weight, w)
		}
	}
	return m
}

// Slaney's mel scale: linear up to 1 kHz, logarithmic above.
const (
	linearHertz = 200.0 / 3 // one mel below 1 kHz
	breakMel    = 15
)

var logStep = math.Log(6.4) / 27

func hertz(mels float64) float64 {
	if mels < breakMel {
		return mels * linearHertz
	}
	return 1000 * math.Exp((mels-breakMel)*logStep)
}

func slaney(hertz float64) float64 {
	if hertz < 1000 {
		return hertz / linearHertz
	}
	return breakMel + math.Log(hertz/1000)/logStep
}

// features fills out, one row a band, with the features of the last 8 s of pcm; shorter audio has silence
// before it.
func (m *mel) features(pcm []int16, out []float32) {
	m.normalize(pcm)
	first := silentFrames(len(pcm))
	for t := first; t < melFrames; t += 2 {
		m.spectra(t)
		m.sum(t, &m.power[0])
		m.sum(t+1, &m.power[1])
	}
	most := math.Inf(-1)
	for b := range m.bands {
		for _, e := range m.logs[b*melFrames+first : (b+1)*melFrames] {
			most = max(most, e)
		}
	}
	for b := range m.bands {
		from, to := m.logs[b*melFrames:(b+1)*melFrames], out[b*melFrames:(b+1)*melFrames]
		for t := first; t < melFrames; t++ {
			to[t] = float32((max(from[t], most-8) + 4) / 4)
		}
		for t := range first {
			to[t] = to[first]
		}
	}
}

// silentFrames is how many frames need no work before so many samples of audio: they are silent like the
// one after them. The number is even, as frames are taken in pairs.
func silentFrames(samples int) int {
	silence := melSamples - samples - melWindow/2 // the end of the last silent window
	return max(0, silence/melHop) &^ 1
}

// spectra sets m.power to the power spectra of the frames t and t+1. One transform makes both: of the one
// frame as real parts, of the other as imaginary parts.
func (m *mel) spectra(t int) {
	z := &m.fft.points
	one, other := m.audio[t*melHop:][:melWindow], m.audio[(t+1)*melHop:][:melWindow]
	for i, w := range m.window {
		z[i] = complex(one[i]*w, other[i]*w)
	}
	m.fft.transform()
	for k := range melBins {
		a, b := z[k], z[(melWindow-k)%melWindow]
		re, im := real(a)+real(b), imag(a)-imag(b)
		m.power[0][k] = (re*re + im*im) / 4
		re, im = imag(a)+imag(b), real(b)-real(a)
		m.power[1][k] = (re*re + im*im) / 4
	}
}

// sum sets frame t of m.logs to the logarithms of the bands of a power spectrum.
func (m *mel) sum(t int, power *[melBins]float64) {
	for b := range m.bands {
		weight := m.bands[b].weight
		part := power[m.bands[b].first:][:len(weight)]
		var e float64
		for k, w := range weight {
			e += w * part[k]
		}
		m.logs[b*melFrames+t] = math.Log(max(e, 1e-10)) * (1 / math.Ln10)
	}
}

// normalize puts pcm at the end of m.audio with mean zero and variance one, and reflects both ends.
func (m *mel) normalize(pcm []int16) {
	const half = melWindow / 2
	pcm = pcm[max(0, len(pcm)-melSamples):]
	body := m.audio[half : half+melSamples]
	clear(body)
	var sum, squares float64
	for i, v := range pcm {
		x := float64(v) / 32768
		body[melSamples-len(pcm)+i] = x
		sum += x
		squares += x * x
	}
	mean := sum / melSamples
	scale := 1 / math.Sqrt(squares/melSamples-mean*mean+1e-7)
	for i, x := range body {
		body[i] = (x - mean) * scale
	}
	for i := 1; i <= half; i++ {
		m.audio[half-i] = body[i]
		m.audio[half+melSamples-1+i] = body[melSamples-1-i]
	}
}
