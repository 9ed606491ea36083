package line

import (
	"math"
	"slices"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/media"
	"parley/media/codec"
)

// encoded is n packets of sound, 20 ms each.
func encoded(t testing.TB, c media.Codec, n int, sound func(n int) []int16) [][]byte {
	t.Helper()
	enc, err := codec.NewEncoder(c, codec.Rate(c, media.ListenRate), codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, codec.MaxPayload)
	out := make([][]byte, n)
	for i := range out {
		size, err := enc.Encode(sound(i), buf)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = append([]byte(nil), buf[:size]...)
	}
	return out
}

// drive sends packets through an Up, each arriving when arrive says; the sender's clock runs by itself. see gets each
// frame, and after each packet none, with the time.
func drive(t *testing.T, c media.Codec, in [][]byte, arrive func(n int) time.Duration, see func(u *Up, now time.Duration, f media.Frame)) UpStats {
	t.Helper()
	up, err := NewUp(UpOptions{Rate: media.ListenRate, Codec: c})
	if err != nil {
		t.Fatal(err)
	}
	units := uint32(c.Clock() / framesPerSecond)
	for i, payload := range in {
		at := arrive(i)
		up.push(media.Packet{At: at, Seq: uint16(i), Time: uint32(i) * units, Payload: payload}, 0)
		up.pop(at, func(f media.Frame) bool { see(up, at, f); return true })
		see(up, at, media.Frame{})
	}
	return up.Stats()
}

// drifting is the arrival of a sender's packets whose clock is ppm too fast.
func drifting(ppm float64) func(n int) time.Duration {
	return func(n int) time.Duration {
		return time.Second + time.Duration(float64(n)*(1-ppm/1e6)*float64(media.FrameDuration))
	}
}

// tracker follows how far the frames are from the arrival of what is in them.
type tracker struct {
	frames int
	worst  time.Duration // after settle
	settle time.Duration
}

func (k *tracker) see(u *Up, now time.Duration, f media.Frame) {
	if f.PCM != nil {
		k.frames++
		return
	}
	if e := now + media.FrameDuration - u.cut.end(); now > k.settle && e.Abs() > k.worst.Abs() {
		k.worst = e
	}
}

// residue is how loud what is not the tone is in pcm, dBFS. The tone may be as much too high or low as a slew makes it.
func residue(pcm []int16, rate int) float64 {
	least := math.Inf(1)
	for _, ratio := range [...]float64{1, 1 - 1.0/fine, 1 + 1.0/fine} {
		var ss, sc, cc, sx, cx, xx float64
		for i, v := range pcm {
			s, c := math.Sincos(2 * math.Pi * pitch * ratio * float64(i) / float64(rate))
			x := float64(v)
			ss, sc, cc, sx, cx, xx = ss+s*s, sc+s*c, cc+c*c, sx+s*x, cx+c*x, xx+x*x
		}
		det := ss*cc - sc*sc
		a, b := (sx*cc-cx*sc)/det, (cx*ss-sx*sc)/det
		least = min(least, xx-a*sx-b*cx)
	}
	return 10*math.Log10(max(least, 1)/float64(len(pcm))) - 20*math.Log10(32768)
}

// Ten minutes from a sender whose clock is 500 ppm off are ten minutes, and the tone neither clicks nor breaks.
func TestDriftOfATone(t *testing.T) {
	const n = 30000
	in := encoded(t, media.Opus, n, func(n int) []int16 { return speech(n%50, media.ListenRate) })
	for _, ppm := range []float64{-500, 30, 500} {
		track := tracker{settle: 3 * time.Second}
		var last int16
		jump, noise := 0, -200.0
		st := drive(t, media.Opus, in, drifting(ppm), func(u *Up, now time.Duration, f media.Frame) {
			for _, v := range f.PCM {
				if d := int(v) - int(last); track.frames > 3 {
					jump = max(jump, d, -d)
				}
				last = v
			}
			if f.PCM != nil && track.frames > 3 && (track.frames%32 == 0 || u.slew.left < 1000 && u.slew.left > 0) {
				noise = max(noise, residue(f.PCM, f.Rate))
			}
			track.see(u, now, f)
		})
		t.Logf("%+.0f ppm: %d frames, off by %v at most, jump %d, residue %.1f dBFS", ppm, track.frames, track.worst, jump, noise)
		want := n * (1 - ppm/1e6)
		if math.Abs(float64(track.frames)-want) > 1 || track.worst.Abs() > 15*ms || st.Patched+st.Lost+st.Late+st.Restarts > 0 {
			t.Errorf("%+.0f ppm: %d frames, want %.0f, off by %v, %+v", ppm, track.frames, want, track.worst, st)
		}
		if jump > 3000 || noise > -40 { // the tone itself rises by 2831 from sample to sample
			t.Errorf("%+.0f ppm: a jump of %d, residue %.1f dBFS", ppm, jump, noise)
		}
	}
}

