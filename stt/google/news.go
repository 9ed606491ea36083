package google

import (
	"context"
	"io"
	"time"

	"parley/stt"
)

// news takes an event of a stream. done: the call is.
func (c *call) news(ctx context.Context, e event) (done bool, err error) {
	switch {
	case e.s != c.live && e.s != c.next:
		return false, nil // it is no longer wanted
	case e.err != nil:
		return c.broken(ctx, e)
	case e.reply == nil:
		e.s.open, c.reached = true, true
	default:
		c.reply(ctx, e.s, *e.reply)
	}
	return false, nil
}

// reply takes what a stream has heard.
func (c *call) reply(ctx context.Context, s *stream, r reply) {
	s.heard = true
	if r.settled != "" {
		c.fails = 0
	}
	if c.out.await == "answer to a voice" {
		c.out.await = "" // anew
	}
	words := r.settled != "" || r.open != ""
	if s == c.next {
		if !words {
			return
		}
		c.takeOver()
	}
	base, before := c.in.when(s.from), c.said.end
	c.said.take(r, base)
	if r.settled != "" {
		c.known = c.settledTo(s, r)
		c.tape.forget(c.kept())
	}
	c.mark(r, base)
	late := base+r.last() < before && r.last() > 0 // it is still hearing again what another stream heard
	if text := c.said.text(); words && !late && text != "" && text != c.said.said {
		c.said.said = text
		c.out.send(stt.Result{Kind: stt.Partial, Text: text, Start: c.said.start, End: c.said.end})
	}
	if r.settled != "" && c.drain.why == nothing && c.age() >= c.rotate {
		c.spare(ctx)
	}
}

// settledTo is the place up to which a stream's text stands.
func (c *call) settledTo(s *stream, r reply) int64 {
	end := c.tape.end()
	if r.end > 0 {
		return min(max(c.known, s.from+c.in.place(r.end)), end)
	}
	return end // it does not tell
}

func (c *call) mark(r reply, base time.Duration) {
	at := base + r.at
	switch r.mark {
	case began:
		c.out.send(stt.Result{Kind: stt.Onset, Start: at, End: at})
	case ended, enough:
		c.out.send(stt.Result{Kind: stt.Endpoint, Start: min(c.said.start, at), End: at})
	}
	if r.mark == enough && c.drain.why == nothing {
		c.finish(drain{why: settle, upTo: min(c.in.place(at), c.tape.end())})
	}
}

// broken takes the end of a stream.
func (c *call) broken(ctx context.Context, e event) (done bool, err error) {
	how, draining := judge(e.err), c.drain.why != nothing
	if e.s == c.next {
		c.next = nil
		c.spared = time.Now().Add(c.rotate / 20)
		return false, nil // the live one will do a little longer
	}
	switch {
	case how == fatal || how != limit && !e.s.open && !c.reached:
		return false, e.err
	case e.err == io.EOF && draining:
		return c.drained(ctx), nil
	case c.next != nil:
		c.takeOver()
		return false, nil
	}
	if how != limit || c.age() < brief {
		c.fails++
	}
	c.live = nil
	switch {
	case c.owed(e, how):
		return false, c.again(ctx, e.err, how)
	case draining:
		return c.drained(ctx), nil
	}
	c.freeze()
	c.known = max(c.known, c.tape.end()-c.in.place(preroll))
	return false, nil
}

// owed tells whether there is speech that is not settled and that another stream may settle.
func (c *call) owed(e event, how cut) bool {
	vain := how == limit && (c.tape.end() == e.s.ahead || e.err == io.EOF && !e.s.heard)
	return c.in.voice > c.known && !vain
}

// again has another stream follow one that ended with err, at once or after a pause, unless it is hopeless.
func (c *call) again(ctx context.Context, err error, how cut) error {
	switch {
	case c.fails > tries || how == once && c.fails > 1:
		return err
	case c.fails == 0:
		c.begin(ctx)
	default:
		c.after = time.NewTimer(pause << (c.fails - 1))
		c.retry = c.after.C
	}
	return nil
}
