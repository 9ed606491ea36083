package echo_test

import (
	"testing"
	"time"

	"parley/agent/echo"
	"parley/internal/corpus"
	"parley/media"
)

// share counts how many of some frames were taken for echo.
type share struct{ mine, of int }

func (s *share) add(mine bool) {
	if s.of++; mine {
		s.mine++
	}
}

func (s share) percent() float64 { return 100 * float64(s.mine) / float64(max(1, s.of)) }

// The agent's own sound is known, from 300 ms after it was first heard on; and a new sentence at once.
func TestEcho(t *testing.T) {
	agent, _ := voices(t)
	for i, r := range append(rooms(), room{gain: -3, delay: 40 * time.Millisecond, noise: -80}) {
		said := sentences(agent, 5*i, 5, 500*time.Millisecond, 800*time.Millisecond)
		back := r.back(t, said)
		var all, onset share
		first, quiet := -1, 0
		for i, mine := range hear(t, &echo.Guard{}, r, said, back) {
			if at(back, i) < -55 {
				quiet++
				continue
			}
			if first < 0 {
				first = i
			}
			if i >= first+15 {
				all.add(mine)
				if quiet >= 20 {
					onset.add(mine)
				}
			}
			quiet = 0
		}
		t.Logf("%v: %.1f %% of %d frames, %d of %d first ones", r, all.percent(), all.of, onset.mine, onset.of)
		if all.percent() < 97 || all.of < 300 || onset.of < 4 || onset.mine < onset.of-1 {
			t.Errorf("%v: %+v of the echo was known, %+v of the sentences' first frames", r, all, onset)
		}
	}
}

// A caller who speaks over the echo is heard, where he is louder than it, also in the first 100 ms; and in his pauses the echo is
// known again.
func TestCallerOverEcho(t *testing.T) {
	agent, callers := voices(t)
	var all, first, masked, between share
	for i, r := range rooms() {
		said := sentences(agent, 5*i, 5, 500*time.Millisecond, 800*time.Millisecond)
		back := r.back(t, said)
		caller := sentences(callers, i, 6, 4*time.Second, 1200*time.Millisecond)
		caller = append(caller, make([]int16, len(said))...)[:len(said)]
		var one share
		spoke, begun := -100, 0
		for i, mine := range hear(t, &echo.Guard{}, r, said, corpus.Mix(back, caller)) {
			voice, under := at(caller, i), at(back, i)
			if voice > -55 {
				if i-spoke > 25 {
					begun = i
				}
				spoke = i
			}
			switch {
			case voice > -40 && voice > under:
				one.add(mine)
				all.add(mine)
				if i < begun+5 {
					first.add(mine)
				}
			case voice > -40:
				masked.add(mine)
			case i-spoke > 20 && under > -55 && i > 75:
				between.add(mine)
			}
		}
		t.Logf("%v: %.1f %% of %d frames", r, one.percent(), one.of)
		if one.percent() > 5 {
			t.Errorf("%v: %+v of the caller was taken for echo", r, one)
		}
	}
	t.Logf("taken for echo: %.1f %% of %d frames of callers, %.1f %% of the %d in their first 100 ms, %.1f %% of %d that are softer than the echo; "+
		"of the echo between, %.1f %% of %d", all.percent(), all.of, first.percent(), first.of, masked.percent(), masked.of, between.percent(), between.of)
	if all.percent() > 3 || first.percent() > 3 || first.of < 40 || between.percent() < 95 || between.of < 200 {
		t.Errorf("callers %+v, their first 100 ms %+v, echo between %+v", all, first, between)
	}
}

// Without an echo nobody is taken for one, not even somebody with the agent's voice.
func TestNoEcho(t *testing.T) {
	agent, callers := voices(t)
	for i, r := range rooms() {
		said := sentences(agent, 5*i, 5, 500*time.Millisecond, 800*time.Millisecond)
		for name, caller := range map[string][]int16{
			"other voices": sentences(callers, i, 5, time.Second, time.Second),
			"same voice":   sentences(agent, 5*i+1, 5, 700*time.Millisecond, 500*time.Millisecond),
		} {
			var all share
			for i, mine := range hear(t, &echo.Guard{}, r, said, caller) {
				if at(caller, i) > -50 {
					all.add(mine)
				}
			}
			if all.percent() > 2 {
				t.Errorf("%v, %s: %+v was taken for echo", r, name, all)
			}
		}
	}
}

// Whatever comes is judged: odd rates, holes, jumps of time, nothing at all.
func TestOddFrames(t *testing.T) {
	var g echo.Guard
	loud := func(n int) []int16 {
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = int16(i * 7919)
		}
		return pcm
	}
	for i, at := range []time.Duration{0, 20, 40, 60, 20, 5000, 5020, 3_600_000, 3_600_020, 0} {
		at *= time.Millisecond
		for _, rate := range []int{0, 8000, 11025, 16000, 48000, 400} {
			g.Sent(at, media.Frame{At: at, Rate: rate, PCM: loud(rate / 50 * (i % 4))})
			if g.Heard(media.Frame{At: at, Rate: rate, PCM: loud(rate / 50 * (i % 3) * 30)}) && i == 0 {
				t.Error("echo before anything was sent")
			}
		}
	}
}

// The frames of a call in which the agent is silent, speaks with no echo, and comes back.
func BenchmarkHeard(b *testing.B) {
	agent, _ := voices(b)
	r := rooms()[0]
	said := sentences(agent, 0, 5, 500*time.Millisecond, 800*time.Millisecond)
	back := r.back(b, said)
	for _, c := range []struct {
		name      string
		said, mic []int16
	}{
		{"agent silent", make([]int16, len(said)), back},
		{"no echo, caller silent", said, make([]int16, len(said))},
		{"no echo, caller speaks", said, sentences(agent, 1, 5, time.Second, 100*time.Millisecond)},
		{"echo", said, back},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var g echo.Guard
			frames := min(len(c.said), len(c.mic)) / frame
			for n := 0; b.Loop(); n++ {
				i := n % frames
				at := time.Duration(n) * media.FrameDuration
				if out := c.said[i*frame : (i+1)*frame]; loudest(out) > 0 {
					g.Sent(at, media.Frame{At: at, Rate: media.ListenRate, PCM: out})
				}
				g.Heard(media.Frame{At: at, Rate: media.ListenRate, PCM: c.mic[i*frame : (i+1)*frame]})
			}
		})
	}
}
