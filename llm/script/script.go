// Package script is a language model that says what it was told to say: a stub for tests and for load.
package script

import (
	"context"
	"iter"
	"strings"
	"time"

	"parley/llm"
)

// Options are the settings of a scripted Model.
type Options struct {
	Answers []string      // one for each turn, from the first again after the last; none: "All right."
	First   time.Duration // before the first word
	Gap     time.Duration // between words
}

// Model answers word by word; a word counts as a token.
type Model struct {
	answer     func(llm.Request) string
	first, gap time.Duration
}

// New returns a Model that gives the listed answers. Which one is told by the number of user and tool
// messages in the request, so conversations do not disturb each other and an answer that was prepared
// and thrown away is given again.
func New(o Options) *Model {
	answers := append([]string(nil), o.Answers...)
	if len(answers) == 0 {
		answers = []string{"All right."}
	}
	pick := func(req llm.Request) string {
		n := -1
		for _, m := range req.Messages {
			if m.Role == llm.User || m.Role == llm.ToolResult {
				n++
			}
		}
		return answers[max(n, 0)%len(answers)]
	}
	return &Model{answer: pick, first: o.First, gap: o.Gap}
}

// Echo returns a Model that repeats the last user message at once: "You said: …".
func Echo() *Model {
	return &Model{answer: func(req llm.Request) string {
		for i := len(req.Messages) - 1; i >= 0; i-- {
			if m := req.Messages[i]; m.Role == llm.User {
				return "You said: " + m.Text
			}
		}
		return "You said nothing."
	}}
}

// Generate streams the answer with a space before every word but the first, then the usage and the end:
// llm.Length if req.MaxTokens cut it, else llm.Stop.
func (m *Model) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		words, end := strings.Fields(m.answer(req)), llm.Stop
		if n := req.MaxTokens; n > 0 && n < len(words) {
			words, end = words[:n], llm.Length
		}
		wait, sep := m.first, ""
		for _, w := range words {
			if err := pause(ctx, wait); err != nil {
				yield(llm.Delta{}, err)
				return
			}
			if !yield(llm.Delta{Text: sep + w}, nil) {
				return
			}
			wait, sep = m.gap, " "
		}
		if err := pause(ctx, 0); err != nil {
			yield(llm.Delta{}, err)
			return
		}
		if yield(llm.Delta{Usage: &llm.Usage{Completion: len(words)}}, nil) {
			yield(llm.Delta{End: end}, nil)
		}
	}
}

// pause waits for d, or for the end of ctx, whose cause it returns.
func pause(ctx context.Context, d time.Duration) error {
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
