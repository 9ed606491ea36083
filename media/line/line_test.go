package line

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/media"
)

const (
	ms    = time.Millisecond
	pitch = 440.0
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// speech is the n-th frame of a tone at −6 dBFS.
func speech(n, rate int) []int16 {
	pcm := make([]int16, rate/50)
	for i := range pcm {
		pcm[i] = int16(16384 * math.Sin(2*math.Pi*pitch*float64(n*len(pcm)+i)/float64(rate)))
	}
	return pcm
}

// fade lets the end of a frame fall silent within 5 ms, as a Playout does when it is cut.
func fade(pcm []int16) []int16 {
	n := len(pcm) / 4
	for i := range pcm {
		pcm[i] = int16(int(pcm[i]) * max(0, n-i) / n)
	}
	return pcm
}

// tone is the level of the tone in pcm, dBFS of a full-scale sine.
func tone(pcm []int16, rate int) float64 {
	var re, im float64
	for i, v := range pcm {
		s, c := math.Sincos(2 * math.Pi * pitch * float64(i) / float64(rate))
		re += float64(v) * c
		im += float64(v) * s
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(len(pcm))/32768+1e-9)
}

// peak is the greatest sample, dBFS.
func peak(pcm []int16) float64 {
	top := 0.0
	for _, v := range pcm {
		top = max(top, math.Abs(float64(v)))
	}
	return 20 * math.Log10(top/32768+1e-9)
}

// network delivers the n-th packet after delay, or not at all.
type network func(n int) (delay time.Duration, lost bool)

// rough loses about one in lost packets and delays the others by up to spread, in order only by chance. The same seed and packet
// have the same fate.
func rough(seed uint64, lost int, spread time.Duration) network {
	return func(n int) (time.Duration, bool) {
		h := mix(seed, uint64(n))
		return time.Duration(h>>16) % spread, lost > 0 && h%uint64(lost) == 0
	}
}

func mix(a, b uint64) uint64 {
	h := a*0x9e3779b97f4a7c15 + b + 1
	for range 3 {
		h ^= h >> 31
		h *= 0xbf58476d1ce4e5b9
	}
	return h ^ h>>29
}

var clean network = func(int) (time.Duration, bool) { return 0, false }

// heard is a frame with samples of its own and when it came.
type heard struct {
	media.Frame
	out   time.Duration
	depth time.Duration
}

// link is a Down, a network and an Up. talk gives the frame of a tick, nil for silence.
type link struct {
	codec media.Codec
	loss  func() float64
	ticks int
	talk  func(n int) []int16
	net   network
}

// call runs a link of Opus.
func call(t *testing.T, ticks int, talk func(n int) []int16, net network) ([]heard, UpStats, DownStats) {
	t.Helper()
	return link{ticks: ticks, talk: talk, net: net}.call(t)
}

// call runs within a bubble.
func (l link) call(t *testing.T) ([]heard, UpStats, DownStats) {
	t.Helper()
	var frames []heard
	var up *Up
	var down *Down
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		var relay media.Relay[media.Packet]
		tap := relay.Tap(64, media.DropNewest)
		sent := 0
		send := func(p media.Packet) {
			delay, lost := l.net(sent)
			sent++
			if lost {
				return
			}
			time.AfterFunc(delay+time.Duration(sent), func() {
				p.At = now()
				relay.Send(p)
			})
		}
		var err error
		if up, err = NewUp(UpOptions{Rate: media.ListenRate, Codec: l.codec}); err != nil {
			t.Fatal(err)
		}
		if down, err = NewDown(DownOptions{Rate: media.SpeakRate, Codec: l.codec, Loss: l.loss, Send: send}); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(3 * ms)
			for n := range l.ticks {
				down.Write(media.Frame{At: time.Duration(n) * media.FrameDuration, Rate: media.SpeakRate, PCM: l.talk(n)})
				time.Sleep(media.FrameDuration)
			}
			relay.Close()
		}()
		for f := range up.Frames(now, tap)(context.Background()) {
			f.PCM = append([]int16(nil), f.PCM...)
			frames = append(frames, heard{f, now(), up.Stats().Depth})
		}
	})
	for i, f := range frames {
		if len(f.PCM) != media.ListenRate/50 || f.Rate != media.ListenRate {
			t.Fatalf("frame %d: %d samples at %d Hz", i, len(f.PCM), f.Rate)
		}
		if i > 0 && f.At != frames[i-1].At+media.FrameDuration {
			t.Fatalf("frame %d: at %v after %v", i, f.At, frames[i-1].At)
		}
	}
	return frames, up.Stats(), down.Stats()
}

