package bench

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/web"
)

// How a caller behaves.
const (
	greetingWait = 3 * time.Second         // for a greeting to begin
	answerWait   = 20 * time.Second        // for an answer to begin
	finishWait   = 2 * time.Minute         // for an answer to end
	latencyWait  = time.Second             // for the server's own account of an answer
	breath       = time.Second             // between the end of an answer and the next words
	cutAfter     = 1500 * time.Millisecond // into an answer: when it is interrupted
)

// step is one thing a caller says.
type step struct {
	said  corpus.Utterance
	pause time.Duration // there is such a silence within it; 0: none was put in
	cut   bool          // it is said cutAfter into the answer to the step before
	lose  bool          // one audible packet of it is lost
}

// result is what came of a step.
type result struct {
	step
	caller.Turn
	when       caller.Said
	answered   time.Duration // first audible packet of the answer; 0: none
	early      bool          // the agent took the turn for finished while it was being said
	account    *web.Latency  // of the server; nil: it gave none
	afterLoss  bool          // a packet was lost in an earlier step
	wall       time.Time     // of when.First
	unanswered error
}

// converse says the steps that next gives, one after the other, until there are no more. An answer that does not come
// is a result, not an error.
func converse(ctx context.Context, c *caller.Caller, next func(i int) (step, bool)) ([]result, error) {
	if err := greeted(ctx, c); err != nil {
		return nil, err
	}
	var all []result
	lost := false
	for i := 0; ; i++ {
		s, ok := next(i)
		if !ok {
			break
		}
		r := result{step: s, afterLoss: lost}
		r.cut = s.cut && i > 0 && all[i-1].answered > 0 && !all[i-1].Kept
		if err := turnTo(ctx, c, r.cut, all); err != nil {
			return all, err
		}
		if err := r.say(ctx, c); err != nil {
			return all, err
		}
		lost = lost || s.lose
		all = append(all, r)
	}
	finish(c, all)
	return all, nil
}

// limited calls f with a ctx that ends after limit with errLate.
func limited(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLate)
	defer cancel()
	return f(ctx)
}

var errLate = errors.New("it did not come in time")

// greeted waits for a greeting and hears it out.
func greeted(ctx context.Context, c *caller.Caller) error {
	err := limited(ctx, greetingWait, func(ctx context.Context) error {
		_, err := c.Answer(ctx, 0)
		return err
	})
	switch {
	case errors.Is(err, errLate):
		return nil
	case err != nil:
		return err
	}
	return limited(ctx, finishWait, c.Finished)
}

// turnTo waits until it is time for the next words.
func turnTo(ctx context.Context, c *caller.Caller, cut bool, all []result) error {
	if cut {
		return c.Until(ctx, all[len(all)-1].answered+cutAfter)
	}
	if err := limited(ctx, finishWait, c.Finished); err != nil {
		return err
	}
	return c.Until(ctx, c.Now()+breath)
}

// say speaks r and waits for the answer to begin.
func (r *result) say(ctx context.Context, c *caller.Caller) error {
	if r.lose {
		c.Lose(1)
	}
	said, err := c.Say(ctx, r.said.PCM)
	if err != nil {
		return err
	}
	r.when, r.wall = said, time.Now().Add(said.First-c.Now())
	r.unanswered = limited(ctx, answerWait, func(ctx context.Context) error {
		p, err := c.Answer(ctx, said.Last)
		r.answered = p.At
		return err
	})
	if r.unanswered != nil {
		if !errors.Is(r.unanswered, errLate) {
			return r.unanswered
		}
		return nil
	}
	err = limited(ctx, latencyWait, func(ctx context.Context) error {
		m, err := c.Expect(ctx, "latency", said.Last)
		if err != nil {
			return err
		}
		var l web.Latency
		if json.Unmarshal(m.Raw, &l) == nil {
			r.account = &l
		}
		return nil
	})
	if errors.Is(err, errLate) {
		return nil // an answer without an account
	}
	return err
}

// finish measures the turns.
func finish(c *caller.Caller, all []result) {
	heard, messages := c.Heard(-time.Hour), c.Messages(0)
	for i := range all {
		r := &all[i]
		until := c.Now()
		if i+1 < len(all) {
			until = all[i+1].when.First
		}
		r.Turn = caller.Measure(heard, r.when, until)
		r.early = !r.cut && audibleIn(heard, r.when) || tookTurn(messages, r.when)
	}
}

func audibleIn(heard []caller.Packet, said caller.Said) bool {
	_, ok := caller.LastAudible(heard, said.First, said.Last)
	return ok
}

// tookTurn says whether the agent began to think or to speak while it was spoken to.
func tookTurn(messages []caller.Message, said caller.Said) bool {
	return slices.ContainsFunc(messages, func(m caller.Message) bool {
		var s web.State
		return m.Type == "state" && m.At > said.First && m.At < said.Last && json.Unmarshal(m.Raw, &s) == nil && s.State != "listening"
	})
}

// clean says whether r can tell how fast an answer came: there is one, and only one turn to answer.
func (r result) clean() bool { return r.Response >= 0 && !r.early && !r.Kept }

// asked is the wait that the turn machine chose: the longest of waits that is not longer than the silence after which
// the server says it took the turn. 0: not known.
func (r result) asked(waits []time.Duration) time.Duration {
	if r.account == nil {
		return 0
	}
	endpoint := time.Duration(r.account.EndpointMS*1000+500) * time.Microsecond
	var longest time.Duration
	for _, w := range waits {
		if w <= endpoint {
			longest = max(longest, w)
		}
	}
	return longest
}

// pick gathers a figure of the results that have it.
func pick(all []result, f func(result) (time.Duration, bool)) (out figures) {
	for _, r := range all {
		if d, ok := f(r); ok {
			out = append(out, d)
		}
	}
	return out
}

func response(r result) (time.Duration, bool) { return r.Response, r.clean() }

func stop(r result) (time.Duration, bool) { return r.Stop, r.cut && r.Stop >= 0 }

func count[T any](all []T, f func(T) bool) (n int) {
	for _, r := range all {
		if f(r) {
			n++
		}
	}
	return n
}
