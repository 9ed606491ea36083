package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// mostJobs is how many utterances may wait for their text before no more audio is taken from the input.
const mostJobs = 8

// When a Partial is given.
const (
	firstPartial = media.ListenRate     // after this many samples of voice
	morePartial  = media.ListenRate / 2 // and again after this many
	restFactor   = 2                    // rest after a Partial, in the time that it took
)

// Recognize follows the contract of package stt; how it divides speech is in the package's comment. Its
// errors are provider.ErrBadRequest for audio of another rate than media.ListenRate, and
// provider.ErrUnavailable when a model fails.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		c := &call{Recognizer: r, yield: yield, done: make(chan outcome, 1), audio: make(chan stt.Audio), taken: make(chan struct{})}
		err := c.serve(ctx, in)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil && !c.left {
			yield(stt.Result{}, err)
		}
	}
}

// call is one run of Recognize. All of it is owned by the goroutine that runs the iterator.
type call struct {
	*Recognizer
	ear
	yield func(stt.Result, error) bool
	left  bool // the consumer has left the loop

	audio chan stt.Audio // from the reader, closed at the input's end
	taken chan struct{}  // to the reader: the frame was used

	running run // the decoding under way; one at a time
	done    chan outcome
	rest    time.Time // no Partial before it
}

// run is a decoding under way.
type run struct {
	cancel  context.CancelFunc // nil: none is under way
	partial bool
	start   time.Duration // of its utterance
	end     time.Duration // of its audio
}

// outcome is how a run ended.
type outcome struct {
	text string
	err  error
	took time.Duration
}

// serve is converse with a reader beside it. When it returns, no goroutine of the call is left.
func (c *call) serve(ctx context.Context, in media.Source[stt.Audio]) error {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { c.read(ctx, in) })
	defer func() { // also when the consumer panics
		cancel()
		if c.running.cancel != nil {
			<-c.done
		}
		reader.Wait()
	}()
	return c.converse(ctx)
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

// converse runs until the input has ended and all is said, the consumer leaves, ctx ends or a model fails.
func (c *call) converse(ctx context.Context) error {
	audio := c.audio
	for {
		if !c.deliver() || audio == nil && len(c.jobs) == 0 {
			return nil
		}
		c.start(ctx)
		hear := audio
		if len(c.jobs) >= mostJobs {
			hear = nil
		}
		select {
		case a, ok := <-hear:
			if !ok {
				audio = nil
				c.close()
				continue
			}
			onset, err := c.take(a)
			c.taken <- struct{}{} // the reader waits for it; from here on a.PCM is not ours
			if err != nil {
				return err
			}
			if onset {
				c.send(stt.Result{Kind: stt.Onset, Start: a.At, End: a.At + a.Duration()})
			}
		case o := <-c.done:
			if err := c.finish(o); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send yields a result, unless the consumer has left.
func (c *call) send(r stt.Result) {
	c.left = c.left || !c.yield(r, nil)
}

// take hears one frame and tells whether an utterance begins with it.
func (c *call) take(a stt.Audio) (onset bool, err error) {
	if len(a.PCM) > 0 && a.Rate != media.ListenRate {
		return false, fmt.Errorf("recognize speech: audio of %d Hz given, %d needed: %w", a.Rate, media.ListenRate, provider.ErrBadRequest)
	}
	return c.hear(a), nil
}

// deliver sends the Finals whose text is known, the oldest first. It is false when the consumer has left.
func (c *call) deliver() bool {
	for len(c.jobs) > 0 && c.jobs[0].done && !c.left {
		j := c.jobs[0]
		c.jobs = slices.Delete(c.jobs, 0, 1)
		for _, end := range j.ends {
			if !c.left {
				c.send(stt.Result{Kind: stt.Final, Text: j.text, Start: j.start, End: end})
			}
		}
	}
	return !c.left
}

// start begins the decoding that is due, and stops one that has become useless.
func (c *call) start(ctx context.Context) {
	final := len(c.jobs) > 0
	if c.running.cancel != nil {
		if final && (c.running.partial || c.jobs[0].behind) {
			c.running.cancel()
		}
		return
	}
	switch {
	case final:
		j := &c.jobs[0]
		j.behind = false
		c.decode(ctx, c.final, c.finals, j.pcm, run{start: j.start})
	case c.partialDue():
		u := c.open
		u.partial = u.voiced
		c.decode(ctx, c.partial, c.partials, u.pcm, run{partial: true, start: u.start, end: u.end})
	}
}

func (c *call) partialDue() bool {
	u := c.open
	return c.partial != nil && u != nil && u.voiced >= firstPartial && u.voiced-u.partial >= morePartial && u.fresh() &&
		len(c.finals) == 0 && len(c.partials) < cap(c.partials) && !time.Now().Before(c.rest)
}

// decode begins a run; converse takes its outcome, or serve when converse has returned.
func (c *call) decode(ctx context.Context, f transcriber, slots chan struct{}, pcm []int16, r run) {
	ctx, r.cancel = context.WithCancel(ctx)
	c.running = r
	go func() {
		var o outcome
		select {
		case slots <- struct{}{}:
			began := time.Now()
			o.text, o.err = f(ctx, pcm)
			o.took = time.Since(began)
			<-slots
		case <-ctx.Done():
			o.err = context.Cause(ctx)
		}
		if ctx.Err() != nil {
			o.err = context.Cause(ctx)
		}
		c.done <- o // there is room: only one runs
	}()
}

// finish takes the outcome of the run that was under way.
func (c *call) finish(o outcome) error {
	r := c.running
	c.running = run{}
	stopped := errors.Is(o.err, context.Canceled)
	r.cancel()
	if r.partial {
		c.rest = time.Now().Add(restFactor * o.took)
	}
	switch {
	case stopped: // by start: what it was for is still to be done, or no longer wanted
	case o.err != nil:
		return fmt.Errorf("recognize speech: %w: %w", provider.ErrUnavailable, o.err)
	case !r.partial && !c.jobs[0].behind:
		c.decoded(o.text)
	case r.partial && len(c.jobs) == 0 && c.open != nil && c.open.start == r.start && o.text != "":
		c.send(stt.Result{Kind: stt.Partial, Text: o.text, Start: r.start, End: r.end})
	}
	return nil
}
