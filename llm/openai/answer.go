package openai

import (
	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
)

// answer turns the chunks of a stream into deltas.
type answer struct {
	content content
	calls   calls
	usage   *llm.Usage
	end     llm.Reason // empty until the reason came
}

func newAnswer(tools []llm.Tool) *answer {
	return &answer{content: content{tools: tools}}
}

// take returns what a chunk adds to the answer. progress: it brought words or a part of a call. Usage and
// end are kept for last.
func (a *answer) take(chunk openai.ChatCompletionStreamResponse) (deltas []llm.Delta, progress bool, err error) {
	if u := chunk.Usage; u != nil {
		a.usage = &llm.Usage{Prompt: u.PromptTokens, Completion: u.CompletionTokens}
		if d := u.PromptTokensDetails; d != nil {
			a.usage.Cached = d.CachedTokens
		}
	}
	for _, c := range chunk.Choices {
		if c.Index != 0 || a.end != "" {
			continue // one answer was asked for, and it is over
		}
		if c.Delta.Content != "" {
			progress = true
			deltas = appendText(deltas, a.content.add(c.Delta.Content))
		}
		if f := c.Delta.FunctionCall; f != nil {
			progress = true
			err = a.calls.add(openai.ToolCall{Function: *f})
		}
		for _, t := range c.Delta.ToolCalls {
			progress = true
			if e := a.calls.add(t); e != nil {
				err = e
			}
		}
		if err == nil && c.FinishReason != "" && c.FinishReason != openai.FinishReasonNull {
			var more []llm.Delta
			more, err = a.finish(c.FinishReason)
			deltas = append(deltas, more...)
		}
	}
	return deltas, progress, err
}

func appendText(deltas []llm.Delta, text string) []llm.Delta {
	if text == "" {
		return deltas
	}
	return append(deltas, llm.Delta{Text: text})
}

// finish returns the text that was held back and the calls.
func (a *answer) finish(reason openai.FinishReason) (deltas []llm.Delta, err error) {
	switch reason {
	case "error": // OpenRouter's word for a provider that failed behind it
		return nil, &provider.Error{Class: provider.ErrUnavailable, Text: "the model failed"}
	case openai.FinishReasonLength:
		a.end = llm.Length
	case openai.FinishReasonContentFilter:
		a.end = llm.Filter
	default:
		a.end = llm.Stop
	}
	text, written, textErr := a.content.end()
	found, callErr := a.calls.end()
	if a.end == llm.Stop {
		for _, e := range []error{textErr, callErr} {
			if e != nil {
				return nil, e
			}
		}
	}
	deltas = appendText(deltas, text)
	if a.end != llm.Stop {
		return deltas, nil // a call may be cut, and is not wanted
	}
	for _, c := range append(found, written...) {
		a.end = llm.Tools
		deltas = append(deltas, llm.Delta{Call: &c})
	}
	return deltas, nil
}
