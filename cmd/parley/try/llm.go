package try

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"parley/cmd/parley/serve"
	"parley/llm"
)

// LLMCmd asks a language model.
type LLMCmd struct {
	Engine
	Text      string `arg:"" help:"What the caller says."`
	System    string `placeholder:"TEXT" env:"-" help:"The model's instructions."`
	MaxTokens int    `default:"160" env:"-" help:"The longest answer, in tokens."`
}

// Run prints every piece of the answer with its time.
func (c *LLMCmd) Run(ctx context.Context, out io.Writer) error {
	if c.MaxTokens < 1 {
		return fmt.Errorf("--max-tokens is %d: it must be 1 or more", c.MaxTokens)
	}
	return c.trial("llm", out).run(ctx, c.ask(out))
}

func (c *LLMCmd) ask(out io.Writer) func(context.Context, serve.Parts, *clock) error {
	return func(ctx context.Context, p serve.Parts, pace *clock) error {
		var end llm.Reason
		var usage *llm.Usage
		var failed error
		req := llm.Request{System: c.System, Messages: []llm.Message{{Role: llm.User, Text: c.Text}}, MaxTokens: c.MaxTokens}
		for d, err := range p.Model.Generate(ctx, req) {
			switch {
			case err != nil:
				failed = err
			case d.Text != "":
				fmt.Fprintf(out, "%s%s\n", at(pace.tick()), printable(d.Text))
			case d.Usage != nil:
				u := *d.Usage
				usage = &u
			case d.End != "":
				end = d.End
			}
		}
		line := []string{pace.summary("text"), short(time.Since(pace.began)) + " in all"}
		if usage != nil && usage.Prompt > 0 {
			line = append(line, fmt.Sprintf("%d tokens read, %d of them cached", usage.Prompt, usage.Cached))
		}
		if usage != nil {
			line = append(line, fmt.Sprintf("%d tokens written", usage.Completion))
		}
		if end != "" {
			line = append(line, "ended by: "+string(end))
		}
		fmt.Fprintln(out, strings.Join(line, "; "))
		if failed == nil && end == "" {
			failed = errors.New("the answer has no end: the engine is at fault")
		}
		return failed
	}
}

func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}

func most(d []time.Duration) time.Duration { return slices.Max(d) }
