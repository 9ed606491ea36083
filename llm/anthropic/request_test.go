package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/internal/provider"
	"parley/llm"
)

// short is what was asked: "system; user text, text; assistant call(id) {…}; user result(id) text".
func (a asked) short() string {
	var out []string
	for _, s := range a.System {
		out = append(out, s.Text)
	}
	for _, m := range a.Messages {
		var blocks []string
		for _, c := range m.Content {
			switch c.Type {
			case "tool_use":
				blocks = append(blocks, fmt.Sprintf("%s(%s) %s", c.Name, c.ID, c.Input))
			case "tool_result":
				text := ""
				for _, t := range c.Content {
					text += " " + t.Text
				}
				blocks = append(blocks, "result("+c.Call+")"+text)
			default:
				blocks = append(blocks, c.Text)
			}
		}
		out = append(out, m.Role+" "+strings.Join(blocks, ", "))
	}
	return strings.Join(out, "; ")
}

func TestConversations(t *testing.T) {
	user := func(text string) llm.Message { return llm.Message{Role: llm.User, Text: text} }
	agent := func(text string, calls ...llm.Call) llm.Message {
		return llm.Message{Role: llm.Agent, Text: text, Calls: calls}
	}
	result := func(id, text string) llm.Message { return llm.Message{Role: llm.ToolResult, CallID: id, Text: text} }
	call := func(id string) llm.Call { return llm.Call{ID: id, Name: "time"} }
	with := llm.Call{ID: "a", Name: "weather", Arguments: json.RawMessage(`{"city":"Oslo"}`)}
	tools := []llm.Tool{{Name: "time"}, {Name: "weather"}}
	for _, tt := range []struct {
		name string
		req  llm.Request
		want string
	}{
		{"plain", llm.Request{System: "Be brief.", Messages: []llm.Message{user("Hello?"), agent("Hi."), user("Bye.")}}, "Be brief.; user Hello?; assistant Hi.; user Bye."},
		{"the agent greets", llm.Request{Messages: []llm.Message{agent("Hi."), user("Hello?")}}, "user [The call begins.]; assistant Hi.; user Hello?"},
		{"the agent was last", llm.Request{Messages: []llm.Message{user("Hello?"), agent("Hi.")}}, "user Hello?; assistant Hi.; user [Go on.]"},
		{"nothing was said", llm.Request{System: " \n"}, "user [The call begins.]"},
		{"joined", llm.Request{Messages: []llm.Message{user("A"), user("B"), agent("C"), agent("D"), user("E")}}, "user A, B; assistant C, D; user E"},
		{"empty texts", llm.Request{Messages: []llm.Message{user(""), user("A"), agent(" \n"), user("B"), agent("")}}, "user A, B"},
		{"tools", llm.Request{Tools: tools, Messages: []llm.Message{user("A"), agent("Let me see.", with, call("b")), result("b", "ten"), user("Well?"), result("a", "rain"), agent("Rain."), user("Oh.")}},
			`user A; assistant Let me see., weather(a) {"city":"Oslo"}, time(b) {}; user result(b) ten, result(a) rain, Well?; assistant Rain.; user Oh.`},
		{"empty result", llm.Request{Tools: tools, Messages: []llm.Message{user("A"), agent("", call("a")), result("a", " ")}}, "user A; assistant time(a) {}; user result(a)"},
		{"call without a result", llm.Request{Tools: tools, Messages: []llm.Message{user("A"), agent("", call("a")), user("B"), agent("C", call("b"), call("")), result("", "D")}}, "user A, B; assistant C; user D"},
		{"result without its call", llm.Request{Tools: tools, Messages: []llm.Message{result("a", "ten"), agent("B", call("b")), result("b", "C"), result("b", "D"), agent("E"), result("b", "F")}},
			"user ten; assistant B, time(b) {}; user result(b) C, D; assistant E; user F"},
		{"one ID twice", llm.Request{Tools: tools, Messages: []llm.Message{user("A"), agent("", call("a"), with), result("a", "ten")}}, "user A; assistant time(a) {}; user result(a) ten"},
		{"tools are gone", llm.Request{Messages: []llm.Message{user("A"), agent("", call("a")), result("a", "ten"), agent("Ten."), user("B")}}, "user A, ten; assistant Ten.; user B"},
		{"unicode", llm.Request{System: "<&>", Messages: []llm.Message{user("e\u0301 日本 👩‍👧 שלום \u2028<&>\"\\")}}, "<&>; user e\u0301 日本 👩‍👧 שלום \u2028<&>\"\\"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			m := model(t, answers(t, func(w http.ResponseWriter, _ *http.Request, a asked) {
				got = a.short()
				_, _ = io.WriteString(w, start+say("Hi")+end("end_turn")+stop)
			}), Options{})
			said, err := told(m, tt.req)
			check(t, said, "Hi|usage 12 7 2|stop", err, nil, "")
			if got != tt.want {
				t.Errorf("asked %q\nwant  %q", got, tt.want)
			}
		})
	}
}

