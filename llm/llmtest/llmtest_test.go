package llmtest

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider/streamtest"
	"parley/llm"
	"parley/llm/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// good is a model that keeps the rules, to be broken.
func good() llm.Model { return script.New(script.Options{Answers: []string{"red and blue"}}) }

// changed is good with its deltas changed by f, which is told the delta's number.
func changed(f func(i int, d llm.Delta) []llm.Delta) llm.ModelFunc {
	return func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			i := 0
			for d, err := range good().Generate(ctx, req) {
				out := []llm.Delta{d}
				if err == nil {
					out = f(i, d)
				}
				i++
				for _, d := range out {
					if !yield(d, err) {
						return
					}
				}
			}
		}
	}
}

// inserted is good with d before its first delta, and the end end if it is not empty.
func inserted(end llm.Reason, extra ...llm.Delta) llm.ModelFunc {
	return changed(func(i int, d llm.Delta) []llm.Delta {
		if d.End != "" && end != "" {
			d.End = end
		}
		if i == 0 {
			return append(extra, d)
		}
		return []llm.Delta{d}
	})
}

func call(id, name, arguments string) llm.Delta {
	return llm.Delta{Call: &llm.Call{ID: id, Name: name, Arguments: json.RawMessage(arguments)}}
}

// fault is a model that breaks one rule, the check that finds it and what that check says.
type fault struct {
	name, check, says string
	m                 llm.Model
}

func faults(stop <-chan struct{}) []fault {
	const whole = "whole answer"
	usage := llm.Delta{Usage: &llm.Usage{Prompt: 1}}
	return []fault{
		{"has no end", whole, "the end comes once", changed(func(_ int, d llm.Delta) []llm.Delta {
			if d.End != "" {
				return nil
			}
			return []llm.Delta{d}
		})},
		{"ends twice", whole, "the end comes once", inserted("", llm.Delta{End: llm.Stop})},
		{"ends for a reason of its own", whole, "unknown end", inserted("eos")},
		{"sets two fields", whole, "2 fields are set", inserted("", llm.Delta{Text: "a", Usage: usage.Usage})},
		{"sets no field", whole, "0 fields are set", inserted("", llm.Delta{})},
		{"cuts characters", whole, "not whole characters", inserted("", llm.Delta{Text: "\xe6"}, llm.Delta{Text: "\x97\xa5"})},
		{"tells usage twice", whole, "usage was told 2 times", inserted("", usage)},
		{"calls without a name", whole, "lacks an ID or a name", inserted(llm.Tools, call("1", "", "{}"))},
		{"calls with broken arguments", whole, "not JSON", inserted(llm.Tools, call("1", "f", `{"a":`))},
		{"calls twice with one ID", whole, "two calls", inserted(llm.Tools, call("1", "f", "{}"), call("1", "g", "{}"))},
		{"calls and ends with stop", whole, `1 calls and the end "stop"`, inserted("", call("1", "f", "{}"))},
		{"calls nothing and ends with tools", whole, `0 calls and the end "tools"`, inserted(llm.Tools)},
		{"says nothing", whole, "nothing was said", llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) { yield(llm.Delta{End: llm.Stop}, nil) }
		})},
		{"says even less", whole, "not even an End", llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
			return func(func(llm.Delta, error) bool) {}
		})},
		{"asks before the loop", "nothing before the loop", "goroutines left behind",
			llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
				go func() { <-stop }()
				return good().Generate(ctx, req)
			})},
		{"is deaf while its provider is stuck", "cancel while it waits, provider stuck", "did not end in time",
			llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
				return func(func(llm.Delta, error) bool) { <-stop }
			})},
		{"changes the request", "request untouched", "the request was changed",
			llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
				req.Messages[0].Text = strings.ToUpper(req.Messages[0].Text)
				return good().Generate(ctx, req)
			})},
		{"calls no tool", "tool call", "no tool was called", good()},
		{"calls another tool", "tool call", "no tool of the request", inserted(llm.Tools, call("1", "g", "{}"))},
		{"knows no limit", "token limit", `ended with "stop"`, changed(func(_ int, d llm.Delta) []llm.Delta {
			if d.End != "" {
				d.End = llm.Stop
			}
			return []llm.Delta{d}
		})},
	}
}

func TestFindsFaults(t *testing.T) {
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	for _, tt := range faults(stop) {
		t.Run(tt.name, func(t *testing.T) {
			model := func(testing.TB) llm.Model { return tt.m }
			said := streamtest.Failures(t, checks(options(model)), tt.check)
			if !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("%q said %q, want %q", tt.check, said, tt.says)
			}
		})
	}
}

func options(model func(testing.TB) llm.Model) Options {
	return Options{
		New:      model,
		Stuck:    model,
		Request:  &llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Two colors?"}}},
		Tools:    &llm.Request{Tools: []llm.Tool{{Name: "f"}}},
		Limits:   true,
		Patience: 300 * time.Millisecond,
	}
}

// TestPasses shows that a good model fails no check, tool calls included.
func TestPasses(t *testing.T) {
	o := options(func(testing.TB) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
			if len(req.Tools) > 0 {
				return inserted(llm.Tools, call("1", "f", "{}"))(ctx, req)
			}
			return good().Generate(ctx, req)
		})
	})
	o.Stuck = func(testing.TB) llm.Model { return script.New(script.Options{First: time.Hour}) }
	for _, c := range checks(o) {
		if said := streamtest.Failures(t, checks(o), c.Name); len(said) > 0 {
			t.Errorf("%q said %q", c.Name, said)
		}
	}
}
