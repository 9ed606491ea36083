package openai

import (
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
)

// The bounds of what an answer may ask for.
const (
	maxCalls     = 64
	maxArguments = 1 << 20 // bytes, all calls together
)

// calls puts the fragments of tool calls together. Servers tell in different ways which call a fragment
// belongs to: by index, by ID, or by being the last.
type calls struct {
	list []*pending
	size int
}

type pending struct {
	index     int // −1: none given
	id, name  string
	arguments strings.Builder
}

// add takes a fragment.
func (c *calls) add(t openai.ToolCall) error {
	if c.size += len(t.Function.Arguments); c.size > maxArguments || len(c.list) > maxCalls {
		return &provider.Error{Class: provider.ErrUnavailable, Text: "calls of tools without end"}
	}
	p := c.find(t)
	if p == nil {
		p = &pending{index: -1}
		if t.Index != nil {
			p.index = *t.Index
		}
		c.list = append(c.list, p)
	}
	if p.id == "" {
		p.id = t.ID
	}
	if p.name == "" {
		p.name = t.Function.Name
	}
	p.arguments.WriteString(t.Function.Arguments)
	return nil
}

// find is the call that a fragment goes on with; nil if it begins one.
func (c *calls) find(t openai.ToolCall) *pending {
	for _, p := range c.list {
		if t.ID != "" && p.id == t.ID {
			return p
		}
	}
	// With a name and another ID it is a new call, although some servers give all of them one index. An ID
	// alone says nothing: some servers make up a new one for each fragment.
	begins := t.ID != "" && t.Function.Name != ""
	for i := len(c.list) - 1; i >= 0; i-- {
		p := c.list[i]
		if t.Index != nil && p.index != *t.Index {
			continue
		}
		if begins && p.id != "" {
			return nil
		}
		if t.Index == nil && t.Function.Name != "" && p.name != "" {
			return nil
		}
		return p
	}
	return nil
}

// end returns the calls, whose arguments are now complete.
func (c *calls) end() (out []llm.Call, err error) {
	for _, p := range c.list {
		call, err := newCall(p.id, p.name, p.arguments.String())
		if err != nil {
			return nil, err
		}
		out = append(out, call)
	}
	return out, nil
}

// newCall makes a call, with an ID if it has none.
func newCall(id, name, arguments string) (llm.Call, error) {
	if strings.TrimSpace(arguments) == "" {
		arguments = "{}"
	}
	if name == "" || !json.Valid([]byte(arguments)) {
		return llm.Call{}, &provider.Error{Class: provider.ErrUnavailable, Text: "call of a tool is malformed"}
	}
	if id == "" {
		id = "call_" + rand.Text()
	}
	return llm.Call{ID: id, Name: name, Arguments: json.RawMessage(arguments)}, nil
}
