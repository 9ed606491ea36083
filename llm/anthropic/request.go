package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"parley/llm"
)

// What the user says where the API wants a user's turn and there is none: an agent that greets begins the conversation,
// and not every model goes on with an answer of its own.
const (
	begins = "[The call begins.]"
	goesOn = "[Go on.]"
)

func (m *Model) params(req llm.Request) sdk.MessageNewParams {
	p := sdk.MessageNewParams{
		Model:     sdk.Model(m.o.Model),
		MaxTokens: int64(m.o.MaxTokens),
		Messages:  messages(req.Messages, len(req.Tools) > 0),
	}
	if req.MaxTokens > 0 {
		p.MaxTokens = int64(req.MaxTokens)
	}
	if m.o.Temperature != nil {
		p.Temperature = sdk.Float(*m.o.Temperature)
	}
	if !blank(req.System) {
		p.System = []sdk.TextBlockParam{{Text: req.System, CacheControl: sdk.NewCacheControlEphemeralParam()}}
	}
	for _, t := range req.Tools {
		schema := t.Parameters
		if len(schema) == 0 {
			schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		tool := &sdk.ToolParam{Name: t.Name, InputSchema: param.Override[sdk.ToolInputSchemaParam](schema)}
		if !blank(t.Description) {
			tool.Description = sdk.String(t.Description)
		}
		p.Tools = append(p.Tools, sdk.ToolUnionParam{OfTool: tool})
	}
	return p
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// messages are the turns of a conversation, as the API wants them. A call without a result is left out; a result without
// its call just before is told as text, and so are all if there are no tools.
func messages(all []llm.Message, tools bool) (out []sdk.MessageParam) {
	asked := map[string]bool{} // calls of the agent's turn before, whose results are due
	for len(all) > 0 {
		n := run(all)
		turn, rest := all[:n], all[n:]
		if agent(turn[0]) {
			results := map[string]bool{}
			for _, m := range rest[:run(rest)] {
				if tools && m.Role == llm.ToolResult && m.CallID != "" {
					results[m.CallID] = true
				}
			}
			out = join(out, sdk.NewAssistantMessage(said(turn, results, asked)...))
		} else {
			out = join(out, sdk.NewUserMessage(heard(turn, asked)...))
			clear(asked)
		}
		all = rest
	}
	if len(out) == 0 || out[0].Role != sdk.MessageParamRoleUser {
		out = slices.Insert(out, 0, sdk.NewUserMessage(sdk.NewTextBlock(begins)))
	}
	if out[len(out)-1].Role != sdk.MessageParamRoleUser {
		out = append(out, sdk.NewUserMessage(sdk.NewTextBlock(goesOn)))
	}
	return out
}

func agent(m llm.Message) bool { return m.Role == llm.Agent }

// run is how many messages at the beginning are of one side.
func run(all []llm.Message) int {
	n := slices.IndexFunc(all, func(m llm.Message) bool { return agent(m) != agent(all[0]) })
	if n < 0 {
		return len(all)
	}
	return n
}

// join appends a turn, to the one before if that is of the same side. Without content it is none.
func join(out []sdk.MessageParam, m sdk.MessageParam) []sdk.MessageParam {
	n := len(out)
	switch {
	case len(m.Content) == 0:
		return out
	case n > 0 && out[n-1].Role == m.Role:
		out[n-1].Content = append(out[n-1].Content, m.Content...)
		return out
	}
	return append(out, m)
}

// said is an agent's turn. A call that has a result goes from results to asked.
func said(turn []llm.Message, results, asked map[string]bool) (blocks []sdk.ContentBlockParamUnion) {
	for _, m := range turn {
		if !blank(m.Text) {
			blocks = append(blocks, sdk.NewTextBlock(m.Text))
		}
		for _, c := range m.Calls {
			if !results[c.ID] {
				continue
			}
			delete(results, c.ID)
			asked[c.ID] = true
			input := c.Arguments
			if len(input) == 0 {
				input = json.RawMessage("{}")
			}
			blocks = append(blocks, sdk.NewToolUseBlock(c.ID, input, c.Name))
		}
	}
	return blocks
}

// heard is a user's turn: results of what was asked first.
func heard(turn []llm.Message, asked map[string]bool) []sdk.ContentBlockParamUnion {
	var results, texts []sdk.ContentBlockParamUnion
	for _, m := range turn {
		switch {
		case m.Role == llm.ToolResult && asked[m.CallID]:
			delete(asked, m.CallID)
			r := &sdk.ToolResultBlockParam{ToolUseID: m.CallID}
			if !blank(m.Text) {
				r.Content = []sdk.ToolResultBlockParamContentUnion{{OfText: &sdk.TextBlockParam{Text: m.Text}}}
			}
			results = append(results, sdk.ContentBlockParamUnion{OfToolResult: r})
		case !blank(m.Text):
			texts = append(texts, sdk.NewTextBlock(m.Text))
		}
	}
	return append(results, texts...)
}