func always(n int) []int16 { return speech(n, media.SpeakRate) }

func TestToneOnACleanLine(t *testing.T) {
	frames, up, down := call(t, 250, always, clean)
	if len(frames) != 250 || up.Frames != 250 || up.Patched != 0 || up.Lost+up.Late+up.Restarts != 0 {
		t.Errorf("%d frames, %+v", len(frames), up)
	}
	if down.Packets != 250 || down.Spurts != 1 || down.Failed != 0 || !down.Audible || down.Level != 9 {
		t.Errorf("%+v", down)
	}
	for i, f := range frames[2:] {
		if l := tone(f.PCM, f.Rate); math.Abs(l+6) > 0.5 {
			t.Fatalf("frame %d: tone at %.1f dBFS", i+2, l)
		}
		if f.out-f.At > 1*ms {
			t.Fatalf("frame %d of %v came at %v", i+2, f.At, f.out)
		}
	}
}

func TestToneOnARoughLine(t *testing.T) {
	for _, c := range []struct {
		name  string
		net   network
		lost  uint64 // frames at most
		later time.Duration
	}{
		{"1 in 50 lost", rough(1, 50, 1*ms), 30, 45 * ms},
		{"jitter of 19 ms", rough(2, 0, 19*ms), 0, 20 * ms},
		{"jitter of 60 ms, out of order", rough(3, 0, 60*ms), 25, 80 * ms},
		{"both", rough(4, 50, 60*ms), 60, 90 * ms},
		{"a stall of 180 ms", func(n int) (time.Duration, bool) {
			return max(0, 180*ms-time.Duration((n+400)%500)*20*ms), false
		}, 0, 181 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames, up, _ := call(t, 1000, always, c.net)
			if n := len(frames); n < 996 || n > 1004 {
				t.Errorf("%d frames of 1000", n)
			}
			if up.Patched > c.lost {
				t.Errorf("%d frames lost: %+v", up.Patched, up)
			}
			patched := uint64(0)
			for i, f := range frames {
				if f.Lost {
					patched++
				} else if l := tone(f.PCM, f.Rate); i > 5 && i < len(frames)-1 && !frames[i-1].Lost && math.Abs(l+6) > 3 {
					t.Errorf("frame %d: tone at %.1f dBFS", i, l)
				}
				if f.out-f.At > c.later {
					t.Errorf("frame of %v came at %v", f.At, f.out)
				}
			}
			if patched != up.Patched {
				t.Errorf("%d marked, %d counted", patched, up.Patched)
			}
		})
	}
}

// A cut is silent for the listener from 60 ms on, and stays so until the next spurt, which begins clean.
func TestCutIsSilent(t *testing.T) {
	sounds := map[string]func(n int) []int16{
		"tone": always,
		"noise": func(n int) []int16 {
			pcm := make([]int16, media.SpeakRate/50)
			for i := range pcm {
				pcm[i] = int16(mix(9, uint64(n*len(pcm)+i))) / 3
			}
			return pcm
		},
		"hum": func(n int) []int16 {
			pcm := make([]int16, media.SpeakRate/50)
			for i := range pcm {
				pcm[i] = int16(20000 * math.Sin(2*math.Pi*90*float64(n*len(pcm)+i)/media.SpeakRate))
			}
			return pcm
		},
	}
	for name, sound := range sounds {
		for _, net := range []network{clean, rough(7, 20, 5*ms)} {
			talk := func(n int) []int16 {
				switch n %= 150; {
				case n < 37:
					return sound(n)
				case n == 37:
					return fade(sound(n))
				}
				return nil
			}
			frames, up, down := call(t, 600, talk, net)
			if down.Spurts != 4 || up.Lost == 0 && up.Patched > 0 {
				t.Errorf("%s: %+v, %+v", name, down, up)
			}
			for i, f := range frames {
				// The cut is 5 ms into frame 37; the codec adds less than 5 ms.
				if n := i % 150; n > 37+3 {
					if p := peak(f.PCM); p > -50 {
						t.Errorf("%s: %d ms after the cut %.1f dBFS", name, (n-37)*20-5, p)
					}
				}
			}
		}
	}
}
