package aws

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/internal/provider"
)

// line is the connection to the service: a stream, and sometimes the one that will replace it.
type line struct {
	cur   *stream // nil: there is none
	next  *stream // is being opened; nil: none is
	sent  int64   // cur has heard the tape up to this sample
	free  time.Time
	retry time.Time     // no stream is opened before it
	since time.Time     // there is no stream since then; zero: there is
	fails int           // one after the other
	ever  bool          // there was a stream
	spoke bool          // the service has given a transcript
	news  time.Duration // on the watch, of the last event
	group sync.WaitGroup
}

// connect opens a stream when there is none, or when it is time for another.
func (c *call) connect(ctx context.Context, now time.Time) error {
	l := &c.line
	if h := &c.heard; !h.began || h.drained || len(c.asked) == 0 && (h.sleeping || h.ended) {
		l.since = time.Time{}
		return nil
	}
	if l.cur == nil && l.since.IsZero() {
		l.since = now
	}
	if t := c.o.Limits.Total; l.cur == nil && t > 0 && now.Sub(l.since) > t {
		return &provider.Timeout{What: "stream", After: t}
	}
	if l.next != nil || now.Before(l.retry) || l.cur != nil && !c.old(now) {
		return nil
	}
	s := &stream{}
	own, cancel := context.WithCancel(ctx)
	s.cancel, l.next = cancel, s
	l.group.Go(func() {
		s.run(own, c.Recognizer, func(e event) bool {
			select {
			case c.events <- e:
				return true
			case <-own.Done():
				return false
			}
		})
	})
	return nil
}

// old reports whether the stream should be replaced: it has its age and nobody speaks, or it is too old.
func (c *call) old(now time.Time) bool {
	s := c.line.cur
	age := max(now.Sub(s.opened), time.Duration(c.line.sent-s.base)*time.Second/time.Duration(c.o.Rate))
	limit := c.o.Times.Rotate
	if c.heard.ended || age < limit {
		return false
	}
	calm := c.words.open.text == "" && c.line.sent > c.heard.voice+c.tape.count(hangover)
	return calm || age >= limit+limit/50
}

// adopt makes the stream that was opened the one that hears, from the first sample that is not answered for.
func (c *call) adopt(ctx context.Context, now time.Time) {
	l := &c.line
	if l.cur != nil {
		c.o.Logger.Info("transcription goes on in a new stream", "age", now.Sub(l.cur.opened))
		c.hangUp(ctx)
	}
	l.cur, l.next, l.since, l.ever = l.next, nil, time.Time{}, true
	l.free, l.news = now, c.watch.time
	c.reopen()
	l.sent, l.cur.base = c.answer, c.answer
}

// reopen forgets the words that the new stream will hear again. Where the tape does not reach back to them, the
// words of the old stream stand.
func (c *call) reopen() {
	if c.tape.lost == 0 {
		c.words.cut(-1)
		return
	}
	c.o.Logger.Warn("audio is not heard again: no segment was settled for too long", "samples", c.tape.lost)
	c.tape.lost = 0
	from := c.tape.at(c.answer)
	c.answer = min(c.answer+c.tape.count(max(0, c.words.cut(from)-from)), c.tape.end())
}

// hangUp ends the stream, and what it would still say is not waited for.
func (c *call) hangUp(ctx context.Context) {
	if s := c.line.cur; s != nil {
		if s.broken == nil && !s.ending {
			_ = s.send(ctx, nil, tick) // a courtesy
		}
		c.drop()
	}
}

// drop gives the stream up.
func (c *call) drop() {
	c.line.cur.cancel()
	c.line.cur = nil
}

// failed decides whether another stream is tried after err; else it returns err.
func (c *call) failed(err error, now time.Time) error {
	l := &c.line
	if l.cur != nil {
		l.retry = now.Add(10 * time.Second) // there is still a stream
		return nil
	}
	if idle(err) {
		c.heard.sleeping = true
		return nil
	}
	hopeless := errors.Is(err, provider.ErrAuth) || errors.Is(err, provider.ErrBadRequest)
	if hopeless || !l.ever || l.fails >= mostFails {
		return err
	}
	pause := time.Duration(0)
	if l.fails > 0 {
		pause = 125 * time.Millisecond << l.fails
	}
	if errors.Is(err, provider.ErrQuota) {
		pause = 500 * time.Millisecond << l.fails
	}
	var said *provider.Error
	if errors.As(err, &said) {
		pause = max(pause, said.RetryAfter)
	}
	l.fails++
	l.retry = now.Add(pause)
	c.o.Logger.Info("transcription's stream is opened again", "pause", pause, "err", err)
	return nil
}

// pump sends what audio there is, in whole chunks, no faster than pace allows; at its end also the rest and the
// end.
func (c *call) pump(ctx context.Context, now time.Time) error {
	l := &c.line
	n := int(c.tape.count(chunk))
	for l.cur != nil && l.cur.broken == nil && !l.cur.ending && !now.Before(l.free) {
		pcm := c.tape.chunk(l.sent, n)
		if len(pcm) < n && !c.heard.ended {
			return nil
		}
		if err := l.cur.send(ctx, pcm, c.o.Limits.Connect); err != nil {
			l.cur.broken = err // the reader knows why, and tells next
			return context.Cause(ctx)
		}
		l.sent += int64(len(pcm))
		if c.pace > 0 {
			if oldest := now.Add(-burst / time.Duration(c.pace)); l.free.Before(oldest) {
				l.free = oldest
			}
			l.free = l.free.Add(chunk / time.Duration(c.pace))
		}
	}
	return nil
}
