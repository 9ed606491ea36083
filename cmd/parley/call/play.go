package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/internal/caller"
	"parley/media/rtc"
	"parley/web"
)

// play says the lines, one after the other.
type play struct {
	cmd    *Cmd
	lines  []line
	report *report
	length time.Duration // of the call
}

// spoken is a line that was said.
type spoken struct {
	line line
	said caller.Said
	done time.Duration // nothing of it was sent later
}

// run says everything, waits for the last answer and reports.
func (p *play) run(ctx context.Context, c *caller.Caller) error {
	p.report.connected(c)
	var all []spoken
	defer func() { p.report.summary(c, all) }()
	for _, l := range p.lines {
		if err := p.wait(ctx, c, l, all); err != nil {
			return fmt.Errorf("before %s: %w", l.name, err)
		}
		s, err := say(ctx, c, l)
		if err != nil {
			return fmt.Errorf("say %s: %w", l.name, err)
		}
		all = append(all, s)
	}
	err := p.answered(ctx, c, all)
	if errors.Is(err, rtc.ErrHangup) && hasAnswer(c, all[len(all)-1]) {
		return nil // it was a goodbye
	}
	return err
}

func hasAnswer(c *caller.Caller, s spoken) bool {
	_, ok := caller.FirstAudible(c.Heard(s.done), s.done)
	return ok
}

func say(ctx context.Context, c *caller.Caller, l line) (spoken, error) {
	if l.pcm != nil {
		said, err := c.Say(ctx, l.pcm)
		s := spoken{line: l, said: said, done: said.Last}
		if said == (caller.Said{}) {
			s.done = c.Now()
		}
		return s, err
	}
	msg, err := json.Marshal(web.Command{Type: "text", Text: l.text})
	if err != nil {
		return spoken{}, err
	}
	now := c.Now()
	if !c.Post(msg) {
		return spoken{}, errors.New("the server has no open data channel for typed text")
	}
	return spoken{line: l, said: caller.Said{First: now, Last: now}, done: now}, nil
}

// wait waits for the time of l.
func (p *play) wait(ctx context.Context, c *caller.Caller, l line, all []spoken) error {
	switch {
	case l.when.kind == absolute:
		return c.Until(ctx, l.when.d)
	case l.when.kind == began:
		first, err := p.begun(ctx, c, all, p.cmd.Timeout)
		if err != nil {
			return err
		}
		return c.Until(ctx, first.At+l.when.d)
	case len(all) > 0:
		return p.answered(ctx, c, all)
	}
	_, err := p.begun(ctx, c, all, p.cmd.Greeting)
	if errors.Is(err, ErrNoAnswer) {
		return nil // it has no greeting
	}
	if err != nil {
		return err
	}
	return finished(ctx, c)
}

// answered waits until the agent has answered the last of all and finished.
func (p *play) answered(ctx context.Context, c *caller.Caller, all []spoken) error {
	if _, err := p.begun(ctx, c, all, p.cmd.Timeout); err != nil {
		return err
	}
	return finished(ctx, c)
}

// begun waits for the agent's first sound after the last of all.
func (p *play) begun(ctx context.Context, c *caller.Caller, all []spoken, limit time.Duration) (caller.Packet, error) {
	var from time.Duration
	name := "with a greeting"
	if n := len(all); n > 0 {
		from, name = all[n-1].done, all[n-1].line.name
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w %s within %v", ErrNoAnswer, name, limit))
	defer cancel()
	return c.Answer(ctx, from)
}

func finished(ctx context.Context, c *caller.Caller) error {
	ctx, cancel := context.WithTimeoutCause(ctx, longestAnswer, fmt.Errorf("the agent did not finish within %v", longestAnswer))
	defer cancel()
	return c.Finished(ctx)
}
