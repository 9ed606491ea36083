package aws

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"parley/internal/provider"
	"parley/media"
)

// keepAlive is after how long a space is sent: the service gives up after 5 s without text.
const keepAlive = 4 * time.Second

// duplex speaks a whole call in one stream, opened with its first phrase.
func (s *speech) duplex(ctx context.Context, text media.Source[string]) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer func() { // also when the consumer panics
		cancel()
		group.Wait()
	}()
	phrases := make(chan string)
	group.Go(func() {
		defer close(phrases)
		for p := range text(ctx) {
			select {
			case phrases <- p:
			case <-ctx.Done():
				return
			}
		}
	})
	d := &dialog{speech: s, group: &group, alive: time.NewTimer(keepAlive)}
	defer d.alive.Stop()
	for phrases, err := (<-chan string)(phrases), error(nil); ; {
		var events chan event
		if d.stream != nil {
			events = d.stream.events
		}
		select {
		case p, ok := <-phrases:
			if !ok {
				phrases = nil
				err = d.close(ctx)
			} else {
				err = d.say(ctx, p)
			}
		case e := <-events:
			err = d.hear(ctx, e)
		case <-d.alive.C:
			if d.stream != nil && phrases != nil {
				err = d.send(ctx, textEvent(" ", false))
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// dialog is a call to Speak with its stream, which there may not be yet. Its methods return io.EOF when all is
// said.
type dialog struct {
	*speech
	group  *sync.WaitGroup
	stream *stream
	alive  *time.Timer
	ending bool
}

// say sends a phrase, and the order to speak it.
func (d *dialog) say(ctx context.Context, phrase string) error {
	for _, p := range pieces(phrase) {
		if d.stream == nil {
			if err := d.open(ctx); err != nil {
				return err
			}
		}
		d.watch.Await("first audio", d.o.Limits.First)
		if err := d.send(ctx, textEvent(p.text, p.ssml)); err != nil {
			return err
		}
	}
	return nil
}

// close says that there is no more text.
func (d *dialog) close(ctx context.Context) error {
	if d.stream == nil {
		return io.EOF
	}
	d.ending = true
	d.watch.Await("end of the speech", d.o.Limits.First)
	err := d.send(ctx, request{kind: "CloseStreamEvent", payload: []byte("{}")})
	if err == nil {
		err = d.send(ctx, request{}) // the end of the events
	}
	_ = d.stream.pipe.Close() // it does not fail
	return err
}

// hear takes an event.
func (d *dialog) hear(ctx context.Context, e event) error {
	d.watch.Rest()
	switch {
	case e.closed && len(d.odd) > 0:
		return fmt.Errorf("%w: it ends in the middle of a sample", provider.ErrTruncated)
	case e.closed && d.ending:
		return io.EOF
	case e.closed:
		return fmt.Errorf("%w: closed by the service", provider.ErrTruncated)
	case e.err != nil:
		return d.failure(ctx, e.err)
	}
	if err := d.play(e.audio); err != nil {
		return err
	}
	if d.ending {
		d.watch.Await("end of the speech", d.o.Limits.Gap)
	}
	return nil
}

// send sends an event. A stream that has failed tells why by itself.
func (d *dialog) send(ctx context.Context, r request) error {
	d.alive.Reset(keepAlive)
	m, err := d.stream.message(ctx, r)
	if err != nil {
		return fmt.Errorf("%w: make event: %w", provider.ErrBadRequest, err)
	}
	_, err = d.stream.pipe.Write(m)
	if err == nil {
		return nil
	}
	for {
		select {
		case e := <-d.stream.events:
			if err := d.hear(ctx, e); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
