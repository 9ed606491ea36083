package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

const (
	chunk     = 60 * time.Millisecond  // of audio, a message
	tick      = 20 * time.Millisecond  // how often the call looks at the time
	late      = 10                     // ticks: input that is missing for so long is sent as silence
	burst     = 300 * time.Millisecond // of audio may be sent at once when it was held up
	rest      = 3 * time.Second        // so long after voice nothing more is said of it
	hangover  = 600 * time.Millisecond // a voice detector stays on behind the last word
	mostFails = 4                      // one after the other, and no transcript between them
)

// call is one run of Recognize. All of it is owned by the goroutine that runs the iterator.
type call struct {
	*Recognizer
	yield func(stt.Result, error) bool
	left  bool // the consumer has left the loop

	audio  chan stt.Audio // from the reader, closed at the input's end
	taken  chan struct{}  // to the reader: the frame was used
	events chan event     // from the streams

	tape   tape
	heard  input
	words  utterance
	asked  []flush
	line   line
	answer int64 // the tape before this sample is answered for
	watch  watch
}

// watch is the time that the call has waited in its loop: not while the consumer held it.
type watch struct {
	time   time.Duration
	looked time.Time
}

func (w *watch) look(now time.Time) {
	w.time += min(now.Sub(w.looked), 2*tick)
	w.looked = now
}

// serve is converse with a reader beside it. When it returns, no goroutine of the call is left.
func (c *call) serve(ctx context.Context, in media.Source[stt.Audio]) error {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { c.read(ctx, in) })
	defer func() { // also when the consumer panics
		cancel()
		reader.Wait()
		c.line.group.Wait()
	}()
	return c.converse(ctx)
}

func newCall(r *Recognizer, yield func(stt.Result, error) bool) *call {
	return &call{
		Recognizer: r, yield: yield,
		audio: make(chan stt.Audio), taken: make(chan struct{}), events: make(chan event),
		tape: tape{rate: r.o.Rate},
	}
}

// read hands the input's frames over, each until it was used: their memory is the sender's.
func (c *call) read(ctx context.Context, in media.Source[stt.Audio]) {
	defer close(c.audio)
	for a := range in(ctx) {
		select {
		case c.audio <- a:
			<-c.taken // converse never waits before it sends it
		case <-ctx.Done():
			return
		}
	}
}

// converse runs until the input has ended and all is said, the consumer leaves, ctx ends or the service fails.
func (c *call) converse(ctx context.Context) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	audio := c.audio
	for {
		now := time.Now()
		c.watch.look(now)
		if err := c.advance(ctx, now); err != nil {
			return err
		}
		if c.left || c.heard.ended && len(c.asked) == 0 {
			c.hangUp(ctx)
			return nil
		}
		hear := audio
		if c.behind() {
			hear = nil // the input is faster than it may be sent
		}
		select {
		case a, ok := <-hear:
			if !ok {
				audio = nil
				c.close()
				continue
			}
			err := c.take(a)
			c.taken <- struct{}{} // the reader waits for it; from here on a.PCM is not ours
			if err != nil {
				return err
			}
		case e := <-c.events:
			if err := c.news(ctx, e); err != nil {
				return err
			}
		case <-clock.C:
			if hear != nil {
				c.still(ctx)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// behind reports whether there is so much unsent audio that more has to wait.
func (c *call) behind() bool {
	sent := c.line.sent
	if c.line.cur == nil {
		sent = c.answer
	}
	return c.tape.end()-sent > c.tape.count(longest/2)
}

// send yields a result, unless the consumer has left.
func (c *call) send(r stt.Result) { c.left = c.left || !c.yield(r, nil) }

// advance does what is due: streams, audio, Finals.
func (c *call) advance(ctx context.Context, now time.Time) error {
	if err := c.connect(ctx, now); err != nil {
		return err
	}
	if err := c.pump(ctx, now); err != nil {
		return err
	}
	for len(c.asked) > 0 && c.ready() && !c.left {
		f := c.asked[0]
		c.asked = c.asked[1:]
		c.heard.told = max(c.heard.told, min(c.heard.voice, f.sample))
		if c.words.fresh() {
			c.send(c.words.result(stt.Final, f.end))
		} else {
			c.send(stt.Result{Kind: stt.Final, Start: f.end, End: f.end})
		}
	}
	c.release()
	return c.patience()
}

// patience is an error when the service says nothing to speech that it was sent, or no end.
func (c *call) patience() error {
	l := &c.line
	limit := c.o.Limits.Gap
	if !l.spoke {
		limit = c.o.Limits.First
	}
	waited := c.watch.time - l.news
	switch {
	case l.cur == nil || limit <= 0 || waited < limit:
		return nil
	case l.cur.ending:
		return &provider.Timeout{What: "end of the transcript", After: limit}
	case c.heard.unheard >= limit:
		return &provider.Timeout{What: "event for speech", After: limit}
	}
	return nil
}

// release lets go of audio that was answered for: settled segments, and silence that nothing is said of.
func (c *call) release() {
	if c.words.open.text == "" && c.line.sent > c.heard.voice+c.tape.count(rest) {
		c.answer = max(c.answer, c.line.sent-c.tape.count(time.Second))
	}
	if c.answer > c.tape.first {
		c.tape.lost = 0
	}
	if c.answer > c.tape.first+c.tape.count(time.Second) || c.answer == c.tape.end() {
		c.tape.forget(c.answer)
	}
	c.answer = max(c.answer, c.tape.first)
}

// news takes an event of a stream.
func (c *call) news(ctx context.Context, e event) error {
	l := &c.line
	now := time.Now()
	switch {
	case e.from != l.cur && e.from != l.next:
		return nil // of a stream that was given up
	case e.from == l.next && e.err != nil:
		l.next = nil
		return c.failed(e.err, now)
	case e.from == l.next:
		c.adopt(ctx, now)
		return nil
	}
	for _, s := range e.segments {
		l.fails, l.spoke = 0, true
		c.hear(s)
	}
	l.news = c.watch.time
	if e.err == nil {
		c.heard.unheard = 0
		return nil
	}
	c.drop()
	if e.from.ending && (e.err == io.EOF || errors.Is(e.err, io.EOF) && c.words.open.text == "") {
		c.heard.drained = true
		return nil
	}
	return c.failed(e.reason(), now)
}

// reason is the best that is known of why a stream has ended.
func (e event) reason() error {
	var said *provider.Error
	switch {
	case e.from.broken != nil && !errors.As(e.err, &said):
		return e.from.broken
	case e.err == io.EOF:
		return fmt.Errorf("%w: closed by the service", provider.ErrTruncated)
	}
	return e.err
}

// hear takes a segment of the stream's.
func (c *call) hear(s segment) {
	base := c.line.cur.base
	sample := func(d time.Duration) int64 { return base + c.tape.count(d) }
	if r, ok := c.words.hear(s, func(d time.Duration) time.Duration { return c.tape.at(sample(d)) }); ok && !c.left {
		c.send(r)
	}
	if !s.partial {
		c.answer = max(c.answer, min(sample(s.end), c.line.sent))
	}
}

// idle reports whether err says that no audio came for 15 s.
func idle(err error) bool {
	var said *provider.Error
	return errors.As(err, &said) && strings.HasPrefix(said.Text, "Your request timed out because no new audio")
}
