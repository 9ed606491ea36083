package rotate

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"parley/internal/provider"
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
		c.out.news = c.out.clock()
		c.turn(ctx)
	default:
		c.reply(ctx, e.s, *e.reply)
	}
	return false, nil
}

// reply takes what a stream has heard.
func (c *call) reply(ctx context.Context, s *stream, r Reply) {
	s.heard, c.spoke = true, true
	c.in.unheard, c.out.news = 0, c.out.clock()
	if s == c.next {
		if !r.says() {
			return
		}
		c.takeOver()
	}
	known, tells, at := c.settledTo(s, r), r.last() > 0, min(c.place(s, r.At), c.tape.end())
	openTo := min(c.place(s, r.Open.End), c.tape.end())
	r = c.placed(s, r)
	if r.says() && (c.said == nil || c.over(r)) {
		c.said = &utterance{start: r.first(), end: r.first()}
		s.base = 0
	}
	if c.said != nil {
		c.take(r, known, tells)
		if r.Open.Text != "" {
			s.openTo, c.said.openTo = openTo, openTo
		}
	}
	switch {
	case c.drain.why != nothing:
	case r.Mark == Enough:
		d := c.now(settle)
		d.upTo = at
		c.finish(d)
	case r.Settled.Text != "" && c.age() >= c.o.Rotate:
		c.spare(ctx)
	}
}

// take adds a reply, whose times are on the timeline, to what is said. known is up to where it stands; tells is whether
// it has times.
func (c *call) take(r Reply, known int64, tells bool) {
	u := c.said
	late := tells && r.last() < u.end // it is still hearing again what another stream heard
	if r.Settled.Text != "" || r.says() && tells && r.last() > u.end {
		c.fails = 0
	}
	u.take(r)
	if tells {
		u.end = max(u.end, r.last())
	}
	if r.Settled.Text != "" {
		c.known = known
		c.tape.forget(c.kept())
	}
	c.mark(r)
	if r.says() && !late {
		c.partial()
	}
}

// place is where on the tape a time of a stream's is, whatever its provider says.
func (c *call) place(s *stream, d time.Duration) int64 {
	return s.from + c.tape.count(min(max(d, 0), 24*time.Hour))
}

// placed is r on the timeline.
func (c *call) placed(s *stream, r Reply) Reply {
	at := func(d time.Duration) time.Duration { return c.tape.at(c.place(s, d)) }
	part := func(p Part) Part {
		p.Start, p.End = at(p.Start), at(max(p.Start, p.End))
		words := p.Words
		p.Words = nil
		for _, w := range words {
			p.Words = append(p.Words, stt.Word{Text: w.Text, Start: at(w.Start), End: at(max(w.Start, w.End))})
		}
		return p
	}
	r.Settled, r.Open, r.At = part(r.Settled), part(r.Open), at(r.At)
	return r
}

// over reports whether r begins another utterance of a steady call: a Final has told the one before in full, and r is
// not a part of it heard again; or it has got too long.
func (c *call) over(r Reply) bool {
	u := c.said
	if c.o.Steady == nil || c.next != nil || u.open.Text != "" {
		return false
	}
	return !u.fresh && u.said != "" && r.first()+overlap >= u.upTo || u.length() >= wordy
}

// partial tells the text so far, if there is news in it.
func (c *call) partial() {
	u := c.said
	text := u.text()
	if text == "" || text == u.said {
		return
	}
	if !u.fresh && len(strings.Fields(text)) <= len(strings.Fields(u.said)) {
		return // a correction of what a Final has told
	}
	end := max(u.start, u.end)
	u.fresh, u.said, u.upTo = true, text, u.last()
	c.send(stt.Result{Kind: stt.Partial, Text: text, Start: u.start, End: end, Words: u.words(end)})
}

// settledTo is the place up to which a stream's text stands.
func (c *call) settledTo(s *stream, r Reply) int64 {
	sent := s.sent.Load()
	if r.Settled.End > 0 {
		return max(c.known, min(c.place(s, r.Settled.End), sent))
	}
	return max(c.known, sent) // it does not tell
}

// mark takes what else a stream says; its time is on the timeline.
func (c *call) mark(r Reply) {
	switch r.Mark {
	case Began:
		c.send(stt.Result{Kind: stt.Onset, Start: r.At, End: r.At})
	case Ended, Enough:
		c.send(stt.Result{Kind: stt.Endpoint, Start: min(c.said.start, r.At), End: r.At})
	}
}

// broken takes the end of a stream.
func (c *call) broken(ctx context.Context, e event) (done bool, err error) {
	how, draining := Judge(e.err), c.drain.why != nothing
	if e.s == c.next {
		c.next = nil
		c.spared = time.Now().Add(min(c.o.Rotate/20, 10*time.Second))
		return false, nil // the live one will do a little longer
	}
	switch {
	case how == Fatal || how != Limit && !e.s.open && !c.reached:
		return false, e.err
	case draining && c.allSaid(e.err):
		return c.drained(ctx), nil
	case c.next != nil:
		c.takeOver()
		return false, nil
	}
	if how != Limit || c.age() < brief {
		c.fails++
	}
	c.live = nil
	switch {
	case c.owed(e, how), c.o.Steady != nil && how != Limit:
		return false, c.again(ctx, e.err, how)
	case draining:
		return c.drained(ctx), nil
	}
	c.freeze()
	c.known = max(c.known, c.tape.end()-c.tape.count(preroll))
	c.in.sleeping = c.o.Steady != nil
	return false, nil
}

// allSaid reports whether the end of a stream whose audio was ended is as it should be. A connection that was cut there
// is, too, if no text is open.
func (c *call) allSaid(err error) bool {
	return err == io.EOF || errors.Is(err, io.EOF) && (c.said == nil || c.said.open.Text == "")
}

// owed tells whether there is speech that is not settled and that another stream may settle.
func (c *call) owed(e event, how Cut) bool {
	vain := how == Limit && (c.tape.end() == e.s.ahead || e.err == io.EOF && !e.s.heard)
	slack := int64(0)
	if c.o.Steady != nil {
		slack = c.tape.count(hangover)
	}
	return c.in.voice > c.known+slack && !vain
}

// again has another stream follow one that ended with err, at once or after a pause, unless it is hopeless.
func (c *call) again(ctx context.Context, err error, how Cut) error {
	switch {
	case c.fails > c.o.Again.Tries || how == Once && c.fails > 1:
		return err
	case c.fails == 0:
		c.begin(ctx)
		return nil
	}
	pause := c.o.Again.Pause
	if how == Busy {
		pause = c.o.Again.Busy
	}
	pause <<= c.fails - 1
	var said *provider.Error
	if errors.As(err, &said) {
		pause = max(pause, min(said.RetryAfter, c.o.Limits.Absent))
	}
	c.o.Logger.Info("a stream of recognition is opened again", "pause", pause, "err", err)
	c.after = time.NewTimer(pause)
	c.retry = c.after.C
	return nil
}
