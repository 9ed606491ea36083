package echo_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"parley/agent/echo"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
	"parley/media/resample"
)

const frame = media.ListenRate / 50

// room is how the agent's voice comes back.
type room struct {
	gain  float64       // dB
	delay time.Duration // of everything on the way
	tail  time.Duration // in which the room's sound falls by 60 dB
	noise float64       // dBFS
	codec bool          // Opus at 24 kbit/s there and back
}

func (r room) String() string {
	return fmt.Sprintf("%g dB, %v, tail %v, noise %g dB", r.gain, r.delay, r.tail, r.noise)
}

// voices are the agent's (one woman) and the callers' (five others), each in sentences of 2 to 12 s.
func voices(t testing.TB) (agent, callers []corpus.Utterance) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs human speech")
	}
	all, err := human()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range all {
		if u.Speaker == "Allison" {
			agent = append(agent, u)
		} else {
			callers = append(callers, u)
		}
	}
	return agent, callers
}

var human = sync.OnceValues(func() ([]corpus.Utterance, error) { return corpus.Load(2*time.Second, 12*time.Second) })

// through is pcm after an encoder and a decoder.
func through(t testing.TB, pcm []int16) []int16 {
	t.Helper()
	enc, err := codec.NewEncoder(media.Opus, media.ListenRate, codec.EncoderOptions{Bitrate: 24000})
	if err != nil {
		t.Fatal(err)
	}
	dec, err := codec.NewDecoder(media.Opus, media.ListenRate)
	if err != nil {
		t.Fatal(err)
	}
	buf, out := make([]byte, codec.MaxPayload), make([]int16, media.ListenRate/8)
	var all []int16
	for ; len(pcm) >= frame; pcm = pcm[frame:] {
		n, err := enc.Encode(pcm[:frame], buf)
		if err != nil {
			t.Fatal(err)
		}
		if n, err = dec.Decode(buf[:n], out); err != nil {
			t.Fatal(err)
		}
		all = append(all, out[:n]...)
	}
	return all
}

// back is what a microphone hears of pcm.
func (r room) back(t testing.TB, pcm []int16) []int16 {
	if r.codec {
		pcm = through(t, pcm)
	}
	rnd := rand.New(rand.NewPCG(3, 9))
	n := int(r.tail.Seconds()*media.ListenRate) + 1
	ir := make([]float64, n)
	for i := 1; i < n; i += 1 + rnd.IntN(15) {
		ir[i] = 0.14 * rnd.NormFloat64() * math.Pow(10, -3*float64(i)/float64(n))
	}
	ir[0] = 1
	var sum float64
	var at []int
	for i, v := range ir {
		if sum += v * v; v != 0 {
			at = append(at, i)
		}
	}
	gain := math.Pow(10, r.gain/20) / math.Sqrt(sum)
	late := int(r.delay.Seconds() * media.ListenRate)
	out := make([]float64, len(pcm))
	for i, s := range pcm {
		if s == 0 {
			continue
		}
		for _, k := range at {
			if i+late+k < len(out) {
				out[i+late+k] += gain * ir[k] * float64(s)
			}
		}
	}
	pcm = make([]int16, len(out))
	for i, v := range out {
		pcm[i] = int16(max(-32768, min(32767, math.Round(v))))
	}
	return pcm
}

// hear gives the guard what is said and what the microphone hears and returns its verdicts, a frame each.
func hear(t testing.TB, g *echo.Guard, r room, said, mic []int16) (mine []bool) {
	t.Helper()
	mic = corpus.Mix(mic, corpus.PinkNoise(3*time.Second, r.noise, 5))
	if r.codec {
		mic = through(t, mic)
	}
	up := resample.New(media.ListenRate, media.SpeakRate)
	out := up.Flush(up.Process(said, nil))
	const big = media.SpeakRate / 50
	for i := 0; (i+1)*frame <= len(mic); i++ {
		at := time.Duration(i) * media.FrameDuration
		if (i+1)*big <= len(out) && loudest(out[i*big:(i+1)*big]) > 0 {
			g.Sent(at+7*time.Millisecond, media.Frame{At: at, Rate: media.SpeakRate, PCM: out[i*big : (i+1)*big]})
		}
		mine = append(mine, g.Heard(media.Frame{At: at, Rate: media.ListenRate, PCM: mic[i*frame : (i+1)*frame]}))
	}
	return mine
}

func loudest(pcm []int16) (most int) {
	for _, s := range pcm {
		most = max(most, int(s), -int(s))
	}
	return most
}

// at is the level of a frame, in dBFS.
func at(pcm []int16, i int) float64 {
	if (i+1)*frame > len(pcm) {
		return -120
	}
	return wav.Level(pcm[i*frame : (i+1)*frame])
}

// rooms are loudspeakers at two levels, three distances and in silence and noise. 100 ms of the delay are the network's.
func rooms() (all []room) {
	for i, gain := range []float64{-20, -10} {
		for k, delay := range []time.Duration{130, 183, 300} {
			noise := []float64{-70, -50}[(i+k)%2]
			all = append(all, room{gain, delay * time.Millisecond, 200 * time.Millisecond, noise, true})
		}
	}
	return append(all, room{-10, 300 * time.Millisecond, 200 * time.Millisecond, -50, true})
}

// sentences are some utterances from the nth on, one after the other.
func sentences(all []corpus.Utterance, n, count int, first, pause time.Duration) []int16 {
	pcm := make([]int16, samples(first))
	for k := range count {
		pcm = append(pcm, all[(n+3*k)%len(all)].PCM...)
		pcm = append(pcm, make([]int16, samples(pause))...)
	}
	return pcm
}

func samples(d time.Duration) int { return int(d * media.ListenRate / time.Second) }
