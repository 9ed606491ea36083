package openai

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
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
)

const key = "sk-test-0123456789"

// TestMain has every test run with a proxy that does not answer: a server on this computer is reached
// without it.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// model is a Model of a loopback server, with limits of 5 s unless o says otherwise.
func model(t testing.TB, h http.HandlerFunc, o Options) *Model {
	t.Helper()
	srv := httptest.NewServer(h)
	o.BaseURL = srv.URL + "/v1"
	o.Limits = o.Limits.Or(provider.Limits{First: 5 * time.Second})
	if o.Model == "" {
		o.Model = "test"
	}
	if o.Key == "" {
		o.Key = key
	}
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

// stream answers with the given body.
func stream(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, body)
	}
}

// say is an event with text, end one with a finish reason.
func say(text string) string {
	b, _ := json.Marshal(text)
	return `data: {"choices":[{"index":0,"delta":{"content":` + string(b) + `},"finish_reason":null}]}` + "\n\n"
}

func end(reason string) string {
	return `data: {"choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}` + "\n\n"
}

// part is an event with a fragment of a tool call.
func part(fields string) string {
	return `data: {"choices":[{"index":0,"delta":{"tool_calls":[{` + fields + `}]}}]}` + "\n\n"
}

const (
	done  = "data: [DONE]\n\n"
	usage = `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":7}}}` + "\n\n"
)

var hello = llm.Request{System: "Be brief.", Messages: []llm.Message{{Role: llm.User, Text: "Hello?"}}}

// told is a stream in short: "text|text|call name arguments|usage 9 7 2|end".
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

func TestContract(t *testing.T) {
	var m *Model
	handler := func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Tools     []json.RawMessage `json:"tools"`
			MaxTokens int               `json:"max_tokens"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		events := []string{say("Red"), say(" and"), say(" blue"), end("stop"), usage, done}
		switch {
		case len(body.Tools) > 0:
			events = []string{part(`"index":0,"id":"a","function":{"name":"color","arguments":"{}"}`), end("tool_calls"), done}
		case body.MaxTokens == 1:
			events = []string{say("Red"), end("length"), done}
		}
		for _, e := range events {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	}
	llmtest.Run(t, llmtest.Options{
		New: func(t testing.TB) llm.Model {
			m = model(t, handler, Options{})
			return m
		},
		Stuck: func(t testing.TB) llm.Model {
			m = model(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // the server notices a hang-up only when it has read all
				<-r.Context().Done()
			}, Options{})
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

func TestStatus(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string // of Retry-After
		body   string
		class  error
		says   string
		wait   time.Duration
	}{
		{"wrong key", 401, "", `{"error":{"message":"Incorrect API key provided: ` + key + `","code":"invalid_api_key"}}`, provider.ErrAuth, "[key]", 0},
		{"too fast", 429, "7", `{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}`, provider.ErrQuota, "rate_limit_exceeded", 7 * time.Second},
		{"out of money", 429, "", `{"error":{"message":"Pay","type":"insufficient_quota"}}`, provider.ErrQuota, "insufficient_quota", 0},
		{"model is loading", 503, "", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, provider.ErrUnavailable, "Loading model", 0},
		{"queue is full", 503, "", `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, provider.ErrUnavailable, "server busy", 0},
		{"vLLM", 400, "", `{"object":"error","message":"no chat template","type":"BadRequestError","code":400}`, provider.ErrBadRequest, "no chat template", 0},
		{"context is full", 400, "", `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, provider.ErrBadRequest, "context size", 0},
		{"web page", 502, "", "<html><title>Bad gateway</title>", provider.ErrUnavailable, "Bad gateway", 0},
		{"no body", 500, "", "", provider.ErrUnavailable, "500", 0},
		{"no such path", 404, "", "404 page not found", provider.ErrBadRequest, "page not found", 0},
		{"moved", 307, "", "", provider.ErrBadRequest, "307", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			m := model(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}, Options{})
			got, err := told(m, hello)
			var e *provider.Error
			if !errors.Is(err, tt.class) || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %q, error %v", got, err)
			}
			if e.Status != tt.status || e.RetryAfter != tt.wait {
				t.Errorf("status %d, retry after %v; want %d, %v", e.Status, e.RetryAfter, tt.status, tt.wait)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, e, e), key) {
				t.Errorf("the key is in the error %v", err)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestNew(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	tests := []struct {
		name  string
		o     Options
		class error
	}{
		{"no key for OpenAI", Options{Model: "gpt"}, provider.ErrAuth},
		{"no model", Options{Key: key}, provider.ErrBadRequest},
		{"no scheme", Options{BaseURL: "localhost:8080/v1", Model: "x"}, provider.ErrBadRequest},
		{"no host", Options{BaseURL: "http:///v1", Model: "x"}, provider.ErrBadRequest},
		{"credentials in the URL", Options{BaseURL: "http://a:" + key + "@localhost/v1", Model: "x"}, provider.ErrBadRequest},
		{"not a URL", Options{BaseURL: "http://%zz" + key, Model: "x"}, provider.ErrBadRequest},
		{"local", Options{BaseURL: "http://127.0.0.1:8080/v1", Local: true}, nil},
		{"OpenAI", Options{Key: key, Model: "gpt-5"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(tt.o)
			if !errors.Is(err, tt.class) || (m == nil) != (tt.class != nil) {
				t.Errorf("got %v, error %v", m, err)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the key is in the error %v", err)
			}
		})
	}
}