// TestFields looks at the body beside the conversation.
func TestFields(t *testing.T) {
	zero := 0.0
	tools := []llm.Tool{{Name: "time"}, {Name: "weather", Description: "Tells it.", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"enum":["a"]}},"additionalProperties":false}`)}}
	for _, tt := range []struct {
		o    Options
		req  llm.Request
		want string
	}{
		{Options{}, llm.Request{}, `{"max_tokens":300,"model":"test","stream":true}`},
		{Options{MaxTokens: 50, Temperature: &zero}, llm.Request{}, `{"max_tokens":50,"model":"test","stream":true,"temperature":0}`},
		{Options{MaxTokens: 50}, llm.Request{MaxTokens: 7, System: "Be brief."}, `{"max_tokens":7,"model":"test","stream":true,"system":[{"cache_control":{"type":"ephemeral"},"text":"Be brief.","type":"text"}]}`},
		{Options{}, llm.Request{Tools: tools}, `{"max_tokens":300,"model":"test","stream":true,"tools":[{"input_schema":{"properties":{},"type":"object"},"name":"time"},` +
			`{"description":"Tells it.","input_schema":{"additionalProperties":false,"properties":{"city":{"enum":["a"]}},"type":"object"},"name":"weather"}]}`},
	} {
		var got string
		m := model(t, func(w http.ResponseWriter, r *http.Request) {
			var body map[string]any
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			delete(body, "messages")
			sorted, _ := json.Marshal(body)
			got = string(sorted)
			_, _ = io.WriteString(w, start+say("Hi")+end("end_turn")+stop)
		}, tt.o)
		said, err := told(m, tt.req)
		check(t, said, "Hi|usage 12 7 2|stop", err, nil, "")
		if got != tt.want {
			t.Errorf("asked %s\nwant  %s", got, tt.want)
		}
	}
}

// TestMalformedRequests are never sent.
func TestMalformedRequests(t *testing.T) {
	m := model(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }, Options{})
	for _, req := range []llm.Request{
		{Tools: []llm.Tool{{Name: "time", Parameters: json.RawMessage(`{"type":`)}}},
		{Tools: []llm.Tool{{Name: "time"}}, Messages: []llm.Message{{Role: llm.Agent, Calls: []llm.Call{{ID: "a", Name: "time", Arguments: json.RawMessage(`{nope}`)}}}, {Role: llm.ToolResult, CallID: "a"}}},
	} {
		got, err := told(m, req)
		check(t, got, "", err, provider.ErrBadRequest, "ask language model")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// canned is a Model whose server answers with body, without a network.
func canned(t testing.TB, body *string) *Model {
	t.Helper()
	m, err := New(Options{BaseURL: "http://canned", Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	m.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(*body))}, nil
	})
	return m
}

// FuzzStream looks for an answer that breaks the contract and for an error without a class, whatever the server sends.
func FuzzStream(f *testing.F) {
	f.Add(start + open0 + ping + say("Hi") + shut0 + end("end_turn") + stop)
	f.Add(tool(0, "a", "time") + part(0, `{"a":`) + part(0, "1}") + end("tool_use") + stop)
	f.Add(say("Hi") + fault("overloaded_error", "Overloaded"))
	f.Add(event("content_block_start", `,"index":0,"content_block":{"type":"tool_use","id":5,"name":["x"],"input":"y"}`) + end("max_tokens") + stop)
	f.Add(event("message_delta", `,"delta":{"stop_reason":7},"usage":{"output_tokens":"x"}`) + "data: [DONE]\n\n")
	f.Add("<html><title>Sign in</title>")
	var body string
	m := canned(f, &body)
	f.Fuzz(func(t *testing.T, in string) {
		body = in
		var end llm.Reason
		called := map[string]bool{}
		for d, err := range m.Generate(context.Background(), weather) {
			if err != nil {
				if provider.ClassName(err) == "" {
					t.Errorf("error %v has no class", err)
				}
				return
			}
			if end != "" {
				t.Errorf("%+v came after the end", d)
			}
			if !utf8.ValidString(d.Text) {
				t.Errorf("text %q", d.Text)
			}
			if c := d.Call; c != nil {
				if c.ID == "" || called[c.ID] || c.Name == "" || !json.Valid(c.Arguments) || c.Arguments[0] == 'n' {
					t.Errorf("call %+v", c)
				}
				called[c.ID] = true
			}
			if u := d.Usage; u != nil && (u.Cached < 0 || u.Cached > u.Prompt || u.Completion < 0) {
				t.Errorf("usage %+v", u)
			}
			end = d.End
		}
		if end == "" || (end == llm.Tools) != (len(called) > 0) {
			t.Errorf("no error, the end %q and %d calls", end, len(called))
		}
	})
}

// FuzzMessages looks for a conversation that the API would refuse.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{"uau", "a", "uAr", "uArRu", "uBrru", "rAu  uA", "AArru"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, in string, tools bool) {
		var all []llm.Message
		for _, r := range in {
			m := llm.Message{Role: llm.User, Text: string(r)}
			switch r {
			case 'a', 'A', 'B':
				m.Role = llm.Agent
			case 'r':
				m.Role, m.CallID = llm.ToolResult, "1"
			case 'R':
				m.Role, m.CallID, m.Text = llm.ToolResult, "2", ""
			}
			for id := range int(max(r-'A', -1)+1) % 8 { // one call for A, two for B
				if m.Role == llm.Agent && r != 'a' {
					m.Calls = append(m.Calls, llm.Call{ID: fmt.Sprint(id + 1), Name: "time"})
				}
			}
			all = append(all, m)
		}
		raw, err := json.Marshal(map[string]any{"messages": messages(all, tools)})
		if err != nil {
			t.Fatal(err)
		}
		var a asked
		if tools {
			a.Tools = append(a.Tools, struct {
				Name, Description string
				Schema            struct{ Type string } `json:"input_schema"`
			}{Name: "time"})
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		if why := a.turns(); why != "" || len(a.Messages)%2 == 0 {
			t.Errorf("%d messages, %s: %s", len(a.Messages), why, raw)
		}
	})
}

// BenchmarkGenerate is our part of a token: repair, library, deltas.
func BenchmarkGenerate(b *testing.B) {
	const tokens = 100
	body := start + strings.Repeat(say(" word"), tokens) + end("end_turn") + stop
	m := canned(b, &body)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range m.Generate(context.Background(), hello) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != tokens+2 {
			b.Fatal(errors.New("deltas are missing"))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*tokens), "µs/token")
}
