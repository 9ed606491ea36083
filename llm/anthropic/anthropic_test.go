package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
)

const key = "sk-ant-test-0123456789"

// TestMain has every test run with a proxy that does not answer, and with variables that the library's own client would
// take for an account and an address.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ANTHROPIC_BASE_URL"} {
		set(name, "http://127.0.0.1:1")
	}
	for _, name := range []string{"ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"} {
		set(name, "another")
	}
	set("ANTHROPIC_CUSTOM_HEADERS", "Authorization: another")
	goleak.VerifyTestMain(m)
}

func set(name, value string) {
	if err := os.Setenv(name, value); err != nil {
		panic(err)
	}
}

// model is a Model of a loopback server, with a limit of 5 s for the first token unless o says otherwise.
func model(t testing.TB, h http.HandlerFunc, o Options) *Model {
	t.Helper()
	srv := httptest.NewServer(h)
	o.BaseURL = srv.URL
	o.Limits = o.Limits.Or(provider.Limits{First: 5 * time.Second})
	o.Model = "test"
	o.Key = key
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return m
}

// asked is a request's body.
type asked struct {
	Model       string
	MaxTokens   int `json:"max_tokens"`
	Stream      bool
	Temperature *float64
	System      []content
	Messages    []struct {
		Role    string
		Content []content
	}
	Tools []struct {
		Name, Description string
		Schema            struct{ Type string } `json:"input_schema"`
	}
}

type content struct {
	Type, Text, ID, Name string
	Input                json.RawMessage
	Call                 string                `json:"tool_use_id"`
	Content              []content             // of a result
	Cache                struct{ Type string } `json:"cache_control"`
}

// understand reads a request and says what the API would refuse it for.
func understand(r *http.Request) (a asked, status int, why string) {
	d := json.NewDecoder(r.Body)
	err := d.Decode(&a)
	_, _ = io.Copy(io.Discard, r.Body) // a server notices a hang-up only when it has read all
	h := r.Header
	switch {
	case err != nil:
		return a, 400, err.Error()
	case r.Method != "POST" || r.URL.String() != "/v1/messages":
		return a, 404, "no such path"
	case h.Get("X-Api-Key") != key || h.Get("Authorization") != "":
		return a, 401, "wrong key"
	case h.Get("Anthropic-Version") != "2023-06-01" || h.Get("Content-Type") != "application/json":
		return a, 400, "headers"
	case h["Idempotency-Key"] != nil || h.Get("X-Stainless-Retry-Count") != "0" || h["Traceparent"] != nil:
		return a, 400, "headers that are not wanted"
	case a.Model == "" || a.MaxTokens <= 0 || !a.Stream:
		return a, 400, "fields are missing"
	case len(a.System) > 0 && (len(a.System) != 1 || a.System[0].Text == "" || a.System[0].Cache.Type != "ephemeral"):
		return a, 400, "system prompt"
	case len(a.Messages)%2 == 0:
		return a, 400, "the conversation begins and ends with the user"
	}
	for _, t := range a.Tools {
		if t.Name == "" || t.Schema.Type != "object" {
			return a, 400, "tools"
		}
	}
	if why := a.turns(); why != "" {
		return a, 400, why
	}
	return a, 0, ""
}

// turns says what is wrong with the messages.
func (a asked) turns() string {
	due := map[string]bool{}
	for i, m := range a.Messages {
		if m.Role != []string{"user", "assistant"}[i%2] || len(m.Content) == 0 {
			return fmt.Sprintf("message %d is of %q and has %d blocks", i, m.Role, len(m.Content))
		}
		for _, c := range m.Content {
			switch {
			case c.Type == "text" && strings.TrimSpace(c.Text) != "" && (len(due) == 0 || m.Role == "assistant"):
			case c.Type == "tool_use" && m.Role == "assistant" && c.ID != "" && c.Name != "" && !due[c.ID] && strings.HasPrefix(string(c.Input), "{") && len(a.Tools) > 0:
				due[c.ID] = true
			case c.Type == "tool_result" && m.Role == "user" && due[c.Call]:
				delete(due, c.Call)
			default:
				return fmt.Sprintf("message %d has a block %+v", i, c)
			}
		}
		if m.Role == "user" && len(due) > 0 {
			return fmt.Sprintf("message %d lacks results of %v", i, due)
		}
	}
	return ""
}

// answers is a server whose answer is made of the request.
func answers(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, a asked)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, status, why := understand(r)
		if status != 0 {
			t.Errorf("refused: %s", why)
			http.Error(w, why, status)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		answer(w, r, a)
	}
}

// stream answers with a body.
func stream(t testing.TB, body string) http.HandlerFunc {
	return answers(t, func(w http.ResponseWriter, _ *http.Request, _ asked) { _, _ = io.WriteString(w, body) })
}

// event is one as the API sends it; fields stand behind its type.
func event(typ, fields string) string {
	return "event: " + typ + "\ndata: {\"type\":\"" + typ + "\"" + fields + "}\n\n"
}

// say is text in a block, tool the beginning of a call, part a fragment of its arguments, end a reason.
func say(text string) string {
	b, _ := json.Marshal(text)
	return event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+string(b)+`}`)
}

func tool(index int, id, name string) string {
	return event("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":{"type":"tool_use","id":%q,"name":%q,"input":{}}`, index, id, name))
}

func part(index int, fragment string) string {
	b, _ := json.Marshal(fragment)
	return event("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":{"type":"input_json_delta","partial_json":%s}`, index, b))
}

func end(reason string) string {
	return event("message_delta", `,"delta":{"stop_reason":"`+reason+`","stop_sequence":null},"usage":{"output_tokens":2}`)
}

