package vad

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"

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
	fft    *fourier.FFT
	window [melWindow]float64
	bands  [melBands]band

	audio    [melSamples + melWindow]float64 // with half a window on each side
	frame    [melWindow]float64
	spectrum [melBins]complex128
	power    [melBins]float64
	logs     [melBands * melFrames]float64
}

// band is a triangle over a few bins of the spectrum.
type band struct {
	first  int
	weight []float64
}

func newMel() *mel {
	m := &mel{fft: fourier.NewFFT(melWindow)}
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
	most := math.Inf(-1)
	for t := range melFrames {
		for i, w := range m.window {
			m.frame[i] = m.audio[t*melHop+i] * w
		}
		m.fft.Coefficients(m.spectrum[:], m.frame[:])
		for k, c := range m.spectrum {
			m.power[k] = real(c)*real(c) + imag(c)*imag(c)
		}
		for b, band := range m.bands {
			var e float64
			for k, w := range band.weight {
				e += w * m.power[band.first+k]
			}
			e = math.Log10(max(e, 1e-10))
			m.logs[b*melFrames+t] = e
			most = max(most, e)
		}
	}
	for i, e := range m.logs {
		out[i] = float32((max(e, most-8) + 4) / 4)
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
