package openai

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/llm"
)

var weather = llm.Request{Messages: hello.Messages, Tools: []llm.Tool{{Name: "weather"}, {Name: "time"}}}

var streamTests = []struct {
	name, body string
	want       string
	class      error // nil: none
	says       string
}{
	{"in order", say("Hel") + say("lo") + say(" there") + end("stop") + usage + done, "Hel|lo| there|usage 9 7 2|stop", nil, ""},
	{"no usage, no [DONE]", say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"usage beside the end", say("Hi") + `data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n" + done, "Hi|usage 1 0 1|stop", nil, ""},
	{"text beside the end", `data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}` + "\n\n" + done, "Hi|stop", nil, ""},
	{"length", say("Hi") + end("length") + done, "Hi|length", nil, ""},
	{"filter", say("Hi") + end("content_filter") + done, "Hi|filter", nil, ""},
	{"a reason of its own", say("Hi") + end("eos_token") + done, "Hi|stop", nil, ""},
	{"a second answer", say("Hi") + `data: {"choices":[{"index":1,"delta":{"content":"Ho"},"finish_reason":"stop"}]}` + "\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"thoughts apart", `data: {"choices":[{"delta":{"reasoning_content":"Hm."}}]}` + "\n\n" + say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"thoughts in a tag", say("<thi") + say("nk>Hm.") + say("</think>\n") + say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"only thoughts", say("<think>Hm.") + end("stop"), "stop", nil, ""},
	{"padding and unknown fields", `data: {"id":"x","obfuscation":"aaaa","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null}]}` + "\n\n" + say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"unicode", say("e\u0301") + say("日本語") + say("👩‍👩‍👧") + say("שלום") + end("stop"), "e\u0301|日本語|👩‍👩‍👧|שלום|stop", nil, ""},

	{"clean end without [DONE] or reason", say("Hi"), "Hi", provider.ErrTruncated, ""},
	{"[DONE] without a reason", say("Hi") + done, "Hi", provider.ErrTruncated, ""},
	{"nothing", "", "", provider.ErrTruncated, ""},
	{"last line without its end", say("Hi") + strings.TrimSpace(end("stop")), "Hi|stop", nil, ""},
	{"cut in an event", say("Hi") + `data: {"choi`, "Hi", provider.ErrTruncated, ""},
	{"error, then a line", say("Hi") + `data: {"error":{"message":"it broke","code":500}}` + "\n\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error with spaces", say("Hi") + `data: { "error" : {"message":"it broke"} }` + "\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error event", "event: error\n" + `data: {"message":"it broke"}` + "\n\n", "", provider.ErrUnavailable, "it broke"},
	{"error line", say("Hi") + `error: {"code":500,"message":"it broke","type":"server_error"}` + "\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error that repeats the key", `data: {"error":{"message":"bad key ` + key + `","type":"authentication_error"}}` + "\n\n", "", provider.ErrAuth, "bad key [key]"},
	{"error after a comment", ": ping\n\n" + `data: {"error":{"message":"it broke"}}` + "\n\n", "", provider.ErrUnavailable, "it broke"},
	{"error as a reason", say("Hi") + end("error"), "Hi", provider.ErrUnavailable, "failed"},
	{"JSON error at status 200", `{"error":{"message":"it broke","code":503}}`, "", provider.ErrUnavailable, "it broke"},
	{"vLLM's error at status 200", `{"object":"error","message":"too long","type":"BadRequestError","code":400}`, "", provider.ErrBadRequest, "too long"},
	{"an answer at once", `{"object":"chat.completion","choices":[{"message":{"content":"Hi"}}]}`, "", provider.ErrBadRequest, "not a stream"},
	{"web page at status 200", "<!doctype html>\n<title>Sign in</title>\n", "", provider.ErrUnavailable, "Sign in"},
	{"Ollama's error line", say("Hi") + `{"error":"model runner has stopped"}` + "\n", "Hi", provider.ErrUnavailable, "runner"},
	{"null error", `data: {"error":null,"choices":[{"delta":{"content":"Hi"}}]}` + "\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"400 pings before, 400 after", strings.Repeat(":\n\n", 400) + say("Hi") + strings.Repeat(": ping\n\n", 400) + end("stop") + done, "Hi|stop", nil, ""},
	{"empty data", "data:\n\ndata: \n\n" + say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"data in lines", "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"Hi\"}}]}\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"CRLF", strings.ReplaceAll(say("Hi")+end("stop")+done, "\n", "\r\n"), "Hi|stop", nil, ""},
	{"malformed", say("Hi") + "data: {nope}\n\n" + end("stop"), "Hi", provider.ErrUnavailable, "malformed"},
	{"text that is no text", `data: {"choices":[{"delta":{"content":5}}]}` + "\n\n", "", provider.ErrUnavailable, "not as agreed"},
	{"break after the end", say("Hi") + end("stop") + "data: {\"usa", "Hi|stop", nil, ""},
}

func TestStreams(t *testing.T) {
	for _, tt := range streamTests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := told(model(t, stream(tt.body), Options{}), hello)
			check(t, got, tt.want, err, tt.class, tt.says)
		})
	}
}