// fault is an error as the API sends it.
func fault(typ, text string) string {
	return event("error", `,"error":{"type":"`+typ+`","message":"`+text+`"},"request_id":"req_1"`)
}

var (
	start = event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"test","content":[],"stop_reason":null,`+
		`"usage":{"input_tokens":4,"cache_creation_input_tokens":1,"cache_read_input_tokens":7,"output_tokens":1}}`)
	open0 = event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
	shut0 = event("content_block_stop", `,"index":0`)
	stop  = event("message_stop", "")
	ping  = event("ping", "")
)

var (
	hello   = llm.Request{System: "Be brief.", Messages: []llm.Message{{Role: llm.User, Text: "Hello?"}}}
	weather = llm.Request{Messages: hello.Messages, Tools: []llm.Tool{{Name: "weather"}, {Name: "time"}}}
)

// told is a stream in short: "text|text|call name arguments|usage 12 7 2|end".
func told(m *Model, req llm.Request) (string, error) {
	var out []string
	for d, err := range m.Generate(context.Background(), req) {
		switch {
		case err != nil:
			return strings.Join(out, "|"), err
		case d.Call != nil:
			out = append(out, fmt.Sprintf("call %s %s", d.Call.Name, d.Call.Arguments))
		case d.Usage != nil:
			out = append(out, fmt.Sprintf("usage %d %d %d", d.Usage.Prompt, d.Usage.Cached, d.Usage.Completion))
		case d.End != "":
			out = append(out, string(d.End))
		default:
			out = append(out, d.Text)
		}
	}
	return strings.Join(out, "|"), nil
}

func check(t *testing.T, got, want string, err, class error, says string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if (err == nil) != (class == nil) || !errors.Is(err, class) || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %v that says %q", err, class, says)
	}
	if err != nil && strings.Contains(err.Error(), key[:12]) {
		t.Errorf("the key is in the error %v", err)
	}
}

func TestContract(t *testing.T) {
	var m *Model
	handler := answers(t, func(w http.ResponseWriter, _ *http.Request, a asked) {
		events := []string{start, open0, ping, say("Red"), say(" and"), say(" blue"), shut0, end("end_turn"), stop}
		switch {
		case len(a.Tools) > 0:
			events = []string{start, tool(0, "a", "color"), part(0, "{}"), shut0, end("tool_use"), stop}
		case a.MaxTokens == 1:
			events = []string{start, open0, say("Red"), shut0, end("max_tokens"), stop}
		}
		for _, e := range events {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	llmtest.Run(t, llmtest.Options{
		New: func(t testing.TB) llm.Model {
			m = model(t, handler, Options{})
			return m
		},
		Stuck: func(t testing.TB) llm.Model {
			m = model(t, answers(t, func(_ http.ResponseWriter, r *http.Request, _ asked) { <-r.Context().Done() }), Options{})
			return m
		},
		Release: func() { m.Close() },
		Tools:   &llm.Request{Messages: hello.Messages, Tools: []llm.Tool{{Name: "color"}}},
		Limits:  true,
		Said: func(text string) error {
			if text != "Red and blue" {
				return fmt.Errorf("said %q", text)
			}
			return nil
		},
	})
}

func TestNew(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "")
	hot := 1.5
	tests := []struct {
		name  string
		o     Options
		class error
		says  string
	}{
		{"no key for Anthropic", Options{Model: "x"}, provider.ErrAuth, "ANTHROPIC_API_KEY is not set"},
		{"no model", Options{Key: key}, provider.ErrBadRequest, "no language model is named"},
		{"no scheme", Options{BaseURL: "localhost:8080", Model: "x"}, provider.ErrBadRequest, "base URL"},
		{"no host", Options{BaseURL: "http:///v1", Model: "x"}, provider.ErrBadRequest, "base URL"},
		{"credentials in the URL", Options{BaseURL: "http://a:" + key + "@localhost", Model: "x"}, provider.ErrBadRequest, "base URL"},
		{"a query", Options{BaseURL: "http://localhost?key=" + key, Model: "x"}, provider.ErrBadRequest, "base URL"},
		{"not a URL", Options{BaseURL: "http://%zz" + key, Model: "x"}, provider.ErrBadRequest, "base URL"},
		{"too hot", Options{Key: key, Model: "x", Temperature: &hot}, provider.ErrBadRequest, "1.5"},
		{"a server of one's own", Options{BaseURL: "http://127.0.0.1:8080", Model: "x"}, nil, ""},
		{"Anthropic", Options{Key: key, Model: "x"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(tt.o)
			check(t, "", "", err, tt.class, tt.says)
			if (m == nil) != (tt.class != nil) {
				t.Errorf("got %v", m)
			}
		})
	}
}

// TestAddress asks with and without the /v1 that the address of such a server may have, and a key that is no header.
func TestAddress(t *testing.T) {
	srv := httptest.NewServer(stream(t, start+say("Hi")+end("end_turn")+stop))
	defer srv.Close()
	for _, o := range []Options{{BaseURL: srv.URL + "/v1"}, {BaseURL: srv.URL + "/"}, {BaseURL: srv.URL + "/v1/", Key: " " + key + "\n"}} {
		o.Model = "test"
		t.Setenv("ANTHROPIC_API_KEY", key)
		m, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := told(m, hello)
		check(t, got, "Hi|usage 12 7 2|stop", err, nil, "")
		m.Close()
	}
	m, err := New(Options{BaseURL: srv.URL, Model: "test", Key: key[:10] + "\n" + key[10:]})
	if err != nil {
		t.Fatal(err)
	}
	got, err := told(m, hello)
	check(t, got, "", err, provider.ErrUnavailable, "header")
}
