package rotate

import (
	"context"
	"time"
)

// speak takes a frame of a call whose streams are open while somebody speaks.
func (c *call) speak(ctx context.Context, at time.Duration, voice bool) {
	before := c.tape.end() - c.tape.count(preroll)
	if c.said != nil && !c.said.fresh && c.live == nil && at-c.said.end > resume {
		c.said = nil // it was flushed in the middle, and nobody has gone on with it
		c.known = max(c.known, before)
	}
	switch {
	case voice:
		if c.said == nil {
			c.said = &utterance{start: at, end: at}
		}
		c.said.fresh = true
		if c.live == nil && c.retry == nil {
			c.begin(ctx)
		}
	case c.live == nil && c.in.voice <= c.known: // nothing is owed
		c.known = max(c.known, before)
	}
}

// wanted reports whether a steady call wants a stream.
func (c *call) wanted() bool {
	return c.o.Steady != nil && c.in.began && (!c.in.sleeping || len(c.asked) > 0)
}

// turn does what time asks for: it begins a stream where one is wanted, ends one that is idle, settles what the
// provider has put off for too long, and begins the next stream before the provider ends this one.
func (c *call) turn(ctx context.Context) {
	if c.drain.why != nothing {
		return
	}
	c.release()
	end := c.tape.end()
	switch {
	case c.live == nil:
		if c.wanted() && c.retry == nil {
			c.begin(ctx)
		}
	case c.o.Steady == nil && end-c.in.voice >= c.tape.count(idle):
		c.finish(c.now(rest))
	case c.o.Steady == nil && end-c.known >= c.tape.count(c.longest()):
		c.stand(ctx)
	case c.age() >= c.o.Late, c.age() >= c.o.Rotate && c.calm():
		c.spare(ctx)
	}
	c.handOver()
	c.tape.forget(c.kept())
}

// handOver has the next stream take over at once if nothing has to be heard again.
func (c *call) handOver() {
	if c.next == nil || !c.next.open || !c.calm() || c.said != nil && len(c.said.settled) != c.next.base {
		return
	}
	known := c.known
	c.takeOver()
	c.known = max(c.known, known)
}

// calm reports whether nobody speaks and no text is open.
func (c *call) calm() bool {
	return (c.said == nil || c.said.open.Text == "") && c.tape.end() > c.in.voice+c.tape.count(hangover)
}

// release lets go of audio in a steady call: of silence, and of speech that is unsettled for too long. If the stream
// breaks, the words that were told of that stand.
func (c *call) release() {
	if c.o.Steady == nil || c.live == nil {
		return
	}
	sent, most := c.live.sent.Load(), c.tape.count(c.longest())
	open := c.said != nil && c.said.open.Text != ""
	if !open && sent > c.in.voice+c.tape.count(calm) {
		c.known = max(c.known, sent-c.tape.count(time.Second))
	}
	end := c.tape.end()
	if end-c.known < most {
		return
	}
	to := sent - most/2
	if open {
		to = c.live.openTo
	}
	if to = min(to, end-most*29/30); to > c.known {
		c.known = to
		if open {
			c.said.torn = true
		}
	}
}

// longest is how much may be unsettled.
func (c *call) longest() time.Duration {
	most := longest
	if c.o.Steady != nil {
		most = replay
	}
	return min(most, c.o.Rotate/2)
}

// stand has what was heard so far stand, up to the end of its last word, and begins anew behind it.
func (c *call) stand(ctx context.Context) {
	if c.said.open.Text == "" { // nobody knows what this is
		c.finish(c.now(settle))
		return
	}
	c.known = max(c.known, c.said.openTo)
	c.freeze()
	c.begin(ctx)
}

// begin has a stream recognize what is not settled, and all that follows.
func (c *call) begin(ctx context.Context) {
	c.live = c.stream(ctx)
	if c.live.kept.Text != "" {
		c.said.back(c.live.base, c.live.kept)
		c.known = c.live.from
	}
	if c.drain.why != nothing {
		c.live.half(c.drain.upTo)
	}
}

func (c *call) stream(ctx context.Context) *stream {
	u := c.said
	if start := c.tape.start(); start > c.known {
		c.known = start
		if u != nil {
			u.torn = u.open.Text != ""
		}
	}
	from, kept, base := c.known, Part{}, 0
	if u != nil {
		base = len(u.settled)
		if u.torn {
			kept = u.before(c.tape.at(from))
			from = min(from+c.tape.count(max(0, kept.End-c.tape.at(from))), c.tape.end())
			c.o.Logger.Warn("audio is not heard again: no text was settled for too long")
		}
	}
	s := begin(ctx, &c.o, &c.tape, from, c.events, &c.runs)
	s.base, s.kept = base, kept
	return s
}

// age is how long the live stream is open, and at least the length of its audio.
func (c *call) age() time.Duration {
	return max(time.Since(c.live.since), c.tape.lasts(c.tape.end()-c.live.from))
}

// spare begins the next stream, with all that the live one has not settled.
func (c *call) spare(ctx context.Context) {
	if c.next == nil && !time.Now().Before(c.spared) {
		c.next = c.stream(ctx)
	}
}

// takeOver has the next stream's words count.
func (c *call) takeOver() {
	c.o.Logger.Info("recognition goes on in a new stream", "age", time.Since(c.live.since))
	c.live.cancel()
	c.live, c.next = c.next, nil
	c.known = c.live.from
	if c.said != nil {
		c.said.back(c.live.base, c.live.kept)
	}
}

// drop ends a stream that is no longer wanted.
func drop(s **stream) {
	if *s != nil {
		(*s).cancel()
		*s = nil
	}
}

// freeze has what was heard so far stand, and ends the streams.
func (c *call) freeze() {
	drop(&c.live)
	drop(&c.next)
	if c.said != nil {
		c.said.stand()
	}
}