func check(t *testing.T, got, want string, err, class error, says string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if (err == nil) != (class == nil) || !errors.Is(err, class) || err != nil && !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %v that says %q", err, class, says)
	}
	if err != nil && strings.Contains(err.Error(), key) {
		t.Errorf("the key is in the error %v", err)
	}
}

func TestCalls(t *testing.T) {
	tests := []struct {
		name, body string
		want       string
		class      error
	}{
		{"in fragments", part(`"index":0,"id":"a","type":"function","function":{"name":"weather","arguments":""}`) +
			part(`"index":0,"function":{"arguments":"{\"city\":"}`) + part(`"index":0,"function":{"arguments":"\"Oslo\"}"}`) + end("tool_calls"),
			`call weather {"city":"Oslo"}|tools`, nil},
		{"after text", say("Let me see.") + part(`"index":0,"id":"a","function":{"name":"time","arguments":"{}"}`) + end("tool_calls") + usage,
			"Let me see.|call time {}|usage 9 7 2|tools", nil},
		{"parallel, mixed", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{\"a\""}`) +
			part(`"index":1,"id":"b","function":{"name":"time","arguments":"{\"b\""}`) +
			part(`"index":0,"function":{"arguments":":1}"}`) + part(`"index":1,"function":{"arguments":":2}"}`) + end("tool_calls"),
			`call weather {"a":1}|call time {"b":2}|tools`, nil},
		{"without index", part(`"id":"a","function":{"name":"weather","arguments":"{\"a\""}`) + part(`"function":{"arguments":":1}"}`) +
			part(`"id":"b","function":{"name":"weather","arguments":"{}"}`) + end("tool_calls"), `call weather {"a":1}|call weather {}|tools`, nil},
		{"without index or ID", part(`"function":{"name":"weather","arguments":"{\"a\""}`) + part(`"function":{"arguments":":1}"}`) +
			part(`"function":{"name":"time","arguments":"{}"}`) + end("tool_calls"), `call weather {"a":1}|call time {}|tools`, nil},
		{"one index for all", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{}"}`) +
			part(`"index":0,"id":"b","function":{"name":"time","arguments":"{\"b\""}`) + part(`"index":0,"function":{"arguments":":2}"}`) + end("stop"),
			`call weather {}|call time {"b":2}|tools`, nil},
		{"a new ID for every fragment", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{\"a\""}`) +
			part(`"index":0,"id":"b","function":{"arguments":":1}"}`) + end("tool_calls"), `call weather {"a":1}|tools`, nil},
		{"name and ID repeated", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{\"a\""}`) +
			part(`"index":0,"id":"a","function":{"name":"weather","arguments":":1}"}`) + end("tool_calls"), `call weather {"a":1}|tools`, nil},
		{"no arguments", part(`"index":0,"id":"a","function":{"name":"time"}`) + end("tool_calls"), "call time {}|tools", nil},
		{"of the old kind", `data: {"choices":[{"delta":{"function_call":{"name":"time","arguments":"{}"}}}]}` + "\n\n" + end("function_call"), "call time {}|tools", nil},
		{"reason without a call", say("Hm.") + end("tool_calls"), "Hm.|stop", nil},
		{"cut by the limit", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{\"ci"}`) + end("length"), "length", nil},
		{"arguments are no JSON", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{city}"}`) + end("tool_calls"), "", provider.ErrUnavailable},
		{"no name", part(`"index":0,"id":"a","function":{"arguments":"{}"}`) + end("tool_calls"), "", provider.ErrUnavailable},
		{"without end", strings.Repeat(part(`"function":{"name":"time"}`), maxCalls+2) + end("tool_calls"), "", provider.ErrUnavailable},
		{"stream cut", part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{}"}`), "", provider.ErrTruncated},
		{"written as text", say(`{"na`) + say(`me": "weather", "arguments": {"city": "Oslo"}}`) + end("stop"), `call weather {"city": "Oslo"}|tools`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := told(model(t, stream(tt.body), Options{}), weather)
			check(t, got, tt.want, err, tt.class, "")
		})
	}
}

