package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/caller"
	"parley/media/rtc"
	"parley/web"
)

const (
	greetingTime = 3 * time.Second        // the longest wait for a greeting
	answerTime   = 2 * time.Minute        // the longest wait for an answer to end
	quietTold    = 100 * time.Millisecond // an agent that says it does not speak is silent after
	quietUntold  = 1500 * time.Millisecond
	leaveTime    = time.Second // the longest wait for a goodbye
	look         = 10 * time.Millisecond
)

// performed is a cue that was said again. Its times are the call's.
type performed struct {
	line       line
	said       caller.Said
	unanswered bool // no answer came to it in time
	undone     bool // it could not be done
	late       bool // the answer was over before the place at which it was to be interrupted: it came at once
	heardOut   bool // the agent spoke when its moment had come, and was heard out
	endless    bool // the answer before did not end; it came nevertheless
}

// performer says a part again.
type performer struct {
	*caller.Caller
	scribe   *scribe
	patience time.Duration

	all      []performed
	greeted  bool           // a greeting came
	before   int            // index in all of the latest that is no aside, counted from 1
	answer   *caller.Packet // the first of the answer to that; nil: it has not begun
	began    time.Duration  // the beginning of what is being said
	speaking sync.WaitGroup // says it; all's entry of it and failed are known when it is done
	failed   error
}

// perform does all cues, waits for the last answer and hangs up as the recorded caller did: with agent.ErrHungUp if the server
// then ended the call. An agent that does not answer is no error.
func (p *performer) perform(ctx context.Context, s *part) error {
	defer p.speaking.Wait()
	p.all = make([]performed, 0, len(s.cues))
	for _, l := range s.cues {
		if err := p.turnTo(ctx, l); err != nil {
			return err
		}
	}
	if err := p.settle(); err != nil {
		return err
	}
	if p.before > 0 && p.all[p.before-1].line.Answered {
		if _, err := p.answered(ctx); err != nil && !errors.Is(err, errLate) {
			return err
		}
	} else if err := p.until(ctx, answerTime, p.silent); err != nil && !errors.Is(err, errLate) {
		return err
	}
	if s.Ended == agent.ErrHungUp.Error() {
		return p.hangUp(ctx)
	}
	return nil
}

// hangUp takes leave. A server that says nothing to that is left nevertheless.
func (p *performer) hangUp(ctx context.Context) error {
	b, err := json.Marshal(web.Command{Type: "hangup"})
	if err != nil || !p.Post(b) {
		return err
	}
	err = p.until(ctx, leaveTime, p.scribe.ended)
	if errors.Is(err, errLate) {
		return nil
	}
	if err == nil || errors.Is(err, rtc.ErrHangup) { // the server's last message may have come too late to be read
		return agent.ErrHungUp
	}
	return err
}

// mark is when the caller was done with what it did last.
func (p *performer) mark() (last time.Duration) {
	for _, c := range p.all {
		if !c.line.Aside {
			last = max(last, c.said.Last)
		}
	}
	return last
}

// settle waits for what is being said.
func (p *performer) settle() error {
	p.speaking.Wait()
	return p.failed
}

// turnTo waits for the moment of a cue and does it.
func (p *performer) turnTo(ctx context.Context, l line) error {
	if l.Anchor != replay.InCue {
		if err := p.settle(); err != nil {
			return err
		}
	}
	done := performed{line: l}
	due, err := p.due(ctx, &done)
	if err != nil {
		return err
	}
	if err := p.Until(ctx, due-l.lead); err != nil {
		return err
	}
	if l.Polite && !p.silent() {
		done.heardOut = true
		if err := p.until(ctx, answerTime, p.silent); err != nil && !errors.Is(err, errLate) {
			return err
		}
		due = p.Now()
	}
	p.all = append(p.all, done)
	if err := p.do(ctx, &p.all[len(p.all)-1], due); err != nil {
		return err
	}
	if !l.Aside {
		p.before, p.answer = len(p.all), nil
	}
	return nil
}

// due finds the moment of a cue: that of its anchor and the wait after it.
func (p *performer) due(ctx context.Context, c *performed) (time.Duration, error) {
	switch wait := c.line.Wait; c.line.Anchor {
	case replay.AnswerEnds:
		end, err := p.answered(ctx)
		if errors.Is(err, errLate) {
			c.endless, err = true, nil
			return p.Now(), err
		}
		return end + wait, err
	case replay.InAnswer:
		return p.within(ctx, c)
	case replay.CueEnds:
		return p.mark() + wait, nil
	case replay.InCue:
		return p.began + wait, nil
	default:
		return wait, nil
	}
}

