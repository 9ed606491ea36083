package aws

import (
	"context"
	"fmt"
	"time"

	"parley/internal/provider"
	"parley/stt"
)

// input is what the call knows of its input.
type input struct {
	began    bool
	missing  int           // ticks since the last frame
	end      time.Duration // of the last frame
	voice    int64         // the sample behind the last one with voice
	told     int64         // voice before it has had its Final
	unheard  time.Duration // voice since the last event
	ended    bool
	drained  bool // the service has heard all and said all
	sleeping bool // there is no stream, and need not be, until audio comes
}

// flush is a Final to come.
type flush struct {
	sample int64         // all audio before it
	end    time.Duration // which ends here
	since  time.Duration // on the watch, when the audio was sent; negative before
}

// take hears one frame of the input.
func (c *call) take(a stt.Audio) error {
	if len(a.PCM) > 0 && a.Rate != c.o.Rate {
		return fmt.Errorf("%w: audio of %d Hz given, %d expected", provider.ErrBadRequest, a.Rate, c.o.Rate)
	}
	h := &c.heard
	h.began, h.missing, h.sleeping = true, 0, false
	h.end = max(h.end, a.At+a.Duration())
	c.tape.add(a.At, a.PCM)
	if a.Voice {
		h.voice = c.tape.end()
		h.unheard += a.Duration()
	}
	if a.Flush {
		c.asked = append(c.asked, flush{c.tape.end(), h.end, -1})
	}
	return nil
}

// close ends the input: what no Flush has asked for gets a Final of its own.
func (c *call) close() {
	c.heard.ended = true
	told := c.heard.told
	if n := len(c.asked); n > 0 {
		told = c.asked[n-1].sample
	}
	if c.heard.voice > told || c.words.fresh() && len(c.asked) == 0 {
		c.asked = append(c.asked, flush{c.tape.end(), c.heard.end, -1})
	}
}

// still is called when no input came in a tick. It sends silence in its place, and closes the stream when it
// goes on.
func (c *call) still(ctx context.Context) {
	h := &c.heard
	if h.missing++; h.missing < late || !h.began || h.sleeping {
		return
	}
	if tick*time.Duration(h.missing) > c.o.Times.Idle && len(c.asked) == 0 {
		h.sleeping = true
		c.hangUp(ctx)
		return
	}
	ticks := 1
	if h.missing == late {
		ticks = late
	}
	c.tape.fill(c.tape.count(tick * time.Duration(ticks)))
}

// ready reports whether the oldest Flush can be answered. At the end of the audio the service closes the
// stream, and nothing is decided before.
func (c *call) ready() bool {
	f, h := &c.asked[0], &c.heard
	if h.drained || h.voice <= h.told && !c.words.fresh() {
		return true // there is nothing to wait for
	}
	if c.line.cur == nil || c.line.sent < f.sample {
		f.since = -1
		return false
	}
	if f.since < 0 {
		f.since = c.watch.time
	}
	waited := c.watch.time - f.since
	quiet := min(waited, c.watch.time-c.line.news)
	covered := c.words.end() >= c.tape.at(h.voice)-hangover
	switch {
	case h.ended:
		return false
	case waited >= c.o.Times.Wait:
		return true
	case !c.words.fresh():
		return false
	case covered && c.words.open.text == "":
		return true
	case covered && c.words.stable:
		return quiet >= c.o.Times.Settle/2
	}
	return quiet >= c.o.Times.Settle
}