// TestCallIDs shows that calls get IDs of their own if the server gives none.
func TestCallIDs(t *testing.T) {
	m := model(t, stream(part(`"function":{"name":"time"}`)+part(`"function":{"name":"weather"}`)+end("tool_calls")), Options{})
	seen := map[string]bool{}
	for range 2 {
		for d, err := range m.Generate(t.Context(), weather) {
			if err != nil {
				t.Fatal(err)
			}
			if d.Call != nil {
				seen[d.Call.ID] = true
			}
		}
	}
	if len(seen) != 4 || seen[""] {
		t.Errorf("IDs %v", seen)
	}
}

// TestSplit sends every byte by itself: characters are cut, and so are lines.
func TestSplit(t *testing.T) {
	body := say("日本") + say("語 👩‍👩‍👧") + end("stop") + done
	m := model(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range len(body) {
			_, _ = io.WriteString(w, body[i:i+1])
			_ = http.NewResponseController(w).Flush()
		}
	}, Options{})
	got, err := told(m, hello)
	check(t, got, "日本|語 👩‍👩‍👧|stop", err, nil, "")
}

// TestReset breaks the connection instead of ending the answer.
func TestReset(t *testing.T) {
	for before, class := range map[string]error{"": provider.ErrUnavailable, say("Hi"): provider.ErrTruncated, say("Hi") + end("stop"): nil} {
		m := model(t, func(w http.ResponseWriter, r *http.Request) {
			if before != "" {
				_, _ = io.WriteString(w, before)
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}, Options{})
		got, err := told(m, hello)
		if (err == nil) != (class == nil) || !errors.Is(err, class) || before != "" && !strings.HasPrefix(got, "Hi") {
			t.Errorf("after %q: got %q, error %v, want %v", before, got, err, class)
		}
	}
}

// TestErrorAtOnce has the server go silent after an error without a blank line: it is told all the same.
func TestErrorAtOnce(t *testing.T) {
	for _, line := range []string{`data: {"error":{"message":"it broke"}}`, `error: {"message":"it broke"}`, `{"error":"it broke"}`} {
		m := model(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprintln(w, line)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, Options{})
		begun := time.Now()
		_, err := told(m, hello)
		if err == nil || !strings.Contains(err.Error(), "it broke") || time.Since(begun) > 3*time.Second {
			t.Errorf("%s: error %v after %v", line, err, time.Since(begun))
		}
	}
}
