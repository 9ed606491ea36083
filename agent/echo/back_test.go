package echo_test

import (
	"testing"
	"time"

	"parley/agent/echo"
	"parley/internal/corpus"
	"parley/media"
)

// backs is what the guard knows after each frame.
func backs(t *testing.T, r room, said, mic []int16) (all []echo.Back) {
	g := &echo.Guard{}
	mic = corpus.Mix(mic, corpus.PinkNoise(3*time.Second, r.noise, 5))
	for i := 0; (i+1)*frame <= min(len(mic), len(said)); i++ {
		at := time.Duration(i) * media.FrameDuration
		if out := said[i*frame : (i+1)*frame]; loudest(out) > 0 {
			g.Sent(at, media.Frame{At: at, Rate: media.ListenRate, PCM: out})
		}
		g.Heard(media.Frame{At: at, Rate: media.ListenRate, PCM: mic[i*frame : (i+1)*frame]})
		all = append(all, g.Back())
	}
	return all
}

// Where the agent comes back that is never denied. Where it does not, that is known after two seconds of its speech, and a caller who then
// speaks over it for a while changes nothing.
func TestBack(t *testing.T) {
	agent, callers := voices(t)
	for i, r := range append(rooms(), room{gain: -30, delay: 150 * time.Millisecond, tail: 200 * time.Millisecond, noise: -70}) {
		said := sentences(agent, 5*i, 4, 500*time.Millisecond, 800*time.Millisecond)
		denied, beside := 0, 0
		for _, b := range backs(t, r, said, r.back(t, said)) {
			switch b {
			case echo.None:
				denied++
			case echo.Beside:
				beside++
			}
		}
		t.Logf("%v: denied in %d frames, a caller in %d", r, denied, beside)
		if denied > 0 {
			t.Errorf("%v: it comes back, which is denied in %d frames", r, denied)
		}
		quiet := backs(t, r, said, make([]int16, len(said)))
		known := -1
		for i, b := range quiet {
			if b == echo.None && known < 0 {
				known = i
			}
			if b == echo.Beside || known >= 0 && b != echo.None {
				t.Fatalf("%v: nothing comes back, frame %d says %d", r, i, b)
			}
		}
		if known < 0 || known > 125 {
			t.Errorf("%v: that nothing comes back is known at frame %d", r, known)
		}
		over := make([]int16, len(said))
		copy(over[samples(4*time.Second):], callers[i%len(callers)].PCM[:samples(300*time.Millisecond)])
		if all := backs(t, r, said, over); all[215] != echo.None {
			t.Errorf("%v: 300 ms of a caller, and it may come back: %d", r, all[215])
		}
	}
}

// What is sent in a moment, until the agent is held, is enough to learn from while it is.
func TestLearnsWhileHeld(t *testing.T) {
	agent, _ := voices(t)
	var all share
	for i, r := range rooms() {
		for k := range 5 {
			said := agent[5*i+k].PCM[:samples(240*time.Millisecond)] // what is sent until its echo holds the agent
			said = append(append([]int16(nil), said...), make([]int16, samples(700*time.Millisecond))...)
			said = append(said, agent[5*i+k].PCM[:samples(time.Second)]...) // it goes on
			said = append(make([]int16, samples(300*time.Millisecond)), said...)
			var one share
			back := r.back(t, said)
			for n, mine := range hear(t, &echo.Guard{}, r, said, back) {
				if n > 1240/20 && at(back, n) > -55 {
					one.add(mine)
				}
			}
			all.add(one.percent() > 80)
		}
	}
	t.Logf("%d of %d are known when the agent goes on", all.mine, all.of)
	if all.percent() < 70 {
		t.Errorf("only %d of %d are known when the agent goes on", all.mine, all.of)
	}
}
