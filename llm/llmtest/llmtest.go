// Package llmtest proves that a language model keeps the contract of package stt, in the manner of
// testing/slogtest: the test of every adapter calls [Run].
package llmtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/internal/provider/streamtest"
	"parley/llm"
)

// Options say what is tested and with what.
type Options struct {
	// New makes the model under test, once a check.
	New func(t testing.TB) llm.Model
	// Request is what it is asked; nil is a short question.
	Request *llm.Request
	// Said says what is wrong with the text of the answer; nil accepts any text but none.
	Said func(text string) error
	// Tools, if not nil, is a request that the model answers with a call of one of its tools.
	Tools *llm.Request
	// Stuck makes a model whose provider accepts a request and never answers; nil leaves that check out.
	Stuck func(t testing.TB) llm.Model
	// Limits says that one token is less than the whole answer and that the model keeps to MaxTokens.
	Limits bool
	// Release frees what calls rightly share, such as idle connections; nil if nothing.
	Release func()
	// Patience is how long a call may take; 0 is 10 s.
	Patience time.Duration
}

// Run tests the model in subtests of t.
func Run(t *testing.T, o Options) { streamtest.Run(t, checks(o)) }

func checks(o Options) []streamtest.Check {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Request == nil {
		o.Request = &llm.Request{
			System:    "You answer in one short sentence.",
			Messages:  []llm.Message{{Role: llm.User, Text: "Name two colors, please."}},
			MaxTokens: 40,
		}
	}
	if o.Said == nil {
		o.Said = something
	}
	list := o.subject(o.New, false).Checks()
	if o.Stuck != nil {
		for _, c := range o.subject(o.Stuck, true).Checks() {
			if c.Name == "cancel while it waits" || c.Name == "canceled before the loop" {
				list = append(list, streamtest.Check{Name: c.Name + ", provider stuck", Run: c.Run})
			}
		}
	}
	return append(list, []streamtest.Check{
		{Name: "request untouched", Run: o.untouched},
		{Name: "tool call", Run: o.tools},
		{Name: "token limit", Run: o.limit},
	}...)
}

func something(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("nothing was said")
	}
	return nil
}

func (o Options) subject(make func(testing.TB) llm.Model, held bool) streamtest.Subject[llm.Delta] {
	return streamtest.Subject[llm.Delta]{
		New: func(t testing.TB) func(context.Context) streamtest.Call[llm.Delta] {
			m := make(t)
			return func(ctx context.Context) streamtest.Call[llm.Delta] {
				return streamtest.Call[llm.Delta]{Stream: m.Generate(ctx, *o.Request)}
			}
		},
		Whole:    func(items []llm.Delta) error { return sane(items, o.Said) },
		Held:     held,
		Keep:     keep,
		Release:  o.Release,
		Patience: o.Patience,
	}
}

func keep(d llm.Delta) llm.Delta {
	if d.Call != nil {
		c := *d.Call
		c.Arguments = slices.Clone(c.Arguments)
		d.Call = &c
	}
	if d.Usage != nil {
		u := *d.Usage
		d.Usage = &u
	}
	return d
}

// sane checks the deltas of one whole answer. With said nil, it is one that calls a tool.
func sane(items []llm.Delta, said func(string) error) error {
	var text strings.Builder
	ids := map[string]bool{}
	usage := 0
	for i, d := range items {
		if err := possible(d); err != nil {
			return fmt.Errorf("delta %d: %w", i, err)
		}
		if (d.End != "") != (i == len(items)-1) {
			return fmt.Errorf("delta %d of %d has End %q: the end comes once, and last", i, len(items), d.End)
		}
		text.WriteString(d.Text)
		if d.Usage != nil {
			usage++
		}
		if d.Call != nil {
			if ids[d.Call.ID] {
				return fmt.Errorf("two calls have the ID %q", d.Call.ID)
			}
			ids[d.Call.ID] = true
		}
	}
	switch {
	case len(items) == 0:
		return errors.New("no deltas, not even an End")
	case usage > 1:
		return fmt.Errorf("usage was told %d times", usage)
	case (items[len(items)-1].End == llm.Tools) != (len(ids) > 0):
		return fmt.Errorf("%d calls and the end %q", len(ids), items[len(items)-1].End)
	case said == nil && len(ids) == 0:
		return fmt.Errorf("no tool was called, but said was %q", text.String())
	case said == nil:
		return nil
	}
	return said(text.String())
}

// possible checks one delta by itself.
func possible(d llm.Delta) error {
	set := 0
	for _, is := range []bool{d.Text != "", d.Call != nil, d.Usage != nil, d.End != ""} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("%d fields are set, want exactly one", set)
	case !utf8.ValidString(d.Text):
		return fmt.Errorf("text %q is not whole characters", d.Text)
	case d.End != "" && !slices.Contains([]llm.Reason{llm.Stop, llm.Length, llm.Filter, llm.Tools}, d.End):
		return fmt.Errorf("unknown end %q", d.End)
	case d.Call != nil:
		return callable(*d.Call)
	case d.Usage != nil && (d.Usage.Prompt < 0 || d.Usage.Completion < 0 || d.Usage.Cached < 0):
		return fmt.Errorf("usage %+v", *d.Usage)
	}
	return nil
}

func callable(c llm.Call) error {
	if c.ID == "" || c.Name == "" {
		return fmt.Errorf("call %+v lacks an ID or a name", c)
	}
	if !json.Valid(c.Arguments) {
		return fmt.Errorf("arguments %q are not JSON", c.Arguments)
	}
	return nil
}

// answer runs one call to its end.
func (o Options) answer(t testing.TB, req llm.Request) []llm.Delta {
	t.Helper()
	m := o.New(t)
	leaks := streamtest.Leaks(t, o.Release)
	c := streamtest.Call[llm.Delta]{Stream: m.Generate(context.Background(), req)}
	out := streamtest.Loop(c, keep, o.Patience, streamtest.All)
	out.Sound(t)
	if out.Err != nil {
		t.Fatalf("error %v", out.Err)
	}
	leaks()
	return out.Items
}

func (o Options) untouched(t testing.TB) {
	req, want := clone(*o.Request), clone(*o.Request)
	o.answer(t, req)
	if !reflect.DeepEqual(req, want) {
		t.Errorf("the request was changed to %+v", req)
	}
}

func clone(r llm.Request) llm.Request {
	r.Messages, r.Tools = slices.Clone(r.Messages), slices.Clone(r.Tools)
	return r
}

func (o Options) tools(t testing.TB) {
	if o.Tools == nil {
		return
	}
	items := o.answer(t, *o.Tools)
	if err := sane(items, nil); err != nil {
		t.Fatal(err)
	}
	for _, d := range items {
		known := func(tool llm.Tool) bool { return tool.Name == d.Call.Name }
		if d.Call != nil && !slices.ContainsFunc(o.Tools.Tools, known) {
			t.Errorf("call of %q, which is no tool of the request", d.Call.Name)
		}
	}
}

func (o Options) limit(t testing.TB) {
	if !o.Limits {
		return
	}
	req := clone(*o.Request)
	req.MaxTokens = 1
	items := o.answer(t, req)
	if err := sane(items, func(string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if end := items[len(items)-1].End; end != llm.Length {
		t.Errorf("an answer of one token ended with %q, want %q", end, llm.Length)
	}
}
