package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hraban/opus"
)

const testTone = 440.0

// wave is n samples of a test sound at rate, always the same for the same arguments.
func wave(kind string, rate, n int) []int16 {
	out := make([]int16, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range out {
		t := float64(i) / float64(rate)
		var v float64
		switch kind {
		case "tone":
			v = 0.5 * math.Sin(2*math.Pi*testTone*t)
		case "hum":
			v = 0.4 * math.Sin(2*math.Pi*110*t)
		case "chord": // without a period of less than a second
			for _, f := range []float64{97, 151, 223, 311} {
				v += 0.15 * math.Sin(2*math.Pi*f*t)
			}
		case "noise":
			v = 0.3 * r.NormFloat64()
		case "voice": // a glottal buzz in syllables
			for h := 1.0; h < 20 && 130*h < float64(rate)/2; h++ {
				v += 0.5 / h * math.Sin(2*math.Pi*130*h*t+h*h)
			}
			v *= 0.6 + 0.4*math.Sin(2*math.Pi*4*t)
		}
		out[i] = int16(32767 * max(-1, min(1, v)))
	}
	return out
}

// stereo doubles every sample.
func stereo(pcm []int16) []int16 {
	out := make([]int16, 0, 2*len(pcm))
	for _, v := range pcm {
		out = append(out, v, v)
	}
	return out
}

// level is the amplitude of the test tone in pcm, 1 being full scale.
func level(pcm []int16, rate int) float64 {
	var re, im float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * testTone * float64(i) / float64(rate))
		re += float64(v) * c
		im += float64(v) * s
	}
	return 2 * math.Hypot(re, im) / float64(len(pcm)) / 32768
}

// peak is the loudest sample in dBFS; silence is −∞.
func peak(pcm []int16) float64 {
	var top float64
	for _, v := range pcm {
		top = max(top, math.Abs(float64(v)))
	}
	return 20 * math.Log10(top/32768)
}

// sender is any Opus sender: more kinds than Encoder makes.
type sender struct {
	app      opus.Application
	rate     int
	channels int
	tenths   int // of a millisecond in a packet
	loss     int // percent; more than 0 adds the copies of FEC where the mode has them
}

func (s sender) String() string {
	app := map[opus.Application]string{opus.AppVoIP: "voip", opus.AppAudio: "audio", opus.AppRestrictedLowdelay: "lowdelay"}[s.app]
	return fmt.Sprintf("%s/%d/%dch/%d.%dms", app, s.rate, s.channels, s.tenths/10, s.tenths%10)
}

// packets encodes about seconds of kind.
func (s sender) packets(t testing.TB, kind string, seconds float64) [][]byte {
	t.Helper()
	e, err := opus.NewEncoder(s.rate, s.channels, s.app)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.SetBitrate(32000 * s.channels); err != nil {
		t.Fatal(err)
	}
	if err := e.SetInBandFEC(true); err != nil {
		t.Fatal(err)
	}
	if err := e.SetPacketLossPerc(s.loss); err != nil {
		t.Fatal(err)
	}
	pcm := wave(kind, s.rate, int(seconds*float64(s.rate)))
	if s.channels == 2 {
		pcm = stereo(pcm)
	}
	step := s.rate * s.tenths / 10000 * s.channels
	var out [][]byte
	for ; len(pcm) >= step; pcm = pcm[step:] {
		buf := make([]byte, 10*MaxPayload)
		n, err := e.Encode(pcm[:step], buf)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, buf[:n])
	}
	return out
}

// packetLengths are all that Opus has.
var packetLengths = []int{25, 50, 100, 200, 400, 600, 800, 1000, 1200}

func newDecoder(t testing.TB, rate int) *OpusDecoder {
	t.Helper()
	d, err := NewOpusDecoder(rate)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newEncoder(t testing.TB, rate int, o EncoderOptions) *OpusEncoder {
	t.Helper()
	e, err := NewOpusEncoder(rate, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
