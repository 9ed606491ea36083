package cassette

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"parley/llm"
)

// grace is how long an engine waits to be cut where the recorded one was, before it says that no more is known.
const grace = 2 * time.Second

// answer is what the model answered once.
type answer struct {
	n       int
	print   string
	request *request // nil: not kept
	deltas  []delta
	end     ended
}

func newAnswer(call *recorded) *answer {
	a := &answer{n: call.n, end: ended{Cut: true}} // until its end is found
	for _, l := range call.lines {
		switch {
		case l.Open != nil:
			a.print, a.request = l.Open.Print, l.Open.Request
		case l.Delta != nil:
			a.deltas = append(a.deltas, *l.Delta)
		case l.End != nil:
			a.end = *l.End
		}
	}
	return a
}

// Model is the recorded model. Under [Nearest] a request that was not recorded gets the answer to the one with the same last
// user message (case, white space and punctuation do not count), or else the answer that was given as the same in order. The
// same request gets the answers that it got, in order, and the last again; where an answer was cut short by its caller and
// another to the same request was not, that one. Where one was cut short before its first word and its caller now waits longer,
// [Nearest] goes on with another.
func (c *Cassette) Model(p Policy) llm.Model {
	m := &playedModel{c: c, policy: p, given: map[string]int{}}
	return llm.ModelFunc(m.generate)
}

type playedModel struct {
	c      *Cassette
	policy Policy

	mu    sync.Mutex
	calls int
	given map[string]int // how many answers of each kind of request
}

func (m *playedModel) generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		if err := context.Cause(ctx); err != nil {
			yield(llm.Delta{}, err)
			return
		}
		a, n, miss := m.find(written(req))
		if miss != nil {
			yield(llm.Delta{}, miss)
			return
		}
		m.play(ctx, a, n, yield)
	}
}

func (m *playedModel) play(ctx context.Context, a *answer, n int, yield func(llm.Delta, error) bool) {
	for _, d := range a.deltas {
		if err := wait(ctx, d.After); err != nil {
			yield(llm.Delta{}, err)
			return
		}
		if d, ok := d.delta(); ok && !yield(d, nil) {
			return
		}
	}
	m.finish(ctx, a, n, yield)
}

// finish ends an answer as the recorded one ended.
func (m *playedModel) finish(ctx context.Context, a *answer, n int, yield func(llm.Delta, error) bool) {
	if !a.end.Cut {
		err := wait(ctx, a.end.After)
		if err == nil {
			err = a.end.failure()
		}
		if err != nil {
			yield(llm.Delta{}, err)
		}
		return
	}
	if err := wait(ctx, a.end.After+grace); err != nil {
		yield(llm.Delta{}, err)
		return
	}
	missed := Miss{Engine: thinks, Call: n, Asked: a.text(), Why: fmt.Sprintf("answer %d was cut short there by its caller", a.n)}
	if m.policy == Strict {
		yield(llm.Delta{}, m.c.miss(missed))
		return
	}
	whole := m.whole(a)
	if whole == nil {
		m.c.miss(missed)
		yield(llm.Delta{End: llm.Stop}, nil)
		return
	}
	missed.Used = fmt.Sprintf("answer %d: %s", whole.n, whole.text())
	m.c.miss(missed)
	m.play(ctx, whole, n, yield)
}

// whole is what stands in for an answer that was cut short before its first word: the next that was not, or the last of those.
func (m *playedModel) whole(cut *answer) (found *answer) {
	if cut.text() != "" {
		return nil
	}
	for _, a := range m.c.answers {
		if !a.end.Cut && a.text() != "" && (found == nil || found.n < cut.n) {
			found = a
		}
	}
	return found
}

func (a *answer) text() string {
	var b strings.Builder
	for _, d := range a.deltas {
		b.WriteString(d.Text)
	}
	return b.String()
}

// find is the answer to a request, and the call's number.
func (m *playedModel) find(asked *request) (a *answer, n int, miss *Miss) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	n = m.calls
	print := asked.print()
	if a := m.next(print, func(a *answer) bool { return a.print == print }); a != nil {
		return a, n, nil
	}
	last := asked.last()
	near := m.next(last, func(a *answer) bool { return a.request != nil && a.request.last() == last })
	for _, a := range m.c.answers {
		if near == nil && (a.n >= n || a == m.c.answers[len(m.c.answers)-1]) {
			near = a
		}
	}
	missed := Miss{Engine: thinks, Call: n, Asked: asked.user(), Why: "no answer was recorded"}
	if near != nil {
		missed.Why = fmt.Sprintf("the request of answer %d is not in the record", near.n)
		if near.request != nil {
			missed.Why = difference(asked, near.request)
		}
	}
	if near != nil && m.policy == Nearest {
		missed.Used = fmt.Sprintf("answer %d: %s", near.n, near.text())
		m.c.miss(missed)
		return near, n, nil
	}
	return nil, n, m.c.miss(missed)
}

// next is the answer that is due of those that fit; nil if none fits.
func (m *playedModel) next(kind string, fits func(*answer) bool) *answer {
	var all []*answer
	for _, a := range m.c.answers {
		if fits(a) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil
	}
	a := all[min(m.given[kind], len(all)-1)]
	m.given[kind]++
	for i := len(all) - 1; i >= 0 && a.end.Cut; i-- {
		if !all[i].end.Cut {
			a = all[i]
		}
	}
	return a
}

// last is the request's last user message and what follows it, as they are compared under Nearest.
func (r *request) last() string {
	var b strings.Builder
	for i := len(r.Messages) - 1; i >= 0; i-- {
		m := r.Messages[i]
		fmt.Fprintf(&b, "%s %s\n", m.Role, key(m.Text))
		if m.Role == llm.User {
			break
		}
	}
	return b.String()
}

// user is the request's last user message.
func (r *request) user() string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if r.Messages[i].Role == llm.User {
			return r.Messages[i].Text
		}
	}
	return ""
}

// delta is d as a model gives it; ok is false if nothing is known of it.
func (d delta) delta() (out llm.Delta, ok bool) {
	out = llm.Delta{Text: d.Text, End: d.End}
	if c := d.Call; c != nil {
		out.Call = &llm.Call{ID: c.ID, Name: c.Name, Arguments: json.RawMessage(c.Arguments)}
	}
	if u := d.Usage; u != nil {
		out.Usage = &llm.Usage{Prompt: u.Prompt, Cached: u.Cached, Completion: u.Completion}
	}
	return out, out != llm.Delta{}
}

// wait waits for d, or for the end of ctx, whose cause it returns.
func wait(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}
