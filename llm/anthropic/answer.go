package anthropic

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"parley/internal/provider"
	"parley/llm"
)

// The bounds of what an answer may ask for.
const (
	maxCalls     = 64
	maxArguments = 1 << 20 // bytes, all calls together
)

// answer is what the events of a stream have told so far.
type answer struct {
	asked  []*block
	size   int // of their arguments, in bytes
	tokens tokens
	reason sdk.StopReason
	whole  bool       // message_stop came, and what follows is set
	end    llm.Reason // never empty
	calls  []llm.Call
}

// block is a call of a tool on its way.
type block struct {
	index     int64
	id, name  string
	input     any // what the block began with
	arguments strings.Builder
}

// take returns the text that an event adds. progress: it brought words or a part of a call.
func (a *answer) take(e sdk.MessageStreamEventUnion) (text string, progress bool, err error) {
	switch e.Type {
	case "message_start":
		a.tokens.take(e.Message.Usage.RawJSON())
	case "content_block_start":
		switch b := e.ContentBlock; b.Type {
		case "text":
			text = b.Text
		case "tool_use":
			progress = true
			a.asked = append(a.asked, &block{index: e.Index, id: b.ID, name: b.Name, input: b.Input})
		}
	case "content_block_delta":
		switch e.Delta.Type {
		case "text_delta":
			text = e.Delta.Text
		case "input_json_delta":
			progress = a.add(e.Index, e.Delta.PartialJSON)
		}
	case "message_delta":
		if e.Delta.StopReason != "" {
			a.reason = e.Delta.StopReason
		}
		a.tokens.take(e.Usage.RawJSON())
	case "message_stop":
		a.whole = true
		err = a.finish()
	}
	if a.size > maxArguments || len(a.asked) > maxCalls {
		err = &provider.Error{Class: provider.ErrUnavailable, Text: "calls of tools without end"}
	}
	return strings.ToValidUTF8(text, "\ufffd"), progress || text != "", err
}

// add adds a fragment to the call of a block; false if the block is none, or the fragment empty.
func (a *answer) add(index int64, fragment string) bool {
	for _, b := range slices.Backward(a.asked) {
		if b.index == index {
			a.size += len(fragment)
			b.arguments.WriteString(fragment)
			return fragment != ""
		}
	}
	return false
}

// cuts are the reasons of an answer that is not all of it. The others are an end, or calls.
var cuts = map[sdk.StopReason]llm.Reason{
	sdk.StopReasonMaxTokens:                  llm.Length,
	sdk.StopReasonModelContextWindowExceeded: llm.Length,
	sdk.StopReasonRefusal:                    llm.Filter,
}

// finish finds the end and, unless the answer was cut, the calls.
func (a *answer) finish() error {
	if a.reason == "" {
		return &provider.Error{Class: provider.ErrTruncated, Text: "no stop_reason"}
	}
	if a.end = cuts[a.reason]; a.end != "" {
		return nil
	}
	a.end = llm.Stop
	for _, b := range a.asked {
		c, err := b.call()
		if err != nil {
			return err
		}
		if c.ID == "" || slices.ContainsFunc(a.calls, func(o llm.Call) bool { return o.ID == c.ID }) {
			c.ID = "toolu_" + rand.Text()
		}
		a.calls = append(a.calls, c)
		a.end = llm.Tools
	}
	return nil
}

// call is a block that is complete. Its arguments are one JSON object.
func (b *block) call() (llm.Call, error) {
	arguments := []byte(b.arguments.String())
	if len(arguments) == 0 {
		arguments, _ = json.Marshal(b.input) // it was JSON
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(arguments, &object); err != nil || b.name == "" {
		return llm.Call{}, &provider.Error{Class: provider.ErrUnavailable, Text: "call of a tool is malformed"}
	}
	if object == nil {
		arguments = []byte("{}")
	}
	return llm.Call{ID: b.id, Name: b.name, Arguments: arguments}, nil
}

// tokens are the sums that a stream has told so far.
type tokens struct {
	Input   int `json:"input_tokens"` // what the cache has nothing to do with
	Written int `json:"cache_creation_input_tokens"`
	Read    int `json:"cache_read_input_tokens"`
	Output  int `json:"output_tokens"`
	told    bool
}

// take takes the sums that raw has, an object or nothing. One that is null or no number stays as it was.
func (t *tokens) take(raw string) {
	t.told = t.told || strings.HasPrefix(raw, "{")
	_ = json.Unmarshal([]byte(raw), t)
}

func (t *tokens) usage() *llm.Usage {
	sane := func(n int) int { return min(max(n, 0), 1<<28) } // more than any model reads
	return &llm.Usage{Prompt: sane(t.Input) + sane(t.Written) + sane(t.Read), Cached: sane(t.Read), Completion: sane(t.Output)}
}
