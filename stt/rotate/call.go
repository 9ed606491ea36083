package rotate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

const (
	preroll  = 200 * time.Millisecond  // audio before the voice that is sent with it
	resume   = 1200 * time.Millisecond // voice this soon after a flush in the middle of speech goes on with it
	hangover = 600 * time.Millisecond  // a voice detector may stay on behind the last word
	idle     = 2 * time.Second         // without voice end a stream that nobody flushed
	calm     = 3 * time.Second         // so long after voice nothing more is said of it
	mend     = 5 * time.Second         // of speech at most are recognized again because a flush cut a word
	longest  = 25 * time.Second        // of speech may be unsettled; then what was heard of it stands
	replay   = 30 * time.Second        // of unsettled speech can be heard again if the words' times are known
	most     = 60 * time.Second        // of audio on the tape, whatever it is for
	hole     = 2 * time.Second         // a longer gap in the input ends a stream
	brief    = 2 * time.Second         // a stream that was shorter has failed, whatever ended it
	overlap  = 100 * time.Millisecond  // the times of two hearings may differ
	tick     = 20 * time.Millisecond   // how often a steady call looks at the time
	missed   = 10                      // ticks: input that is missing for so long is sent as silence
	wordy    = 2000                    // words of an utterance that no flush ends; a quarter of an hour
)

// call is one run of Recognize: it feeds one stream at a time, begins the next in good time, and tells a
// stream that follows one which broke off all audio whose text is not settled. All of it is owned by the
// goroutine that runs the iterator.
type call struct {
	o   Options
	out output
	in  input

	tape   tape
	events chan event
	runs   sync.WaitGroup
	live   *stream // is fed, and its words count; nil: none is wanted, or none can be had
	next   *stream // is fed, too, and takes over with its first words
	said   *utterance
	known  int64   // what lies before it on the tape is settled or silence
	drain  drain   // what is awaited before more is heard
	asked  []drain // Finals to come while more is heard; only if Steady
	told   int64   // voice before it has had its Final
	trouble
}

// output is the consumer's side.
type output struct {
	yield func(stt.Result, error) bool
	left  bool // the consumer has left the loop
	watch *provider.Watch
	await string        // what watch waits for
	begun time.Time     // the call
	held  time.Duration // by the consumer
	news  time.Duration // on the clock, of the last reply
}

// clock is how long the call has run, not counting while its consumer held the loop.
func (o *output) clock() time.Duration { return time.Since(o.begun) - o.held }

// trouble is what is remembered of failures.
type trouble struct {
	reached bool // the provider was, once
	spoke   bool // and has said something
	fails   int  // in a row
	after   *time.Timer
	retry   <-chan time.Time // when to try again; nil: nothing is to be tried
	spared  time.Time        // no next stream before it
}

func newCall(o Options, yield func(stt.Result, error) bool) *call {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &call{
		o: o, events: make(chan event), tape: tape{rate: o.Rate}, out: output{yield: yield, begun: time.Now()},
		in: input{audio: make(chan stt.Audio), taken: make(chan struct{})},
	}
}

// serve is converse with a reader beside it. When it returns, no goroutine of the call is left.
func (c *call) serve(ctx context.Context, in media.Source[stt.Audio]) error {
	own, watch := provider.NewWatch(ctx, c.o.Limits.Total)
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

// converse runs until the input has ended and all is said, the consumer leaves, ctx ends or the provider
// fails for good.
func (c *call) converse(ctx context.Context) error {
	var ticks <-chan time.Time
	if c.o.Steady != nil {
		t := time.NewTicker(tick)
		defer t.Stop()
		ticks = t.C
	}
	input := c.in.audio
	for !c.out.left {
		c.arm()
		if err := c.overdue(); err != nil {
			return err
		}
		audio := input
		if c.drain.why != nothing || c.behind() {
			audio = nil // what follows waits with its sender
		}
		var done bool
		var err error
		select {
		case a, ok := <-audio:
			if !ok {
				input = nil
				done = c.end(ctx)
			} else {
				err = c.hear(ctx, a)
			}
		case e := <-c.events:
			done, err = c.news(ctx, e)
		case <-c.retry:
			c.retry = nil
			c.begin(ctx)
		case <-ticks:
			c.beat(ctx, audio != nil)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if done || err != nil {
			return err
		}
		c.answer()
	}
	return nil
}

// arm keeps the deadline of what the provider owes.
func (c *call) arm() {
	what, limit := "", time.Duration(0)
	switch {
	case c.o.Steady != nil && c.wanted() && (c.live == nil || !c.live.open):
		what, limit = "stream", c.o.Limits.Absent
	case c.live != nil && !c.live.open:
		what, limit = "connection", c.o.Limits.Connect
	case c.drain.why != nothing && c.live != nil:
		what, limit = "text of what was said", c.o.Limits.Settle
	case c.live != nil && c.in.unheard > 0:
		what = voiceAnswer
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

const voiceAnswer = "answer to a voice"

// overdue is an error when the provider has said nothing for too long to too much voice.
func (c *call) overdue() error {
	limit := c.o.Limits.Gap
	if !c.spoke {
		limit = c.o.Limits.First
	}
	if c.live == nil || limit <= 0 || c.in.unheard < limit || c.out.clock()-c.out.news < limit {
		return nil
	}
	return &provider.Timeout{What: voiceAnswer, After: limit}
}

// behind reports whether there is so much unsent audio that more has to wait.
func (c *call) behind() bool {
	sent := c.tape.end()
	switch {
	case c.live != nil:
		sent = c.live.sent.Load()
	case c.retry != nil:
		sent = c.known
	}
	return c.tape.end()-sent > c.tape.count(longest)
}

// send yields a result, unless the consumer has left.
func (c *call) send(r stt.Result) {
	o := &c.out
	o.watch.Rest()
	o.await = ""
	begun := time.Now()
	o.left = o.left || !o.yield(r, nil)
	o.held += time.Since(begun)
}

// hear takes one frame.
func (c *call) hear(ctx context.Context, a stt.Audio) error {
	err := c.check(a)
	if err == nil {
		c.keep(a)
	}
	at, voice, asked := a.At, a.Voice && len(a.PCM) > 0, a.Flush
	c.in.taken <- struct{}{} // the reader waits for it; from here on a.PCM is not ours
	if err != nil {
		return err
	}
	if c.o.Steady == nil {
		c.speak(ctx, at, voice)
	}
	c.tape.forget(c.kept())
	if asked {
		c.flush(ctx)
	}
	c.turn(ctx)
	return nil
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