// talking is ten minutes of human speech, 20 ms a piece.
func talking(t *testing.T) func(n int) []int16 {
	t.Helper()
	if testing.Short() {
		t.Skip("needs human speech")
	}
	said, err := corpus.Load(2*time.Second, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var pcm []int16
	for _, u := range said {
		pcm = append(append(pcm, u.PCM...), make([]int16, media.ListenRate/2)...)
		if len(pcm) > 600*media.ListenRate {
			break
		}
	}
	size := media.ListenRate / framesPerSecond
	return func(n int) []int16 {
		n %= len(pcm) / size
		return pcm[n*size:][:size]
	}
}

// Of speech too. It has no more sudden steps than without drift.
func TestDriftOfSpeech(t *testing.T) {
	const n = 30000
	in := encoded(t, media.Opus, n, talking(t))
	var plain [3]int
	for _, ppm := range []float64{0, -500, 500} {
		track := tracker{settle: 3 * time.Second}
		var steps [3]int // of more than 1000, 4000, 16000
		var last int16
		st := drive(t, media.Opus, in, drifting(ppm), func(u *Up, now time.Duration, f media.Frame) {
			for _, v := range f.PCM {
				d := int(v) - int(last)
				for i := range steps {
					if max(d, -d) > 1000<<(2*i) {
						steps[i]++
					}
				}
				last = v
			}
			track.see(u, now, f)
		})
		t.Logf("%+.0f ppm: %d frames, off by %v at most, steps %v", ppm, track.frames, track.worst, steps)
		if want := n * (1 - ppm/1e6); math.Abs(float64(track.frames)-want) > 1 || track.worst.Abs() > 15*ms || st.Patched > 0 {
			t.Errorf("%+.0f ppm: %d frames, want %.0f, off by %v, %+v", ppm, track.frames, want, track.worst, st)
		}
		if ppm == 0 {
			plain = steps
		}
		for i, k := range steps {
			if k > plain[i]+plain[i]/200 {
				t.Errorf("%+.0f ppm: steps %v, without drift %v", ppm, steps, plain)
			}
		}
	}
}

// Without drift every sample passes as it is, whatever the jitter.
func TestJitterIsNoDrift(t *testing.T) {
	in := encoded(t, media.Opus, 3000, func(n int) []int16 { return speech(n%50, media.ListenRate) })
	var even, uneven []int16
	keep := func(to *[]int16) func(*Up, time.Duration, media.Frame) {
		return func(u *Up, _ time.Duration, f media.Frame) {
			*to = append(*to, f.PCM...)
			if u.slew.left > 0 {
				t.Fatal("a correction")
			}
		}
	}
	drive(t, media.Opus, in, drifting(0), keep(&even))
	st := drive(t, media.Opus, in, func(n int) time.Duration { // late, but in order
		at := time.Second
		for k := max(0, n-10); k <= n; k++ {
			delay, _ := rough(5, 0, 60*ms)(k)
			at = max(at, drifting(0)(k)+min(delay, time.Duration(k)*2*ms))
		}
		return at
	}, keep(&uneven))
	if !slices.Equal(even, uneven) {
		t.Errorf("%d and %d samples, %+v", len(even), len(uneven), st)
	}
}

// A route that becomes longer or shorter, by less than what is taken for a new timeline, moves At by as much: in sound within a time
// that nobody hears, in silence at once.
func TestRouteChanges(t *testing.T) {
	quiet := func(n int) []int16 {
		if n%250 < 200 {
			return speech(n%50, media.ListenRate)
		}
		return make([]int16, media.ListenRate/framesPerSecond)
	}
	for _, c := range []struct {
		name  string
		sound func(n int) []int16
		move  time.Duration
		done  time.Duration
	}{
		{"longer, sound", func(n int) []int16 { return speech(n%50, media.ListenRate) }, 60 * ms, 35 * time.Second},
		{"shorter, sound", func(n int) []int16 { return speech(n%50, media.ListenRate) }, -60 * ms, 35 * time.Second},
		{"longer, speech", quiet, 120 * ms, 8 * time.Second},
		{"shorter, speech", quiet, -120 * ms, 8 * time.Second},
	} {
		for _, codec := range []media.Codec{media.Opus, media.PCMU} {
			sound := c.sound
			if codec == media.PCMU {
				sound = func(n int) []int16 { // half the rate
					pcm := c.sound(n)
					for i := range len(pcm) / 2 {
						pcm[i] = pcm[2*i]
					}
					return pcm[:len(pcm)/2]
				}
			}
			in := encoded(t, codec, 3000, sound)
			arrive := drifting(0)
			track := tracker{settle: 11*time.Second + c.done}
			st := drive(t, codec, in, func(n int) time.Duration {
				if n < 500 {
					return arrive(n) + max(0, -c.move)
				}
				return max(arrive(n)+max(0, c.move), arrive(499)+max(0, -c.move))
			}, track.see)
			off := track.worst
			if off.Abs() > 15*ms || st.Patched+st.Late+st.Restarts > 0 {
				t.Errorf("%s, %s: off by %v after %v, %+v", c.name, codec, off, c.done, st)
			}
		}
	}
}

// What passes is cut and lengthened at quiet places only, to whole frames.
func TestSlewInSilence(t *testing.T) {
	for _, c := range []struct {
		behind  time.Duration
		pending int
		want    int
	}{
		{0, 0, 320}, {11 * ms, 0, 320}, {12 * ms, 0, 640}, {-11 * ms, 0, 320}, {-12 * ms, 0, 0},
		{100 * ms, 0, 6 * 320}, {-time.Second, 0, 0}, {time.Hour, 0, 51 * 320}, {15 * ms, 100, 540}, {-15 * ms, 300, 20},
	} {
		s := newSlew(320)
		p := piece{n: 320}
		if s.steer(&p, c.behind, c.pending); p.n != c.want || s.left != 0 {
			t.Errorf("behind %v with %d pending: %d samples of silence, want %d", c.behind, c.pending, p.n, c.want)
		}
		p = piece{n: 320, pcm: speech(0, 16000)}
		if s.steer(&p, c.behind, c.pending); p.n != 320 || (s.left > 0) != (c.behind.Abs() >= slack) {
			t.Errorf("behind %v: %d samples of sound, %d steps", c.behind, p.n, s.left)
		}
	}
}
