package openai

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/llm"
)

// slow answers with the events, the given time apart, and then holds the stream open. gone is closed
// when the server has noticed the caller's leaving.
func slow(gap time.Duration, events ...string) (h http.HandlerFunc, gone chan struct{}) {
	gone = make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		_, _ = io.Copy(io.Discard, r.Body)
		for _, e := range events {
			_, _ = io.WriteString(w, e)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(gap):
			case <-r.Context().Done():
				return
			}
		}
		<-r.Context().Done()
	}, gone
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not happen", what)
	}
}

func TestTimeouts(t *testing.T) {
	const ms = time.Millisecond
	role := `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	thought := `data: {"choices":[{"delta":{"reasoning_content":"Hm."}}]}` + "\n\n"
	tests := []struct {
		name   string
		limits provider.Limits
		gap    time.Duration
		events []string
		got    string
		says   string
	}{
		{"no answer", provider.Limits{First: 60 * ms}, 0, nil, "", "no first token within 60ms"},
		{"only a role, pings and thoughts", provider.Limits{First: 100 * ms}, 30 * ms, []string{role, ":\n\n", thought, ":\n\n", ":\n\n", thought}, "", "no first token within 100ms"},
		{"silence after text", provider.Limits{Gap: 60 * ms}, 0, []string{say("Hi")}, "Hi", "no next token within 60ms"},
		{"pings after text", provider.Limits{Gap: 100 * ms}, 40 * ms, []string{say("Hi"), ":\n\n", ":\n\n", ":\n\n"}, "Hi", "no next token within 100ms"},
		{"on and on", provider.Limits{Total: 300 * ms}, 50 * ms, slices.Repeat([]string{part(`"index":0,"function":{"arguments":" "}`)}, 50), "", "no end of the answer within 300ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, gone := slow(tt.gap, tt.events...)
			got, err := told(model(t, h, Options{Limits: tt.limits}), hello)
			check(t, got, tt.got, err, provider.ErrUnavailable, tt.says)
			var late *provider.Timeout
			if !errors.As(err, &late) {
				t.Errorf("error %v is no Timeout", err)
			}
			wait(t, gone, "the end of the request at the server")
		})
	}
}

// TestNoUsage has the server hold the stream open after the answer's end: that is no error, and soon over.
func TestNoUsage(t *testing.T) {
	for _, events := range [][]string{{say("Hi"), end("stop")}, {say("Hi"), end("stop"), done}} {
		h, gone := slow(0, events...)
		begun := time.Now()
		got, err := told(model(t, h, Options{}), hello)
		check(t, got, "Hi|stop", err, nil, "")
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("took %v", d)
		}
		wait(t, gone, "the end of the request at the server")
	}
}

// TestSlowConsumer holds the loop for longer than any limit.
func TestSlowConsumer(t *testing.T) {
	m := model(t, stream(say("a")+say("b")+end("stop")+done), Options{
		Limits: provider.Limits{First: 2 * time.Second, Gap: 50 * time.Millisecond, Total: 2 * time.Second},
	})
	for _, err := range m.Generate(t.Context(), hello) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
	}
}

func TestLeaving(t *testing.T) {
	h, gone := slow(0, say("Hi"))
	for range model(t, h, Options{}).Generate(t.Context(), hello) {
		break
	}
	wait(t, gone, "the end of the request at the server")
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := New(Options{BaseURL: "http://" + addr + "/v1", Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	got, err := told(m, hello)
	check(t, got, "", err, provider.ErrUnavailable, "refused")
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestConnect reaches a server that accepts and then says nothing in TLS.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	m, err := New(Options{BaseURL: "https://" + l.Addr().String() + "/v1", Model: "test", Key: key, Limits: provider.Limits{Connect: 60 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	got, err := told(m, hello)
	check(t, got, "", err, provider.ErrUnavailable, "TLS handshake timeout")
	if d := time.Since(begun); d > 3*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestReuse asks five times over one connection.
func TestReuse(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(stream(say("Hi") + end("stop") + usage + done))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	m, err := New(Options{BaseURL: srv.URL + "/v1", Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 5 {
		got, err := told(m, hello)
		check(t, got, "Hi|usage 9 7 2|stop", err, nil, "")
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 5 calls", n)
	}
}

// TestStale has the server close an idle connection at the moment it is used again.
func TestStale(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for range 2 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			if req, err := http.ReadRequest(r); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				body := say("Hi") + end("stop") + done
				resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
				_ = resp.Write(c)
			}
			_, _ = http.ReadRequest(r) // the next one is read and not answered
			_ = c.Close()
		}
	}()
	m, err := New(Options{BaseURL: "http://" + l.Addr().String() + "/v1", Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := told(m, hello)
		check(t, got, "Hi|stop", err, nil, "")
	}
	m.Close()
	_ = l.Close()
	wait(t, served, "the end of the server")
}

// received is one request as a server sees it.
type received struct {
	method, path string
	header       http.Header
	body         map[string]json.RawMessage
}

// record answers like h and sends what it was asked.
func record(h http.HandlerFunc) (http.HandlerFunc, <-chan received) {
	c := make(chan received, 10)
	return func(w http.ResponseWriter, r *http.Request) {
		got := received{method: r.Method, path: r.URL.Path, header: r.Header}
		_ = json.NewDecoder(r.Body).Decode(&got.body)
		c <- got
		h(w, r)
	}, c
}

func TestRequest(t *testing.T) {
	zero := 0.0
	tools := `[{"function":{"name":"time","parameters":{"type":"object","properties":{}}},"type":"function"},` +
		`{"function":{"name":"weather","description":"The weather.","parameters":{"type":"object","properties":{"city":{"type":"string"}}}},"type":"function"}]`
	tests := []struct {
		name string
		o    Options
		req  llm.Request
		want map[string]string // of fields of the body; "" is none
	}{
		{"plain", Options{Model: "m"}, hello, map[string]string{
			"model": `"m"`, "stream": "true", "stream_options": `{"include_usage":true}`, "max_tokens": "300", "temperature": "", "tools": "",
			"messages": `[{"content":"Be brief.","role":"system"},{"content":"Hello?","role":"user"}]`, "cache_prompt": "",
		}},
		{"names that the library refuses", Options{Model: "gpt-5-nano"}, llm.Request{MaxTokens: 7}, map[string]string{
			"model": `"gpt-5-nano"`, "max_tokens": "7", "messages": "[]",
		}},
		{"temperature 0", Options{Temperature: &zero}, hello, map[string]string{"temperature": "0"}},
		{"a local server", Options{Local: true, Extra: map[string]json.RawMessage{"id_slot": json.RawMessage("1"), "max_tokens": json.RawMessage("9")}}, hello,
			map[string]string{"cache_prompt": "true", "id_slot": "1", "max_tokens": "9"}},
		{"an empty turn", Options{}, llm.Request{Messages: []llm.Message{{Role: llm.User}}}, map[string]string{"messages": `[{"content":"","role":"user"}]`}},
		{"tools", Options{}, llm.Request{Tools: []llm.Tool{{Name: "time"}, {Name: "weather", Description: "The weather.",
			Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}}}`)}}}, map[string]string{"tools": tools}},
		{"a call and its result", Options{}, llm.Request{Messages: []llm.Message{
			{Role: llm.Agent, Calls: []llm.Call{{ID: "a", Name: "time", Arguments: json.RawMessage(`{"z":"CET"}`)}}},
			{Role: llm.ToolResult, CallID: "a", Text: "noon"},
		}}, map[string]string{"messages": `[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"time","arguments":"{\"z\":\"CET\"}"}}]},` +
			`{"content":"noon","role":"tool","tool_call_id":"a"}]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, asked := record(stream(end("stop")))
			if _, err := told(model(t, h, tt.o), tt.req); err != nil {
				t.Fatal(err)
			}
			got := <-asked
			for field, want := range tt.want {
				if s := string(got.body[field]); s != want {
					t.Errorf("%s is\n%s, want\n%s", field, s, want)
				}
			}
			if got.method != "POST" || got.path != "/v1/chat/completions" || got.header.Get("Authorization") != "Bearer "+key {
				t.Errorf("asked %s %s %v", got.method, got.path, got.header)
			}
			if _, ok := got.header["Idempotency-Key"]; ok {
				t.Errorf("an idempotency key was sent")
			}
		})
	}
}

func TestOfficialLimit(t *testing.T) {
	m, err := New(Options{Key: key, Model: "gpt-5"})
	if err != nil {
		t.Fatal(err)
	}
	f := m.fields(hello)
	if string(f["max_completion_tokens"]) != "300" || f["max_tokens"] != nil {
		t.Errorf("fields %s", f)
	}
}

func TestSlot(t *testing.T) {
	h, asked := record(stream(end("stop")))
	m := model(t, h, Options{Local: true})
	for _, m := range []*Model{m.Slot(0), m.Slot(1), m} {
		if _, err := told(m, hello); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"0", "1", ""} {
		if got := string((<-asked).body["id_slot"]); got != want {
			t.Errorf("slot %q, want %q", got, want)
		}
	}
}

func TestBadSchema(t *testing.T) {
	m := model(t, stream(end("stop")), Options{})
	_, err := told(m, llm.Request{Tools: []llm.Tool{{Name: "x", Parameters: json.RawMessage("{")}}})
	check(t, "", "", err, provider.ErrBadRequest, "")
}

func TestWarm(t *testing.T) {
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }
	}
	tests := []struct {
		name  string
		local bool
		h     http.HandlerFunc
		path  string
		class error
	}{
		{"local", true, stream(`{"choices":[{"finish_reason":"length","message":{"content":""}}]}`), "/v1/chat/completions", nil},
		{"local, odd answer", true, stream(`{"choices":5}`), "/v1/chat/completions", nil},
		{"local, loading", true, refuse(503), "/v1/chat/completions", provider.ErrUnavailable},
		{"local, refused", true, refuse(400), "/v1/chat/completions", provider.ErrBadRequest},
		{"remote", false, stream(`{"data":[{"id":"m"}]}`), "/v1/models", nil},
		{"remote without a list", false, refuse(404), "/v1/models", nil},
		{"remote, wrong key", false, refuse(401), "/v1/models", provider.ErrAuth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, asked := record(tt.h)
			err := model(t, h, Options{Local: tt.local}).Warm(t.Context(), hello)
			if !errors.Is(err, tt.class) || (err == nil) != (tt.class == nil) {
				t.Errorf("error %v, want %v", err, tt.class)
			}
			got := <-asked
			if got.path != tt.path {
				t.Errorf("asked %s", got.path)
			}
			if tt.local && (string(got.body["max_tokens"]) != "0" || string(got.body["stream"]) != "false" || got.body["stream_options"] != nil) {
				t.Errorf("body %s", got.body)
			}
		})
	}
}

func TestWarmIsGivenUp(t *testing.T) {
	h, gone := slow(0)
	m := model(t, h, Options{Local: true})
	left := errors.New("the real request comes")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(left) })
	begun := time.Now()
	if err := m.Warm(ctx, hello); err != left {
		t.Errorf("error %v", err)
	}
	if d := time.Since(begun); d > 550*time.Millisecond {
		t.Errorf("took %v", d)
	}
	wait(t, gone, "the end of the request at the server")
}
