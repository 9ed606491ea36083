package agent

import (
	"context"
	"testing"
	"time"

	"parley/agent/turn"
)

// A prepared answer whose making has ended, as when the call's context does, is not committed.
func TestPreparedThatEnded(t *testing.T) {
	c := newCore(Profile{Greeting: "-"})
	c.tell = func(Event) {}
	alive, asked, finished, ended := map[int]bool{}, false, 0, 0
	c.do = func(a act) time.Duration {
		switch a.kind {
		case begin:
			alive[a.reply] = true
		case flush:
			asked = true
		case finish:
			finished = a.turn
		case release:
			if !alive[a.reply] {
				t.Errorf("answer %d is released, but it is over", a.reply)
			}
		}
		return 0
	}
	now := time.Duration(0)
	step := func(in turn.Input) { c.take(now, arrival{step: in}) }
	c.take(0, arrival{took: &Taken{Kind: Begun}})
	for i := range 160 {
		now += 20 * time.Millisecond
		v := float32(0.9)
		if i > 30 {
			v = 0.01
		}
		step(turn.Input{Kind: turn.Score, At: now, Voice: v})
		if asked {
			asked = false
			step(turn.Input{Kind: turn.Final, At: now, Start: 20 * time.Millisecond, Text: "What is the time?"})
		}
		if finished > 0 {
			n := finished
			finished = 0
			step(turn.Input{Kind: turn.Finished, Turn: n, P: 0.5, At: now})
		}
		if p := c.answers.prepared; p != nil {
			n := p.n
			delete(alive, n)
			c.take(now, arrival{took: &Taken{Kind: Ended, Reply: n}, err: context.Canceled})
			ended++
		}
		if at, ok := c.machine.Wake(); ok && at <= now {
			step(turn.Input{Kind: turn.Tick})
		}
	}
	if ended == 0 || c.answers.turn == 0 {
		t.Errorf("%d prepared answers ended, turn %d was committed", ended, c.answers.turn)
	}
}
