package edge

import (
	"math"
	"slices"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/media"
	"parley/media/codec"
	"parley/media/resample"
)

// dialog is speech with known edges.
type dialog struct {
	pcm   []int16
	rate  int
	truth []Span
}

// speech is human utterances to prove the numbers of the algorithm with: every tenth, and never one with an even number, for with
// those the numbers were chosen.
func speech(t *testing.T) (all []corpus.Utterance) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the speech of Debian packages")
	}
	some, err := corpus.Load(400*time.Millisecond, 7*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(some); i += 10 {
		all = append(all, some[i])
	}
	return all
}

// compose says utterances with silences of 0.5 to 2.5 s between them, in digital silence.
func compose(all []corpus.Utterance) dialog {
	d := dialog{rate: media.ListenRate}
	for i, u := range all {
		pause := 8000 + (i*7919)%32000
		d.pcm = append(d.pcm, make([]int16, pause)...)
		from := media.Samples(len(d.pcm), d.rate)
		d.pcm = append(d.pcm, u.PCM...)
		d.truth = append(d.truth, Span{from, media.Samples(len(d.pcm), d.rate)})
	}
	d.pcm = append(d.pcm, make([]int16, 16000)...)
	return d
}

func (d dialog) at(rate int) dialog {
	r := resample.New(d.rate, rate)
	d.pcm, d.rate = r.Flush(r.Process(d.pcm, nil)), rate
	return d
}

func (d dialog) gain(db float64) dialog {
	d.pcm = slices.Clone(d.pcm)
	for i, s := range d.pcm {
		d.pcm[i] = int16(max(-32768, min(32767, math.Round(float64(s)*math.Pow(10, db/20)))))
	}
	return d
}

func (d dialog) noise(dBFS float64) dialog {
	d.pcm = corpus.Mix(d.pcm, corpus.PinkNoise(20*time.Second, dBFS, 4))
	return d
}

// comfort is noise in the pauses only, from 200 ms after speech on: that of a codec that says how silence sounds.
func (d dialog) comfort(dBFS float64) dialog {
	noise := corpus.PinkNoise(20*time.Second, dBFS, 5)
	d.pcm = slices.Clone(d.pcm)
	for i, u := range d.truth {
		to := len(d.pcm)
		if i+1 < len(d.truth) {
			to = d.sample(d.truth[i+1].From)
		}
		copy(d.pcm[d.sample(u.To+200*ms):to], noise)
	}
	return d
}

func (d dialog) sample(at time.Duration) int { return int(at.Seconds()*float64(d.rate) + 0.5) }

// opus is what comes out of a codec, with its delay: 2.5 ms, 6.5 with Voice.
func (d dialog) opus(t *testing.T, o codec.EncoderOptions) dialog {
	t.Helper()
	enc, err := codec.NewOpusEncoder(d.rate, o)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := codec.NewOpusDecoder(d.rate)
	if err != nil {
		t.Fatal(err)
	}
	var out []int16
	var buf [codec.MaxPayload]byte
	pcm := make([]int16, d.rate/50)
	for frame := range slices.Chunk(d.pcm, d.rate/50) {
		clear(pcm)
		copy(pcm, frame)
		n, err := enc.Encode(pcm, buf[:])
		if err != nil {
			t.Fatal(err)
		}
		if n, err = dec.Decode(buf[:n], pcm); err != nil {
			t.Fatal(err)
		}
		out = append(out, pcm[:n]...)
	}
	d.pcm = out
	return d
}

// score is how far detected edges are off.
type score struct {
	on, off       []time.Duration // later is positive
	missed, split int             // utterances not found; spans beyond one for each
	ghosts        int             // spans where nobody speaks
}

func (d dialog) score() (s score) {
	found := Detect(d.pcm, d.rate)
	for _, u := range d.truth {
		var mine []Span
		for _, f := range found {
			if f.From < u.To && f.To > u.From {
				mine = append(mine, f)
			}
		}
		if len(mine) == 0 {
			s.missed++
			continue
		}
		s.split += len(mine) - 1
		s.on = append(s.on, mine[0].From-u.From)
		s.off = append(s.off, mine[len(mine)-1].To-u.To)
	}
	s.ghosts = len(found) - s.split - len(s.on)
	return s
}

// at is the p-th percentile of how far the edges are off, whichever way.
func at(p float64, edges ...[]time.Duration) time.Duration {
	var all []time.Duration
	for _, e := range edges {
		for _, d := range e {
			all = append(all, d.Abs())
		}
	}
	if len(all) == 0 {
		return time.Hour
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(p/100*float64(len(all))))]
}

const ms = time.Millisecond

// TestError is the table of the ruler's own error.
func TestError(t *testing.T) {
	d := compose(speech(t))
	voice := codec.EncoderOptions{Bitrate: 24000, Voice: true}
	t.Logf("%s: %d utterances in %v", Version, len(d.truth), media.Samples(len(d.pcm), d.rate).Round(time.Second))
	t.Logf("%-26s %8s %8s %10s %10s %7s %7s %7s", "ms", "p50", "p95", "begin p95", "end p95", "missed", "split", "ghosts")
	for _, c := range []struct {
		name  string
		d     func() dialog
		limit time.Duration // of the 95th percentile; 0: only told
	}{
		{"clean, 16 kHz", func() dialog { return d }, 20 * ms},
		{"clean, 8 kHz", func() dialog { return d.at(8000) }, 20 * ms},
		{"clean, 24 kHz", func() dialog { return d.at(24000) }, 20 * ms},
		{"clean, 48 kHz", func() dialog { return d.at(48000) }, 20 * ms},
		{"12 dB louder", func() dialog { return d.gain(12) }, 20 * ms},
		{"12 dB softer", func() dialog { return d.gain(-12) }, 20 * ms},
		{"Opus CELT 32 kbit/s", func() dialog { return d.at(24000).opus(t, codec.EncoderOptions{}) }, 20 * ms},
		{"Opus CELT 24 kbit/s", func() dialog { return d.at(24000).opus(t, codec.EncoderOptions{Bitrate: 24000}) }, 20 * ms},
		{"Opus voice 24 kbit/s", func() dialog { return d.at(48000).opus(t, voice) }, 20 * ms},
		{"comfort noise, −50 dBFS", func() dialog { return d.comfort(-50) }, 20 * ms},
		{"noise at −50 dBFS", func() dialog { return d.noise(-50) }, 20 * ms},
		{"noise 20 dB under speech", func() dialog { return d.noise(-40) }, 0},
		{"the same, Opus voice", func() dialog { return d.noise(-40).at(48000).opus(t, voice) }, 0},
	} {
		s := c.d().score()
		p95 := at(95, s.on, s.off)
		t.Logf("%-26s %8.1f %8.1f %10.1f %10.1f %7d %7d %7d", c.name, millis(at(50, s.on, s.off)), millis(p95),
			millis(at(95, s.on)), millis(at(95, s.off)), s.missed, s.split, s.ghosts)
		if c.limit > 0 && p95 > c.limit {
			t.Errorf("%s: the 95th percentile is %v", c.name, p95)
		}
		if s.missed > 0 || s.ghosts > 0 || s.split > len(d.truth)/10 {
			t.Errorf("%s: %d utterances missed, %d split, %d spans of nobody", c.name, s.missed, s.split, s.ghosts)
		}
		if p50 := at(50, s.on, s.off); p50 > 20*ms {
			t.Errorf("%s: half of the edges are off by more than %v", c.name, p50)
		}
	}
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
