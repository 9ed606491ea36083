package openai

import (
	"encoding/json"
	"slices"
	"strings"

	"parley/internal/provider"
	"parley/llm"
)

const (
	thinkBegin, thinkEnd = "<think>", "</think>"
	callBegin, callEnd   = "<tool_call>", "</tool_call>"
	fence                = "```"
	maxHeld              = 64 << 10 // bytes: more than a call has
)

// content passes on the text that is to be spoken. It takes out the thoughts that some servers leave in
// front of the answer and, if there are tools, holds back what small models write instead of a call: JSON,
// perhaps in a fence or a tag, perhaps after a sentence.
type content struct {
	tools   []llm.Tool
	state   contentState
	thought bool // there were thoughts: space after them is not spoken
	held    string
}

type contentState uint8

const (
	starting contentState = iota // nothing but space so far
	thinking
	speaking
	holding // what may be a call, to the end
)

// add returns what can be spoken now.
func (c *content) add(s string) string {
	c.held += s
	for c.state <= thinking {
		step := c.start
		if c.state == thinking {
			step = c.think
		}
		if !step() {
			return ""
		}
	}
	return c.speak()
}

// start decides how the answer begins; false if it cannot be told yet.
func (c *content) start() bool {
	t := strings.TrimLeft(c.held, " \t\r\n")
	if c.thought {
		c.held = t
	}
	switch {
	case strings.HasPrefix(t, thinkBegin):
		c.state, c.held = thinking, t[len(thinkBegin):]
		return true
	case strings.HasPrefix(thinkBegin, t): // also if there is nothing yet
		return false
	}
	c.state = speaking
	if len(c.tools) > 0 && t[0] == '[' { // an array of calls, or only a bracket
		switch inside := strings.TrimLeft(t[1:], " \t\r\n"); {
		case inside == "":
			c.state = starting
		case inside[0] == '{':
			c.state = holding
		}
	}
	return c.state != starting
}

// think drops thoughts; false if they have not ended.
func (c *content) think() bool {
	_, rest, ended := strings.Cut(c.held, thinkEnd)
	if !ended {
		c.held = c.held[len(c.held)-begun(c.held, thinkEnd):]
		return false
	}
	c.state, c.held, c.thought = starting, rest, true
	return true
}

// speak returns what is held and cannot belong to a call.
func (c *content) speak() string {
	keep := 0
	switch {
	case c.state == holding && len(c.held) <= maxHeld:
		return ""
	case c.state == holding: // that is no call
		c.tools, c.state = nil, speaking
	case len(c.tools) > 0:
		keep = c.opening()
	}
	text := c.held[:len(c.held)-keep]
	c.held = c.held[len(text):]
	return text
}

// opening is the length of the end of what is held that begins a call, or may.
func (c *content) opening() (n int) {
	for _, open := range []string{"{", callBegin, fence} {
		if i := strings.Index(c.held, open); i >= 0 {
			c.state = holding
			n = max(n, len(c.held)-i)
		}
		n = max(n, begun(c.held, open))
	}
	return n
}

// begun is the length of the longest end of s that begins mark.
func begun(s, mark string) int {
	for n := min(len(s), len(mark)-1); n > 0; n-- {
		if strings.HasSuffix(s, mark[:n]) {
			return n
		}
	}
	return 0
}

// end returns what was held back: calls, or text after all. It is an error if that was clearly to be a
// call and cannot be read.
func (c *content) end() (text string, found []llm.Call, err error) {
	held := c.held
	c.held = ""
	if c.state == thinking || len(c.tools) == 0 {
		if c.state == thinking {
			held = ""
		}
		return held, nil, nil
	}
	bare := strings.NewReplacer(callBegin, "", callEnd, "", fence+"json", "", fence, "").Replace(held)
	bare = strings.TrimSpace(bare)
	for _, s := range []string{held, bare, undouble(bare), strings.TrimPrefix(bare, "{")} {
		if found := c.read(s); len(found) > 0 {
			return "", found, nil
		}
	}
	compact := strings.Join(strings.Fields(bare), "")
	if strings.Contains(held, callBegin) || strings.HasPrefix(strings.TrimLeft(compact, "[{"), `"name":`) {
		return "", nil, &provider.Error{Class: provider.ErrUnavailable, Text: "call of a tool is malformed"}
	}
	return held, nil, nil
}

// undouble makes one brace of two, as if the model had taken its prompt for a format string.
func undouble(s string) string {
	return strings.NewReplacer("{{", "{", "}}", "}").Replace(s)
}

// written is a call as models write it.
type written struct {
	Name       string          `json:"name"`
	Arguments  json.RawMessage `json:"arguments"`
	Parameters json.RawMessage `json:"parameters"`
	Function   *written        `json:"function"`
}

// read reads calls, one after another or in an array, up to what is none.
func (c *content) read(s string) (found []llm.Call) {
	d := json.NewDecoder(strings.NewReader(s))
	for len(found) < maxCalls {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return found
		}
		var list []written
		if json.Unmarshal(raw, &list) != nil {
			list = make([]written, 1)
			if json.Unmarshal(raw, &list[0]) != nil {
				return found
			}
		}
		for _, w := range list {
			call, ok := c.call(w)
			if !ok {
				return found
			}
			found = append(found, call)
		}
	}
	return found
}

// call makes a call of what names a known tool, or names anything and has arguments.
func (c *content) call(w written) (llm.Call, bool) {
	if w.Function != nil {
		w = *w.Function
	}
	args := w.Arguments
	if args == nil {
		args = w.Parameters
	}
	var quoted string
	if json.Unmarshal(args, &quoted) == nil {
		args = json.RawMessage(quoted)
	}
	known := slices.ContainsFunc(c.tools, func(t llm.Tool) bool { return t.Name == w.Name })
	if !known && args == nil {
		return llm.Call{}, false
	}
	call, err := newCall("", w.Name, string(args))
	return call, err == nil
}
