package rotate

import (
	"context"
	"fmt"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// input is the audio's side of a call.
type input struct {
	audio    chan stt.Audio // from the reader, closed at the input's end
	taken    chan struct{}  // to the reader: the frame was used
	began    bool
	end      time.Duration // of all frames so far
	voice    int64         // place on the tape behind the last voice
	now      bool          // the last frame was voice
	unheard  time.Duration // voice since the last reply
	missing  int           // ticks since the last frame
	sleeping bool          // no stream is wanted until audio comes; only if Steady
}

// check refuses audio that cannot be sent.
func (c *call) check(a stt.Audio) error {
	rate := c.tape.rate
	switch {
	case len(a.PCM) == 0 || a.Rate == rate && a.Rate > 0:
		return nil
	case rate != 0 && c.o.Rate != 0:
		return fmt.Errorf("%w: audio of %d Hz given, %d expected", provider.ErrBadRequest, a.Rate, rate)
	case rate != 0:
		return fmt.Errorf("%w: audio of %d Hz after audio of %d Hz", provider.ErrBadRequest, a.Rate, rate)
	case a.Rate < 8000 || a.Rate > 48000:
		return fmt.Errorf("%w: audio of %d Hz, from 8000 to 48000 are taken", provider.ErrBadRequest, a.Rate)
	}
	c.tape.rate = a.Rate
	return nil
}

// keep puts a frame on the tape.
func (c *call) keep(a stt.Audio) {
	i, t := &c.in, &c.tape
	i.end = max(i.end, a.At+a.Duration())
	i.missing, i.sleeping = 0, false
	if len(a.PCM) == 0 {
		return
	}
	end := t.end()
	if gap := a.At - t.at(end); i.began && c.o.Steady == nil && gap > 2*media.FrameDuration {
		if gap > hole {
			c.freeze()
			t.forget(end)
			c.known = end
		} else {
			t.fill(t.count(gap))
		}
	}
	i.began = true
	t.add(a.At, a.PCM)
	if i.now = a.Voice; a.Voice {
		i.voice = t.end()
		i.unheard += a.Duration()
	}
	c.nudge()
}

// nudge has the streams look at the tape.
func (c *call) nudge() {
	for _, s := range []*stream{c.live, c.next} {
		if s != nil {
			s.nudge()
		}
	}
}

// kept is the place from which on the tape is needed.
func (c *call) kept() int64 {
	from := c.known
	if c.drain.why == flush {
		from = c.drain.known
	}
	if c.live != nil {
		from = min(from, c.live.sent.Load())
	}
	if c.next != nil {
		from = min(from, c.next.from)
	}
	return max(from, c.tape.end()-c.tape.count(most))
}

// beat is a tick of a steady call. It sends silence in place of input that is missing, and ends the stream when
// that goes on.
func (c *call) beat(ctx context.Context, hearing bool) {
	i := &c.in
	if hearing && i.began && !i.sleeping {
		switch i.missing++; {
		case i.missing < missed:
		case tick*time.Duration(i.missing) > c.o.Steady.Idle && len(c.asked) == 0 && c.live != nil:
			c.sleep()
		case i.missing == missed:
			c.tape.fill(c.tape.count(missed * tick))
		default:
			c.tape.fill(c.tape.count(tick))
		}
		c.nudge()
	}
	c.turn(ctx)
}

// sleep ends the stream; what it would still say is not waited for.
func (c *call) sleep() {
	live := c.live
	c.live = nil
	c.freeze()
	c.known = max(c.known, c.tape.end())
	c.in.sleeping = true
	live.half(c.known)
	time.AfterFunc(time.Second, live.cancel)
}