// within is the place of an interruption in the answer that is being said.
func (p *performer) within(ctx context.Context, c *performed) (time.Duration, error) {
	if err := p.begun(ctx); err != nil {
		return 0, err
	}
	if p.answer == nil {
		return p.Now(), nil
	}
	place := p.answer.At + c.line.Wait
	over := false
	err := p.until(ctx, max(look, place-c.line.lead-p.Now()), func() bool {
		over = p.finished()
		return over
	})
	if err != nil && !errors.Is(err, errLate) {
		return 0, err
	}
	if over {
		c.late = true
		return p.Now(), nil
	}
	return place, nil
}

// begun waits for the answer to the cue before, if it has not begun yet. One that does not come is noted there.
func (p *performer) begun(ctx context.Context) error {
	if p.answer != nil {
		return nil
	}
	limit := p.patience
	if p.before == 0 {
		limit = min(limit, greetingTime)
	} else if p.all[p.before-1].unanswered {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	first, err := p.Answer(ctx, p.mark())
	switch {
	case errors.Is(err, errLate) && p.before > 0:
		p.all[p.before-1].unanswered = true
	case errors.Is(err, errLate):
	case err != nil:
		return err
	default:
		p.answer = &first
		p.greeted = p.greeted || p.before == 0
	}
	return nil
}

// answered waits for the end of the answer to the cue before and tells when that was; now, if none comes.
func (p *performer) answered(ctx context.Context) (time.Duration, error) {
	if err := p.begun(ctx); err != nil || p.answer == nil {
		return p.Now(), err
	}
	if err := p.until(ctx, answerTime, p.finished); err != nil {
		return 0, err
	}
	last, _ := caller.LastAudible(p.Heard(p.answer.At), p.answer.At, p.Now())
	return last.At, nil
}

// do does a cue whose moment is due.
func (p *performer) do(ctx context.Context, c *performed, due time.Duration) error {
	switch c.line.Kind {
	case replay.Speak:
		p.speak(ctx, c, due)
		return nil
	case replay.Press:
		keys := []rune(c.line.Text)
		if len(keys) != 1 {
			return fmt.Errorf("press %q: the recording tells of a key that is none", c.line.Text)
		}
		err := p.Press(ctx, keys[0])
		if c.undone = errors.Is(err, caller.ErrNoKeys); c.undone {
			err = nil
		}
		c.said = p.moment()
		return err
	}
	m := web.Command{Type: "text", Text: c.line.Text}
	if c.line.Kind == replay.Mute {
		m = web.Command{Type: "mute", On: c.line.On}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.undone = !p.Post(b)
	c.said = p.moment()
	return nil
}

// moment is that of a cue without sound.
func (p *performer) moment() caller.Said {
	now := p.Now()
	return caller.Said{First: now, Last: now}
}

// speak begins to say a cue's sound. What is too late for its margin is left out of that, so that the voice comes in time.
func (p *performer) speak(ctx context.Context, c *performed, due time.Duration) {
	p.began = max(due, p.Now())
	pcm := c.line.from(min(c.line.lead, max(0, p.Now()-(due-c.line.lead))))
	p.speaking.Go(func() { // settle or perform waits for it
		said, err := p.Say(ctx, pcm)
		if said == (caller.Said{}) { // nothing of it is loud enough to be heard
			said = caller.Said{First: p.began, Last: p.Now()}
		}
		c.said, p.failed = said, err
	})
}

var errLate = errors.New("it did not come in time")

// until waits for something, at most so long: then it gives errLate.
func (p *performer) until(ctx context.Context, limit time.Duration, ready func() bool) error {
	tick, late := time.NewTicker(look), time.NewTimer(limit)
	defer tick.Stop()
	defer late.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-late.C:
			return errLate
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// hush is how long the agent has been silent, up to some seconds.
func (p *performer) hush() time.Duration {
	now := p.Now()
	last, _ := caller.LastAudible(p.Heard(now-2*quietUntold), 0, now)
	return now - last.At
}

// finished says that the agent has said its answer.
func (p *performer) finished() bool {
	if state := p.scribe.agent(); state != "" {
		return state == "listening" && p.hush() >= quietTold
	}
	return p.hush() >= quietUntold
}

// silent says that the agent is not speaking; it may be thinking.
func (p *performer) silent() bool {
	if state := p.scribe.agent(); state != "" {
		return state != "speaking" && p.hush() >= quietTold
	}
	return p.hush() >= quietUntold
}
