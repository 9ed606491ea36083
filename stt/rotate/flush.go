package rotate

import (
	"context"
	"time"

	"parley/stt"
)

// why a stream's audio was ended and its last words are awaited.
type why uint8

const (
	nothing why = iota
	settle      // to go on with another stream
	flush       // a Final was asked for
	rest        // nobody has spoken for a while
	over        // the input has ended
)

// drain is the wait for a stream's last words.
type drain struct {
	why    why
	upTo   int64         // then all before it is settled
	end    time.Duration // of the input then
	before int           // parts that were settled before it
	known  int64         // and up to where
	within bool          // somebody speaks: a word may be cut
	since  time.Duration // on the clock, when all before upTo was sent; negative before
}

func (c *call) now(w why) drain { return drain{why: w, upTo: c.tape.end(), end: c.in.end, since: -1} }

// flush answers a request for a Final.
func (c *call) flush(ctx context.Context) {
	d := c.now(flush)
	switch {
	case c.o.Steady != nil:
		c.asked = append(c.asked, d)
	case c.live == nil && c.retry == nil:
		c.final(d) // its text stands
	default:
		d.within = c.in.now
		c.finish(d)
	}
}

// end tells whether nothing is owed at the end of the input.
func (c *call) end(ctx context.Context) bool {
	if c.live == nil && c.retry == nil {
		return c.close()
	}
	c.finish(c.now(over))
	return false
}

// close gives the Finals that are left.
func (c *call) close() bool {
	for _, d := range c.asked {
		c.final(d)
	}
	c.asked = nil
	c.last()
	return true
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
	c.drain, c.in.unheard = drain{}, 0
	c.freeze()
	c.known = max(c.known, d.upTo)
	switch d.why {
	case flush:
		c.final(d)
	case rest:
		c.last()
		c.said = nil
	case over:
		return c.close()
	}
	if c.said != nil && c.said.fresh && c.in.voice > c.known {
		c.begin(ctx)
	}
	return false
}

// answer gives the Finals of a steady call that are due.
func (c *call) answer() {
	for len(c.asked) > 0 && !c.out.left && c.drain.why == nothing && c.ready(&c.asked[0]) {
		d := c.asked[0]
		c.asked = c.asked[1:]
		c.final(d)
	}
}

// ready reports whether there is nothing more to wait for.
func (c *call) ready(d *drain) bool {
	u, s := c.said, c.o.Steady
	fresh := u != nil && u.fresh
	switch {
	case c.in.voice <= c.told && !fresh, c.live == nil && c.in.sleeping:
		return true
	case c.live == nil || c.live.sent.Load() < d.upTo:
		d.since = -1
		return false
	case d.since < 0:
		d.since = c.out.clock()
	}
	waited := c.out.clock() - d.since
	quiet := min(waited, c.out.clock()-c.out.news)
	covered := fresh && u.last() >= c.tape.at(c.in.voice)-hangover
	switch {
	case waited >= s.Wait:
		return true
	case !fresh:
		return false
	case covered && u.open.Text == "":
		return true
	case covered && u.stable:
		return quiet >= s.Settle/2
	}
	return quiet >= s.Settle
}

// final gives the Final that d asks for.
func (c *call) final(d drain) {
	u, steady := c.said, c.o.Steady != nil
	c.told = max(c.told, min(c.in.voice, d.upTo))
	if u == nil || steady && !u.fresh {
		c.send(stt.Result{Kind: stt.Final, Start: d.end, End: d.end})
		return
	}
	end := max(d.end, u.end)
	r := stt.Result{Kind: stt.Final, Text: u.said, Start: u.start, End: end}
	if u.fresh {
		r.Text, r.Words = u.text(), u.words(end)
	}
	again := u.fresh && d.within && c.tape.lasts(d.upTo-d.known) <= mend
	u.fresh, u.said, u.upTo = false, r.Text, u.last()
	switch {
	case steady: // the segment may go on
	case again: // the word that was cut is heard whole with the rest of its sentence
		u.settled, c.known, u.end = u.settled[:d.before], d.known, c.in.end
	default:
		c.said, c.known = nil, max(c.known, d.upTo)
	}
	c.send(r)
}

// last gives the Final that nobody asked for: its audio is over.
func (c *call) last() {
	u := c.said
	switch {
	case u != nil && u.fresh:
		end := max(c.in.end, u.end)
		u.fresh = false
		c.told = c.in.voice
		c.send(stt.Result{Kind: stt.Final, Text: u.text(), Start: u.start, End: end, Words: u.words(end)})
	case c.o.Steady != nil && c.in.voice > c.told: // a voice without words
		c.told = c.in.voice
		c.send(stt.Result{Kind: stt.Final, Start: c.in.end, End: c.in.end})
	}
}
