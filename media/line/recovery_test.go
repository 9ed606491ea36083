package line

import (
	"testing"
	"time"

	"parley/media"
)

// floor is the least depth.
const floor = 20 * ms

// settled fails unless every frame from from on, on the session clock, came as soon as its packet.
func settled(t *testing.T, frames []heard, from time.Duration) {
	t.Helper()
	n := 0
	for _, f := range frames {
		if f.At < from {
			continue
		}
		n++
		if f.out-f.At > 1*ms || f.depth != floor || f.Lost {
			t.Fatalf("frame of %v came at %v, lost %v, depth %v", f.At, f.out, f.Lost, f.depth)
		}
	}
	if n < 100 {
		t.Fatalf("%d frames after %v", n, from)
	}
}

// On a clean line no packet is held: what is added to its own length is nothing.
func TestCleanLineAddsNothing(t *testing.T) {
	for _, c := range append(phones, media.Opus) {
		frames, _, _ := link{codec: c, ticks: 500, talk: always, net: clean}.call(t)
		settled(t, frames, 0)
	}
}

// Three seconds of jitter up to 150 ms, in which packets overtake each other.
func TestDelayAfterABurst(t *testing.T) {
	burst := rough(21, 0, 150*ms)
	frames, up, _ := call(t, 750, always, func(n int) (time.Duration, bool) {
		if n < 250 || n >= 400 {
			return 0, false
		}
		return burst(n)
	})
	deepest := time.Duration(0)
	for _, f := range frames {
		deepest = max(deepest, f.depth)
	}
	if deepest < 100*ms {
		t.Errorf("depth %v at most: no test", deepest)
	}
	t.Logf("depth %v at most, %d of %d frames concealed", deepest, up.Patched, up.Frames)
	settled(t, frames, 8*time.Second+2*time.Second)
}

// Nothing comes for two seconds, and is lost.
func TestDelayAfterABlackout(t *testing.T) {
	frames, up, _ := call(t, 600, always, func(n int) (time.Duration, bool) { return 0, n >= 250 && n < 350 })
	if up.Patched != 100 {
		t.Errorf("%d frames concealed", up.Patched)
	}
	settled(t, frames, 7*time.Second+20*ms) // at once, not in two seconds
}

// Nothing comes for two seconds, then all of it at once.
func TestDelayAfterAStall(t *testing.T) {
	frames, up, _ := call(t, 600, always, func(n int) (time.Duration, bool) {
		if n >= 250 && n < 350 {
			return 7*time.Second - time.Duration(n)*media.FrameDuration, false
		}
		return 0, false
	})
	if up.Restarts > 1 || up.Patched > 100 {
		t.Errorf("%+v", up.Stats)
	}
	settled(t, frames, 7*time.Second+40*ms)
}

// One packet is lost: what it should have been comes with the next, and all others when they did without the loss.
func TestOneLossDelaysNothing(t *testing.T) {
	for _, lost := range []int{100, 101, 249} {
		with, _, _ := call(t, 500, always, func(n int) (time.Duration, bool) { return 0, n == lost })
		without, _, _ := call(t, 500, always, clean)
		if len(with) != len(without) {
			t.Fatalf("%d frames, without loss %d", len(with), len(without))
		}
		for i, f := range with {
			more := f.out - without[i].out
			if i != lost && more != 0 || i == lost && (more > media.FrameDuration+1*ms || !f.Lost) {
				t.Errorf("packet %d lost: frame %d comes %v later", lost, i, more)
			}
		}
	}
}
