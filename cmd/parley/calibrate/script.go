package calibrate

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"parley/internal/corpus"
	"parley/media"
	"parley/media/codec"
	"parley/media/resample"
)

const (
	rate  = media.SpeakRate
	frame = rate / 50
)

// item is something that a side says: it begins and ends with zeros, and is whole frames.
type item struct {
	at       time.Duration // when to begin, since the call is connected
	pcm      []int16
	from, to int  // its first sample that counts, and the one behind the last
	chirp    bool // else speech
}

// put is an item with some zeros before the sound.
func put(sound []int16, before int, chirp bool) item {
	it := item{from: before, to: before + len(sound), chirp: chirp}
	n := (it.to + frame - 1) / frame * frame
	it.pcm = make([]int16, n+frame) // the last frame is faded: it must be silent
	copy(it.pcm[before:], sound)
	return it
}

// chirp is a sweep from 1 to 4 kHz in 100 ms, whose correlation with itself has one peak.
func chirp() []int16 {
	const low, high = 1000, 4000
	pcm := make([]int16, rate/10)
	for i := range pcm {
		t := float64(i) / rate
		hann := math.Sin(math.Pi * float64(i) / float64(len(pcm)))
		phase := 2 * math.Pi * (low*t + (high-low)*t*t/(2*0.1))
		pcm[i] = int16(9000 * hann * hann * math.Sin(phase))
	}
	return pcm
}

// loader is corpus.Load.
type loader func(min, max time.Duration) ([]corpus.Utterance, error)

// speech is what is said: human if it is installed, else syllables that are made.
func speech(load loader) (voices []corpus.Utterance, human bool, err error) {
	voices, err = load(500*time.Millisecond, 1800*time.Millisecond)
	if errors.Is(err, corpus.ErrMissing) {
		hum := corpus.MmHm()
		return []corpus.Utterance{hum, corpus.Join(150*time.Millisecond, hum, hum)}, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("load speech: %w", err)
	}
	return voices, true, nil
}

// write makes what a side says in a call: chirps and speech in turn, at places that no frame begins at, with pauses of 0.6 to
// 1.2 s, the first and the last a chirp.
func write(r *rand.Rand, length time.Duration, voices []corpus.Utterance) []item {
	sweep := chirp()
	at := 200*time.Millisecond + time.Duration(r.Int64N(int64(500*time.Millisecond)))
	var all []item
	for {
		c := put(sweep, r.IntN(frame), true)
		c.at = at
		all = append(all, c)
		at += c.length() + pause(r)
		u := voices[r.IntN(len(voices))]
		conv := resample.New(u.Rate, rate)
		s := put(conv.Flush(conv.Process(u.PCM, nil)), r.IntN(frame), false)
		s.at = at
		at += s.length() + pause(r)
		if at+c.length() > length {
			return all
		}
		all = append(all, s)
	}
}

func pause(r *rand.Rand) time.Duration {
	return 600*time.Millisecond + time.Duration(r.Int64N(int64(600*time.Millisecond)))
}

func (it item) length() time.Duration { return media.Samples(len(it.pcm), rate) }

// How long the call with a loss is, and which of its frames are lost.
const (
	lossFrames = 499 // 9.98 s
	lostFrom   = 200
	lostTo     = 300
)

// Where the chirps of the call with a loss begin: samples.
var lossChirps = [2]int{300 * rate / 1000, (lossFrames - 20) * frame}

// long is one item of exactly lossFrames: a tone, and a chirp near each end of it.
func long() []item {
	it := item{pcm: make([]int16, lossFrames*frame)}
	for i := range it.pcm {
		it.pcm[i] = int16(1500 * math.Sin(2*math.Pi*300*float64(i)/rate))
	}
	for _, at := range lossChirps {
		copy(it.pcm[at:], chirp())
	}
	return []item{it}
}

// codecDelay is how much later sound comes out of the codec than it went in.
func codecDelay() (time.Duration, error) {
	enc, err := codec.NewOpusEncoder(rate, codec.EncoderOptions{})
	if err != nil {
		return 0, err
	}
	dec, err := codec.NewOpusDecoder(rate)
	if err != nil {
		return 0, err
	}
	it := put(chirp(), 5*frame, true)
	var out []int16
	var buf [codec.MaxPayload]byte
	pcm := make([]int16, frame)
	for f := range slices.Chunk(it.pcm, frame) {
		n, err := enc.Encode(f, buf[:])
		if err == nil {
			n, err = dec.Decode(buf[:n], pcm)
		}
		if err != nil {
			return 0, fmt.Errorf("measure the codec's delay: %w", err)
		}
		out = append(out, pcm[:n]...)
	}
	at, ok := find(chirp(), out, 0, float64(len(out)))
	if !ok {
		return 0, errors.New("measure the codec's delay: the chirp does not come through")
	}
	return seconds((at - float64(it.from)) / rate), nil
}
