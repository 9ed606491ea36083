// Package llm is the contract between a conversation and a language model. The rules of a stream
// function are in package stt; package llmtest enforces them.
package llm

import (
	"context"
	"encoding/json"
	"iter"
)

// Model writes the agent's next words. Safe for concurrent use.
type Model interface {
	Generate(ctx context.Context, req Request) iter.Seq2[Delta, error]
}

// ModelFunc is a function as a Model.
type ModelFunc func(ctx context.Context, req Request) iter.Seq2[Delta, error]

// Generate calls f.
func (f ModelFunc) Generate(ctx context.Context, req Request) iter.Seq2[Delta, error] {
	return f(ctx, req)
}

// Warmer is implemented by models that answer faster once they have seen the beginning of a request:
// Warm evaluates req and generates nothing. It may be given up by ctx at any time.
type Warmer interface {
	Warm(ctx context.Context, req Request) error
}

// Role is who speaks in a Message.
type Role string

// The roles of a conversation.
const (
	User       Role = "user"
	Agent      Role = "assistant"
	ToolResult Role = "tool"
)

// Message is one turn of a conversation.
type Message struct {
	Role   Role
	Text   string
	Calls  []Call // what an Agent message asked of tools
	CallID string // which Call a ToolResult message answers
}

// Request is all that a model is given. It is the caller's copy: the model keeps nothing of it.
type Request struct {
	System    string
	Messages  []Message
	Tools     []Tool
	MaxTokens int // 0: the adapter's default, which is never unbounded
}

// Tool is a function that the model may ask for.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage // a JSON Schema of the arguments
}

// Call is a model's wish to have a tool run.
type Call struct {
	ID        string
	Name      string
	Arguments json.RawMessage // complete, valid JSON
}

// Delta is one step of an answer: exactly one field is set.
type Delta struct {
	Text  string
	Call  *Call
	Usage *Usage
	End   Reason
}

// Usage is what an answer cost.
type Usage struct{ Prompt, Cached, Completion int } // tokens

// Reason says why an answer ended. An answer without one is provider.ErrTruncated.
type Reason string

// The reasons for an end.
const (
	Stop   Reason = "stop"
	Length Reason = "length"
	Filter Reason = "filter"
	Tools  Reason = "tools"
)
