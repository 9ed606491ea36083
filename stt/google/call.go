package google

import (
	"context"
	"fmt"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

const (
	preroll = 200 * time.Millisecond  // audio before the voice that is sent with it
	resume  = 1200 * time.Millisecond // voice this soon after a flush in the middle of speech goes on with it
	idle    = 2 * time.Second         // without voice end a stream that nobody flushed
	mend    = 5 * time.Second         // of speech at most are recognized again because a flush cut a word
	longest = 25 * time.Second        // of speech may be unsettled; then what was heard of it stands
	hole    = 2 * time.Second         // a longer gap in the input ends a stream
	pause   = 100 * time.Millisecond  // before the first new try; each further one waits twice as long
	brief   = 2 * time.Second         // a stream that was shorter has failed, whatever ended it
	tries   = 3                       // new tries in a row that may fail
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
	upTo   int64 // then all before it is settled
	at     time.Duration
	before int   // texts that were settled before it
	known  int64 // and up to where
	within bool  // somebody speaks: a word may be cut
}

// call is one run of Recognize: it feeds one stream at a time, begins the next in good time, and tells a
// stream that follows one which broke off all audio whose text is not settled. All of it is owned by the
// goroutine that runs the iterator.
type call struct {
	open   opener
	rotate time.Duration
	limits provider.Limits
	out    output
	in     input

	tape   tape
	events chan event
	runs   sync.WaitGroup
	live   *stream // is fed, and its words count; nil: nobody speaks
	next   *stream // is fed, too, and takes over with its first words
	said   *utterance
	known  int64 // what lies before it on the tape is settled or silence
	drain  drain
	trouble
}

// input is the audio's side of a call.
type input struct {
	audio chan stt.Audio // from the reader, closed at the input's end
	taken chan struct{}  // to the reader: the frame was used
	rate  int
	end   time.Duration // of all frames so far
	voice int64         // place on the tape behind the last voice
	now   bool          // the last frame was voice
}

// output is the consumer's side.
type output struct {
	yield func(stt.Result, error) bool
	left  bool // the consumer has left the loop
	watch *provider.Watch
	await string // what watch waits for
}

// trouble is what is remembered of failures.
type trouble struct {
	reached bool // the provider was, once
	fails   int  // in a row
	after   *time.Timer
	retry   <-chan time.Time // when to try again; nil: nothing is to be tried
	spared  time.Time        // no next stream before it
}

// serve is converse with a reader beside it. When it returns, no goroutine of the call is left.
func (c *call) serve(ctx context.Context, in media.Source[stt.Audio]) error {
	own, watch := provider.NewWatch(ctx, c.limits.Total)
	c.out.watch = watch
	var reader sync.WaitGroup
	reader.Go(func() { c.in.read(own, in) })
	defer func() { // also when the consumer panics
		watch.Stop()
		if c.after != nil {
			c.after.Stop()
		}
		c.runs.Wait()
		reader.Wait()
	}()
	return c.converse(own)
}

// read hands the input's frames over, each until it was used: their memory is the sender's.
func (i *input) read(ctx context.Context, in media.Source[stt.Audio]) {
	defer close(i.audio)
	for a := range in(ctx) {
		select {
		case i.audio <- a:
			<-i.taken // hear never waits before it sends it
		case <-ctx.Done():
			return
		}
	}
}

// converse runs until the input has ended and all is said, the consumer leaves, ctx ends or the provider
// fails for good.
func (c *call) converse(ctx context.Context) error {
	for !c.out.left {
		c.arm()
		audio := c.in.audio
		if c.drain.why != nothing {
			audio = nil // what follows waits with its sender
		}
		select {
		case a, ok := <-audio:
			if !ok {
				if c.end(ctx) {
					return nil
				}
				continue
			}
			err := c.hear(ctx, a)
			if err != nil {
				return err
			}
		case e := <-c.events:
			if done, err := c.news(ctx, e); done || err != nil {
				return err
			}
		case <-c.retry:
			c.retry = nil
			c.begin(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// arm keeps the deadline of what the provider owes.
func (c *call) arm() {
	what, limit := "", time.Duration(0)
	switch {
	case c.live != nil && !c.live.open:
		what, limit = "connection", c.limits.Connect
	case c.drain.why != nothing && c.live != nil:
		what, limit = "text of what was said", c.limits.First
	case c.live != nil && c.in.now:
		what, limit = "answer to a voice", c.limits.Gap
	}
	if what == c.out.await {
		return
	}
	if c.out.await = what; what == "" {
		c.out.watch.Rest()
		return
	}
	c.out.watch.Await(what, limit)
}

// send yields a result, unless the consumer has left.
func (o *output) send(r stt.Result) {
	o.watch.Rest()
	o.await = ""
	o.left = o.left || !o.yield(r, nil)
}

// hear takes one frame.
func (c *call) hear(ctx context.Context, a stt.Audio) error {
	err := c.in.check(a)
	if err == nil {
		c.keep(a)
	}
	at, voice, asked := a.At, a.Voice && len(a.PCM) > 0, a.Flush
	c.in.taken <- struct{}{} // the reader waits for it; from here on a.PCM is not ours
	c.lapse(at)
	switch {
	case err != nil:
		return err
	case voice:
		c.speak(ctx, at)
	case c.live == nil && c.in.voice <= c.known: // nothing is owed
		c.known = max(c.known, c.tape.end()-c.in.place(preroll))
	}
	c.tape.forget(c.kept())
	if asked {
		c.flush(ctx, at)
		return nil
	}
	c.turn(ctx)
	return nil
}

// check refuses audio that cannot be sent.
func (i *input) check(a stt.Audio) error {
	switch {
	case len(a.PCM) == 0 || a.Rate == i.rate && a.Rate > 0:
		return nil
	case i.rate != 0 && i.end != 0:
		return fmt.Errorf("%w: audio of %d Hz after audio of %d Hz", provider.ErrBadRequest, a.Rate, i.rate)
	case a.Rate < 8000 || a.Rate > 48000:
		return fmt.Errorf("%w: audio of %d Hz, from 8000 to 48000 are taken", provider.ErrBadRequest, a.Rate)
	}
	i.rate = a.Rate
	return nil
}

// place is a time as a place on the tape, and when is the reverse.
func (i *input) place(t time.Duration) int64 {
	rate := int64(i.rate)
	return int64(t/time.Second)*rate + (int64(t%time.Second)*rate+int64(time.Second)/2)/int64(time.Second)
}

func (i *input) when(place int64) time.Duration {
	rate := int64(max(i.rate, 1))
	return time.Duration(place/rate)*time.Second + time.Duration(place%rate)*time.Second/time.Duration(rate)
}

// keep puts a frame on the tape.
func (c *call) keep(a stt.Audio) {
	c.in.end = max(c.in.end, a.At+a.Duration())
	if len(a.PCM) == 0 {
		return
	}
	at, end := c.in.place(a.At), c.tape.end()
	if at > end && at-end > c.in.place(hole) {
		c.freeze()
		c.tape.forget(end)
		c.known = at
	} else if at-end < c.in.place(2*media.FrameDuration) {
		at = end // a rounding, or a place that was heard already
	}
	c.tape.put(at, a.PCM)
	if c.in.now = a.Voice; a.Voice {
		c.in.voice = c.tape.end()
	}
	for _, s := range []*stream{c.live, c.next} {
		if s != nil {
			s.nudge()
		}
	}
}

// kept is the place from which on the tape is needed.
func (c *call) kept() int64 {
	switch {
	case c.next != nil:
		return min(c.known, c.next.from)
	case c.drain.why == flush:
		return c.drain.known
	}
	return c.known
}
