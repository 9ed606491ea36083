package completions

import (
	"context"
	"io"
	"time"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/prompt"
)

// reading is the state of one answer that is being read.
type reading struct {
	prompt.Answer
	watch  *provider.Watch
	gap    time.Duration
	yield  func(llm.Delta) bool
	usage  *llm.Usage
	reason llm.Reason // of the end; empty until it came
}

// all yields the deltas of a stream.
func (r *reading) all(ctx context.Context, stream *openai.CompletionStream) error {
	defer func() { _ = stream.Close() }() // its error says nothing that the answer did not
	for {
		chunk, err := stream.Recv()
		switch {
		case err == io.EOF && r.reason == "":
			return &provider.Error{Class: provider.ErrTruncated, Text: "no reason for its end"}
		case err != nil && (r.reason == "" || ctx.Err() != nil):
			return err
		case err != nil:
			return r.last(stream)
		}
		if err := r.chunk(chunk); err != nil {
			return err
		}
		if r.Over() && r.reason == "" { // the server does not stop: it is stopped
			r.yield(llm.Delta{End: llm.Stop})
			return nil
		}
	}
}

func (r *reading) chunk(chunk openai.CompletionResponse) error {
	if u := chunk.Usage; u != nil && u.PromptTokens >= 0 && u.CompletionTokens >= 0 {
		r.usage = &llm.Usage{Prompt: u.PromptTokens, Completion: u.CompletionTokens}
	}
	for _, c := range chunk.Choices {
		if c.Index != 0 || r.reason != "" || r.Over() {
			continue // one answer was asked for, and it is over
		}
		if err := r.take(c); err != nil {
			return err
		}
	}
	return nil
}

// take yields what a chunk adds to the answer.
func (r *reading) take(c openai.CompletionChoice) (err error) {
	text := r.Add(c.Text)
	if r.reason, err = reason(c.FinishReason); err != nil {
		return err
	}
	if r.reason != "" {
		text += r.End()
	}
	if c.Text != "" {
		r.watch.Rest()
	}
	if text != "" && !r.yield(llm.Delta{Text: text}) {
		return errLeft
	}
	switch {
	case r.reason != "" && r.Over():
		r.reason = llm.Stop // it was cut here, whatever the server says
		fallthrough
	case r.reason != "":
		r.watch.Await("usage", afterEnd)
	case c.Text != "":
		r.watch.Await("next token", r.gap)
	}
	return nil
}

// last yields what ends a whole answer.
func (r *reading) last(stream *openai.CompletionStream) error {
	r.watch.Await("end of the body", goodbye)
	_ = stream.Close()
	r.watch.Rest()
	if r.usage != nil && !r.yield(llm.Delta{Usage: r.usage}) {
		return errLeft
	}
	r.yield(llm.Delta{End: r.reason})
	return nil
}

// reason is what a server's reason for an end means; empty if it is none.
func reason(s string) (llm.Reason, error) {
	switch s {
	case "", "null":
		return "", nil
	case "length":
		return llm.Length, nil
	case "content_filter":
		return llm.Filter, nil
	case "error", "abort":
		return "", &provider.Error{Class: provider.ErrUnavailable, Text: "the model failed"}
	}
	return llm.Stop, nil
}
