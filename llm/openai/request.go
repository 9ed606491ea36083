package openai

import (
	"encoding/json"
	"maps"
	"strconv"

	"github.com/sashabaranov/go-openai"

	"parley/llm"
)

// request is what the library can say without harm. The model's name and the limits are in fields: the
// library refuses some names, and omits zeros.
func request(req llm.Request) openai.ChatCompletionRequest {
	r := openai.ChatCompletionRequest{
		Messages:      make([]openai.ChatCompletionMessage, 0, len(req.Messages)+1),
		StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	}
	if req.System != "" {
		r.Messages = append(r.Messages, openai.ChatCompletionMessage{Role: openai.ChatMessageRoleSystem, Content: req.System})
	}
	for _, m := range req.Messages {
		r.Messages = append(r.Messages, message(m))
	}
	for _, t := range req.Tools {
		f := &openai.FunctionDefinition{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
		if len(t.Parameters) == 0 {
			f.Parameters = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		r.Tools = append(r.Tools, openai.Tool{Type: openai.ToolTypeFunction, Function: f})
	}
	return r
}

func message(m llm.Message) openai.ChatCompletionMessage {
	out := openai.ChatCompletionMessage{Role: string(m.Role), Content: m.Text, ToolCallID: m.CallID}
	for _, c := range m.Calls {
		out.ToolCalls = append(out.ToolCalls, openai.ToolCall{
			ID:       c.ID,
			Type:     openai.ToolTypeFunction,
			Function: openai.FunctionCall{Name: c.Name, Arguments: string(c.Arguments)},
		})
	}
	return out
}

// fields are the fields of the body that are set over the library's.
func (m *Model) fields(req llm.Request) map[string]json.RawMessage {
	f := map[string]json.RawMessage{}
	name, _ := json.Marshal(m.o.Model) // a string can be marshaled
	f["model"] = name
	limit := m.o.MaxTokens
	if req.MaxTokens > 0 {
		limit = req.MaxTokens
	}
	f[m.limit] = json.RawMessage(strconv.Itoa(limit))
	if m.o.Temperature != nil {
		f["temperature"] = json.RawMessage(strconv.FormatFloat(*m.o.Temperature, 'f', -1, 64))
	}
	if m.o.Local {
		f["cache_prompt"] = json.RawMessage("true")
	}
	maps.Copy(f, m.o.Extra)
	return f
}

// amend sets fields in a body and gives every message its content, which the library omits if it is
// empty and some servers require.
func amend(body []byte, fields map[string]json.RawMessage) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	if raw := all["messages"]; raw != nil {
		var messages []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &messages); err != nil {
			return nil, err
		}
		for _, m := range messages {
			if m["content"] == nil && m["tool_calls"] == nil {
				m["content"] = json.RawMessage(`""`)
			}
		}
		raw, err := json.Marshal(messages)
		if err != nil {
			return nil, err
		}
		all["messages"] = raw
	}
	maps.Copy(all, fields)
	return json.Marshal(all)
}
