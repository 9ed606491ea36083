package openai

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// mostJobs is how many Finals may wait for their text before no more audio is taken from the input.
const mostJobs = 8

// Recognize follows the contract of package stt; how it divides speech is in the package's comment. Errors are
// those of package provider: [*provider.Error], [*provider.Timeout], or one that wraps a class; audio whose rate is
// not from 8000 to 48000, or changes within an utterance, is provider.ErrBadRequest.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		c := &call{Recognizer: r, yield: yield, audio: make(chan stt.Audio), taken: make(chan struct{}),
			partial: make(chan string), done: make(chan outcome, 1)}
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

	asking  int // how many of the first jobs the request under way is for; 0: there is none
	partial chan string
	done    chan outcome

	known struct { // the text of the last request
		heard
		start time.Duration
		voice int
	}
}

// outcome is how a request ended.
type outcome struct {
	heard
	err error
}

// serve is converse with a reader beside it. When it returns, no goroutine of the call is left.
func (c *call) serve(ctx context.Context, in media.Source[stt.Audio]) error {
	ctx, cancel := context.WithCancel(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { c.read(ctx, in) })
	defer func() { // also when the consumer panics
		cancel()
		if c.asking > 0 {
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

// converse runs until the input has ended and all is said, the consumer leaves, ctx ends or a request fails.
func (c *call) converse(ctx context.Context) error {
	audio := c.audio
	for {
		c.start(ctx)
		if c.left || audio == nil && len(c.jobs) == 0 {
			return nil
		}
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
		case text := <-c.partial:
			c.hint(text)
		case o := <-c.done:
			if err := c.finish(o); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hint sends a Partial, unless it is only the beginning of what stands.
func (c *call) hint(text string) {
	j := c.jobs[c.asking-1]
	if c.known.start != j.start || len(text) > len(c.known.text) {
		c.send(stt.Result{Kind: stt.Partial, Text: text, Start: j.start, End: j.end})
	}
}

// finish takes the outcome of the request that was under way.
func (c *call) finish(o outcome) error {
	n := c.asking
	c.asking = 0
	if o.err != nil {
		return o.err
	}
	j := c.jobs[n-1]
	c.known.heard, c.known.start, c.known.voice = o.heard, j.start, j.voice
	c.deliver(n, o.heard)
	return nil
}

// send yields a result, unless the consumer has left.
func (c *call) send(r stt.Result) {
	c.left = c.left || !c.yield(r, nil)
}

// take hears one frame and tells whether an utterance begins with it.
func (c *call) take(a stt.Audio) (onset bool, err error) {
	changed := c.open != nil && a.Rate != c.open.rate && !c.open.over(a.At)
	if len(a.PCM) > 0 && (changed || a.Rate < 8000 || a.Rate > 48000) {
		return false, fmt.Errorf("transcribe speech: %w: audio of %d Hz given: one rate from 8000 to 48000 is needed",
			provider.ErrBadRequest, a.Rate)
	}
	return c.hear(a), nil
}

// start delivers the Finals whose text is known and asks for the next one that is not.
func (c *call) start(ctx context.Context) {
	for c.asking == 0 && len(c.jobs) > 0 && !c.left {
		n := c.together()
		switch j := c.jobs[n-1]; {
		case j.voice == 0:
			c.deliver(n, heard{})
		case c.known.start == j.start && c.known.voice == j.voice:
			c.deliver(n, c.known.heard)
		default:
			c.asking = n
			go func() {
				var o outcome
				o.heard, o.err = c.transcribe(ctx, j, func(text string) {
					select {
					case c.partial <- text:
					case <-ctx.Done():
					}
				})
				c.done <- o // there is room: only one runs, and serve takes the last
			}()
		}
	}
}

// deliver sends the Finals of the first n jobs, which are of one utterance.
func (c *call) deliver(n int, h heard) {
	for _, j := range c.jobs[:n] {
		c.send(stt.Result{Kind: stt.Final, Text: h.text, Start: j.start, End: j.end, Words: within(h.words, j.end)})
	}
	c.jobs = slices.Delete(c.jobs, 0, n)
}

// within is the words that end by then: of a Final that came too late for its own request.
func within(words []stt.Word, end time.Duration) []stt.Word {
	for i, w := range words {
		if w.End > end {
			return words[:i]
		}
	}
	return words
}
