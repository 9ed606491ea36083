package google

import (
	"context"
	"time"

	"parley/stt"
)

// lapse ends an utterance that was flushed in the middle and that nobody has gone on with.
func (c *call) lapse(at time.Duration) {
	if c.said != nil && !c.said.fresh && c.live == nil && at-c.said.end > resume {
		c.said = nil
		c.known = max(c.known, c.in.place(at-preroll))
	}
}

// speak takes note of a voice.
func (c *call) speak(ctx context.Context, at time.Duration) {
	if c.said == nil {
		c.said = &utterance{start: at, end: at}
	}
	c.said.fresh = true
	if c.live == nil && c.retry == nil {
		c.begin(ctx)
	}
}

// begin has a stream recognize what is not settled, and all that follows.
func (c *call) begin(ctx context.Context) {
	c.live = c.stream(ctx)
	if c.drain.why != nothing {
		c.live.half(c.drain.upTo)
	}
}

func (c *call) stream(ctx context.Context) *stream {
	size := int(2 * c.in.place(chunk))
	c.known = max(c.known, c.tape.start())
	s := begin(ctx, c.open, &c.tape, c.known, size, c.events, &c.runs)
	if c.said != nil {
		s.base = len(c.said.settled)
	}
	return s
}

// turn does what time asks for: it ends a stream that is idle, settles what the provider has put off for too
// long, and begins the next stream before the provider ends this one.
func (c *call) turn(ctx context.Context) {
	end := c.tape.end()
	switch {
	case c.live == nil:
	case end-c.in.voice >= c.in.place(idle):
		c.finish(drain{why: rest, upTo: end})
	case end-c.known >= c.in.place(min(longest, c.rotate/2)):
		c.stand(ctx)
	case c.age() >= c.rotate+c.rotate/6:
		c.spare(ctx)
	}
}

// stand has what was heard so far stand, up to the end of its last word, and begins anew behind it.
func (c *call) stand(ctx context.Context) {
	if c.said.open == "" { // nobody knows what this is
		c.finish(drain{why: settle, upTo: c.tape.end()})
		return
	}
	c.known = max(c.known, c.in.place(c.said.openEnd))
	c.freeze()
	c.begin(ctx)
}

// age is how long the live stream is open, and at least the length of its audio.
func (c *call) age() time.Duration {
	return max(time.Since(c.live.since), c.in.when(c.tape.end()-c.live.from))
}

// spare begins the next stream, with all that the live one has not settled.
func (c *call) spare(ctx context.Context) {
	if c.next == nil && !time.Now().Before(c.spared) {
		c.next = c.stream(ctx)
	}
}

// take over has the next stream's words count.
func (c *call) takeOver() {
	c.live.cancel()
	c.live, c.next = c.next, nil
	c.known = c.live.from
	c.said.settled, c.said.open = c.said.settled[:c.live.base], ""
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
	if c.said != nil && c.said.open != "" {
		c.said.settled = append(c.said.settled, settled{text: c.said.open})
		c.said.open = ""
	}
}

// flush answers a request for a Final.
func (c *call) flush(ctx context.Context, at time.Duration) {
	d := drain{why: flush, upTo: c.tape.end(), at: at, within: c.in.now}
	if c.live == nil && c.retry == nil {
		d.within = false // its text stands
		c.final(d)
		return
	}
	c.finish(d)
}

// end tells whether nothing is owed at the end of the input.
func (c *call) end(ctx context.Context) bool {
	if c.live == nil && c.retry == nil {
		c.last()
		return true
	}
	c.finish(drain{why: over, upTo: c.tape.end()})
	return false
}

// finish ends the live stream's audio.
func (c *call) finish(d drain) {
	drop(&c.next)
	d.known = c.known
	if c.said != nil {
		d.before = len(c.said.settled)
	}
	if c.drain = d; c.live != nil {
		c.live.half(d.upTo)
	}
}

// drained is the end of that: all is said. done: of the call, too.
func (c *call) drained(ctx context.Context) (done bool) {
	d := c.drain
	c.drain = drain{}
	c.freeze()
	c.known = max(c.known, d.upTo)
	switch d.why {
	case flush:
		c.final(d)
	case rest:
		c.last()
		c.said = nil
	case over:
		c.last()
		return true
	}
	if c.said != nil && c.said.fresh && c.in.voice > c.known {
		c.begin(ctx)
	}
	return false
}

// final gives the Final that d asks for.
func (c *call) final(d drain) {
	u := c.said
	if u == nil {
		c.out.send(stt.Result{Kind: stt.Final, Start: d.at, End: max(d.at, c.in.end)})
		return
	}
	end := max(c.in.end, u.end)
	r := stt.Result{Kind: stt.Final, Text: u.said, Start: u.start, End: end}
	if u.fresh {
		r.Text, r.Words = u.text(), u.words(end)
	}
	again := u.fresh && d.within && c.in.when(d.upTo-d.known) <= mend
	u.fresh, u.said, u.end = false, r.Text, c.in.end
	if again { // the word that was cut is heard whole with the rest of its sentence
		u.settled, c.known = u.settled[:d.before], d.known
	} else {
		c.said, c.known = nil, max(c.known, d.upTo)
	}
	c.out.send(r)
}

// last gives the Final that nobody asked for: its audio is over.
func (c *call) last() {
	if u := c.said; u != nil && u.fresh {
		end := max(c.in.end, u.end)
		u.fresh = false
		c.out.send(stt.Result{Kind: stt.Final, Text: u.text(), Start: u.start, End: end, Words: u.words(end)})
	}
}
