package anthropic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

// bodyTest is what comes of one answer.
type bodyTest struct {
	name, body string
	want       string
	class      error // nil: none
	says       string
}

func runBodies(t *testing.T, req llm.Request, tests []bodyTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := told(model(t, stream(t, tt.body), Options{}), req)
			check(t, got, tt.want, err, tt.class, tt.says)
		})
	}
}

func TestPingsAreIgnored(t *testing.T) {
	runBodies(t, hello, []bodyTest{
		{"between", ping + start + ping + open0 + say("Hi") + ping + shut0 + end("end_turn") + ping + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"400, and comments", strings.Repeat(ping+": keep\n\n", 400) + start + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
	})
}

func TestTextInOrder(t *testing.T) {
	runBodies(t, hello, []bodyTest{
		{"deltas", start + open0 + say("Hel") + say("lo") + say(" there") + shut0 + end("end_turn") + stop, "Hel|lo| there|usage 12 7 2|stop", nil, ""},
		{"unicode", start + say("e\u0301") + say("日本語") + say("👩‍👩‍👧") + say("שלום") + end("end_turn") + stop, "e\u0301|日本語|👩‍👩‍👧|שלום|usage 12 7 2|stop", nil, ""},
		{"error is a word", start + say("error") + say(`say "error"`) + end("end_turn") + stop, `error|say "error"|usage 12 7 2|stop`, nil, ""},
		{"beginning in its block", start + event("content_block_start", `,"index":0,"content_block":{"type":"text","text":"Hi"}`) + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"thoughts", start + event("content_block_start", `,"index":0,"content_block":{"type":"thinking","thinking":"Hm.","signature":""}`) +
			event("content_block_delta", `,"index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}`) +
			event("content_block_delta", `,"index":0,"delta":{"type":"signature_delta","signature":"abc"}`) + shut0 +
			event("content_block_start", `,"index":1,"content_block":{"type":"redacted_thinking","data":"abc"}`) + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"without names of events", strings.ReplaceAll(start+say("Hi")+end("end_turn")+stop, "event: ", ": "), "Hi|usage 12 7 2|stop", nil, ""},
		{"broken characters", start + strings.Replace(say("a?"), "?", "\xe6", 1) + end("end_turn") + stop, "a\ufffd|usage 12 7 2|stop", nil, ""},
		{"CRLF", strings.ReplaceAll(start+say("Hi")+end("end_turn")+stop, "\n", "\r\n"), "Hi|usage 12 7 2|stop", nil, ""},
		{"last event without its end", start + say("Hi") + end("end_turn") + strings.TrimSpace(stop), "Hi|usage 12 7 2|stop", nil, ""},
	})
}

// TestSplitBytes sends every byte by itself: characters are cut, and so are lines.
func TestSplitBytes(t *testing.T) {
	body := start + say("日本👩‍👧") + end("end_turn") + stop
	m := model(t, answers(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
		for i := range len(body) {
			_, _ = io.WriteString(w, body[i:i+1])
			_ = http.NewResponseController(w).Flush()
		}
	}), Options{})
	got, err := told(m, hello)
	check(t, got, "日本👩‍👧|usage 12 7 2|stop", err, nil, "")
}

func TestCallsAreAssembled(t *testing.T) {
	over := strings.Repeat(tool(0, "a", "time"), maxCalls+1)
	runBodies(t, weather, []bodyTest{
		{"in fragments", start + tool(0, "a", "weather") + part(0, "") + part(0, `{"city":`) + part(0, ` "Oslo"}`) + shut0 + end("tool_use") + stop,
			`call weather {"city": "Oslo"}|usage 12 7 2|tools`, nil, ""},
		{"after text", start + say("Let me see.") + tool(1, "a", "time") + end("tool_use") + stop, "Let me see.|call time {}|usage 12 7 2|tools", nil, ""},
		{"parallel, mixed", tool(0, "a", "weather") + tool(1, "b", "time") + part(1, `{"b"`) + part(0, `{"a"`) + part(1, ":2}") + part(0, ":1}") + end("tool_use") + stop,
			`call weather {"a":1}|call time {"b":2}|usage 0 0 2|tools`, nil, ""},
		{"all at once", event("content_block_start", `,"index":0,"content_block":{"type":"tool_use","id":"a","name":"weather","input":{"city":"Oslo"}}`) + end("tool_use") + stop,
			`call weather {"city":"Oslo"}|usage 0 0 2|tools`, nil, ""},
		{"null", tool(0, "a", "time") + part(0, "null") + end("tool_use") + stop, "call time {}|usage 0 0 2|tools", nil, ""},
		{"the server's own tool", event("content_block_start", `,"index":0,"content_block":{"type":"server_tool_use","id":"a","name":"web_search","input":{}}`) +
			part(0, `{"q":1}`) + say("Hi") + end("end_turn") + stop, "Hi|usage 0 0 2|stop", nil, ""},
		{"reason without a call", say("Hm.") + end("tool_use") + stop, "Hm.|usage 0 0 2|stop", nil, ""},
		{"cut by the limit", tool(0, "a", "weather") + part(0, `{"ci`) + end("max_tokens") + stop, "usage 0 0 2|length", nil, ""},
		{"refused", tool(0, "a", "weather") + part(0, `{}`) + end("refusal") + stop, "usage 0 0 2|filter", nil, ""},
		{"arguments are no JSON", tool(0, "a", "weather") + part(0, "{city}") + end("tool_use") + stop, "", provider.ErrUnavailable, "malformed"},
		{"arguments are no object", tool(0, "a", "weather") + part(0, "[1]") + end("tool_use") + stop, "", provider.ErrUnavailable, "malformed"},
		{"no name", tool(0, "a", "") + end("tool_use") + stop, "", provider.ErrUnavailable, "malformed"},
		{"too many", over + end("tool_use") + stop, "", provider.ErrUnavailable, "without end"},
		{"too long", tool(0, "a", "time") + strings.Repeat(part(0, strings.Repeat(" ", 1<<19)), 3), "", provider.ErrUnavailable, "without end"},
		{"stream cut", tool(0, "a", "weather") + part(0, "{}") + end("tool_use"), "", provider.ErrTruncated, "no message_stop"},
	})
	m := model(t, stream(t, tool(0, "a", "time")+tool(1, "a", "time")+tool(2, "", "time")+end("tool_use")+stop), Options{})
	ids := map[string]bool{}
	for d, err := range m.Generate(t.Context(), weather) {
		if err != nil {
			t.Fatal(err)
		}
		if d.Call != nil {
			ids[d.Call.ID] = true
		}
	}
	if len(ids) != 3 || !ids["a"] || ids[""] {
		t.Errorf("IDs %v", ids)
	}
}

func TestErrorEventAtStatus200(t *testing.T) {
	long := strings.Repeat("x", 290) + key
	runBodies(t, hello, []bodyTest{
		{"overloaded", start + say("Hi") + fault("overloaded_error", "Overloaded"), "Hi", provider.ErrUnavailable, "Overloaded"},
		{"too fast", start + fault("rate_limit_error", "Slow down"), "", provider.ErrQuota, "rate_limit_error"},
		{"it broke", start + say("Hi") + fault("api_error", "Internal server error"), "Hi", provider.ErrUnavailable, "Internal server error"},
		{"timeout", start + fault("timeout_error", "late"), "", provider.ErrUnavailable, "late"},
		{"our fault", fault("invalid_request_error", "max_tokens"), "", provider.ErrBadRequest, "max_tokens"},
		{"wrong key", fault("authentication_error", "invalid x-api-key "+key), "", provider.ErrAuth, "x-api-key [key]"},
		{"the key where the text is cut", fault("api_error", long), "", provider.ErrUnavailable, "xx[key]…"},
		{"without a name", say("Hi") + strings.TrimPrefix(fault("overloaded_error", "Overloaded"), "event: error\n"), "Hi", provider.ErrUnavailable, "Overloaded"},
		{"a JSON body", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, "", provider.ErrUnavailable, "Overloaded"},
		{"an answer at once", `{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}]}`, "", provider.ErrBadRequest, "not a stream"},
		{"web page", "<!doctype html>\n<title>Sign in</title>\n", "", provider.ErrUnavailable, "Sign in"},
		{"malformed", say("Hi") + "event: content_block_delta\ndata: {nope}\n\n" + stop, "Hi", provider.ErrUnavailable, "malformed"},
	})
}

// statusTest is an answer that is no success.
type statusTest struct {
	name   string
	status int
	header string // of Retry-After
	body   string
	class  error
	says   string
	wait   time.Duration
}

// runStatus also sees that each is asked for once.
func runStatus(t *testing.T, tests []statusTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var times atomic.Int32
			m := model(t, answers(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
				times.Add(1)
				w.Header().Set("X-Should-Retry", "true")
				w.Header().Set("Retry-After", tt.header)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}), Options{})
			begun := time.Now()
			got, err := told(m, hello)
			check(t, got, "", err, tt.class, tt.says)
			var e *provider.Error
			if !errors.As(err, &e) || e.Status != tt.status || e.RetryAfter != tt.wait {
				t.Errorf("error %+v, want status %d and %v", e, tt.status, tt.wait)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", err, e), key[:12]) {
				t.Errorf("the key is in the error %#v", e)
			}
			if n, d := times.Load(), time.Since(begun); n != 1 || d > 3*time.Second {
				t.Errorf("asked %d times, in %v", n, d)
			}
		})
	}
}

// refusal is the body of an error.
func refusal(typ, text string) string {
	return `{"type":"error","error":{"type":"` + typ + `","message":"` + text + `"},"request_id":"req_1"}`
}

func TestOverloadedIsAskedOnce(t *testing.T) {
	runStatus(t, []statusTest{
		{"overloaded", 529, "", refusal("overloaded_error", "Overloaded"), provider.ErrUnavailable, "529 overloaded_error", 0},
		{"told when to come again", 529, "7", refusal("overloaded_error", "Overloaded"), provider.ErrUnavailable, "Overloaded", 7 * time.Second},
		{"too fast", 429, "2", refusal("rate_limit_error", "Slow down"), provider.ErrQuota, "rate_limit_error", 2 * time.Second},
		{"it broke", 500, "", refusal("api_error", "Internal server error"), provider.ErrUnavailable, "Internal server error", 0},
		{"no body", 502, "", "", provider.ErrUnavailable, "502", 0},
		{"web page", 503, "", "<html><title>Upstream is away</title>", provider.ErrUnavailable, "Upstream is away", 0},
		{"unpaid", 402, "", refusal("billing_error", "Pay"), provider.ErrQuota, "billing_error", 0},
		{"too large", 413, "", refusal("request_too_large", "Too large"), provider.ErrBadRequest, "Too large", 0},
		{"our fault", 400, "", refusal("invalid_request_error", "prompt is too long"), provider.ErrBadRequest, "prompt is too long", 0},
		{"no such model", 404, "", refusal("not_found_error", "model: test"), provider.ErrBadRequest, "model: test", 0},
		{"moved", 307, "", "", provider.ErrBadRequest, "307", 0},
	})
}

func TestWrongKey(t *testing.T) {
	runStatus(t, []statusTest{
		{"401", 401, "", refusal("authentication_error", "invalid x-api-key"), provider.ErrAuth, "invalid x-api-key", 0},
		{"it repeats the key", 401, "", refusal("authentication_error", "invalid "+key+"."), provider.ErrAuth, "invalid [key].", 0},
		{"and is cut within it", 401, "", refusal("authentication_error", strings.Repeat("x", 285)+key), provider.ErrAuth, "x[key]…", 0},
		{"403", 403, "", refusal("permission_error", "not for you"), provider.ErrAuth, "not for you", 0},
	})
}

func TestMissingMessageStopIsTruncated(t *testing.T) {
	runBodies(t, hello, []bodyTest{
		{"in the text", start + open0 + say("Hi"), "Hi", provider.ErrTruncated, "no message_stop"},
		{"after the reason", start + open0 + say("Hi") + shut0 + end("end_turn"), "Hi", provider.ErrTruncated, "no message_stop"},
		{"no reason", start + say("Hi") + stop, "Hi", provider.ErrTruncated, "no stop_reason"},
		{"nothing", "", "", provider.ErrTruncated, "no message_stop"},
		{"in an event", start + say("Hi") + "event: message_delta\ndata: {\"type\":", "Hi", provider.ErrTruncated, "unexpected EOF"},
	})
}

func TestStopReasons(t *testing.T) {
	for reason, want := range map[string]llm.Reason{
		"end_turn": llm.Stop, "stop_sequence": llm.Stop, "pause_turn": llm.Stop, "of_the_future": llm.Stop, "refusal": llm.Filter,
		"max_tokens": llm.Length, "model_context_window_exceeded": llm.Length,
	} {
		t.Run(reason, func(t *testing.T) {
			got, err := told(model(t, stream(t, start+say("Hi")+end(reason)+stop), Options{}), hello)
			check(t, got, "Hi|usage 12 7 2|"+string(want), err, nil, "")
		})
	}
}

func TestUsage(t *testing.T) {
	delta := func(usage string) string {
		return event("message_delta", `,"delta":{"stop_reason":"end_turn"},"usage":`+usage)
	}
	runBodies(t, hello, []bodyTest{
		{"all input counts", start + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"sums are corrected", start + say("Hi") + delta(`{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":9,"output_tokens":3}`) + stop, "Hi|usage 14 9 3|stop", nil, ""},
		{"null is not told", start + say("Hi") + delta(`{"input_tokens":null,"cache_read_input_tokens":null,"output_tokens":3}`) + stop, "Hi|usage 12 7 3|stop", nil, ""},
		{"only the beginning's", start + say("Hi") + delta(`null`) + stop, "Hi|usage 12 7 1|stop", nil, ""},
		{"no number", start + say("Hi") + delta(`{"input_tokens":"many","output_tokens":3}`) + stop, "Hi|usage 12 7 3|stop", nil, ""},
		{"none", say("Hi") + event("message_delta", `,"delta":{"stop_reason":"end_turn"}`) + stop, "Hi|stop", nil, ""},
		{"nonsense", start + say("Hi") + delta(`{"input_tokens":-5,"output_tokens":9000000000000000000}`) + stop, "Hi|usage 8 7 268435456|stop", nil, ""},
	})
}

func TestUnknownEventsAreIgnored(t *testing.T) {
	runBodies(t, hello, []bodyTest{
		{"event", start + event("novelty", `,"delta":{"type":"text_delta","text":"No"}`) + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"delta", start + event("content_block_delta", `,"index":0,"delta":{"type":"novelty_delta","text":"No"}`) + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"block", start + event("content_block_start", `,"index":3,"content_block":{"type":"novelty","text":"No"}`) + part(3, "{}") + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
		{"no type", start + "data: {}\n\n" + say("Hi") + end("end_turn") + stop, "Hi|usage 12 7 2|stop", nil, ""},
	})
}

// TestReset has the server break the connection in the middle of an answer, and before it.
func TestReset(t *testing.T) {
	for _, tt := range []struct {
		body, want string
		class      error
	}{{start + say("Hi"), "Hi", provider.ErrTruncated}, {"", "", provider.ErrUnavailable}} {
		var times atomic.Int32
		m := model(t, answers(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
			times.Add(1)
			rc := http.NewResponseController(w)
			if tt.body != "" {
				_, _ = io.WriteString(w, tt.body)
				_ = rc.Flush()
			}
			c, _, err := rc.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}), Options{})
		got, err := told(m, hello)
		check(t, got, tt.want, err, tt.class, "ask language model")
		if n := times.Load(); tt.body != "" && n != 1 {
			t.Errorf("asked %d times", n)
		}
	}
}

// slow answers with the events, the given time apart, and then holds the stream open. gone is told when the server has
// noticed the caller's leaving.
func slow(t testing.TB, gap time.Duration, events ...string) (h http.HandlerFunc, gone chan struct{}) {
	gone = make(chan struct{}, 100)
	return answers(t, func(w http.ResponseWriter, r *http.Request, _ asked) {
		defer func() { gone <- struct{}{} }()
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
	}), gone
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatal("the server did not notice the end of the request")
	}
}

// TestCancel measures how soon a canceled answer ends, twenty times, and sees that the server is told.
func TestCancel(t *testing.T) {
	h, gone := slow(t, 0, start, say("Hi"))
	m := model(t, h, Options{})
	why := errors.New("hung up")
	var took []time.Duration
	for range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		var canceled time.Time
		var last error
		for _, err := range m.Generate(ctx, hello) {
			if last = err; err == nil {
				canceled = time.Now()
				cancel(why)
			}
		}
		d := time.Since(canceled)
		cancel(nil)
		if took = append(took, d); last != why || d > 500*time.Millisecond {
			t.Fatalf("error %v after %v", last, d)
		}
		wait(t, gone)
	}
	slices.Sort(took)
	if d := took[len(took)/2]; d > 50*time.Millisecond {
		t.Errorf("median %v", d)
	}
}

func TestLeaving(t *testing.T) {
	h, gone := slow(t, 0, start, say("Hi"))
	for range model(t, h, Options{}).Generate(t.Context(), hello) {
		break
	}
	wait(t, gone)
}

func TestTimeouts(t *testing.T) {
	const ms = time.Millisecond
	thought := event("content_block_delta", `,"index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}`)
	tests := []struct {
		name   string
		limits provider.Limits
		gap    time.Duration
		events []string
		got    string
		says   string
	}{
		{"no answer", provider.Limits{First: 60 * ms}, 0, nil, "", "no first token within 60ms"},
		{"only pings and thoughts", provider.Limits{First: 100 * ms}, 30 * ms, []string{start, open0, ping, thought, ping, thought, ping}, "", "no first token within 100ms"},
		{"silence after text", provider.Limits{Gap: 60 * ms}, 0, []string{say("Hi")}, "Hi", "no next token within 60ms"},
		{"pings after text", provider.Limits{Gap: 100 * ms}, 40 * ms, []string{say("Hi"), ping, ping, ping, ping}, "Hi", "no next token within 100ms"},
		{"on and on", provider.Limits{Total: 300 * ms}, 50 * ms, append([]string{tool(0, "a", "time")}, slices.Repeat([]string{part(0, " ")}, 50)...), "", "no end of the answer within 300ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, gone := slow(t, tt.gap, tt.events...)
			got, err := told(model(t, h, Options{Limits: tt.limits}), hello)
			check(t, got, tt.got, err, provider.ErrUnavailable, tt.says)
			var late *provider.Timeout
			if !errors.As(err, &late) {
				t.Errorf("error %v is no Timeout", err)
			}
			wait(t, gone)
		})
	}
}

// TestConnect is refused, and reaches a server that accepts and then says nothing in TLS.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	closed := httptest.NewServer(nil)
	closed.Close()
	for url, says := range map[string]string{closed.URL: "refused", "https://" + l.Addr().String(): "TLS handshake timeout"} {
		m, err := New(Options{BaseURL: url, Model: "test", Key: key, Limits: provider.Limits{Connect: 60 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		got, err := told(m, hello)
		check(t, got, "", err, provider.ErrUnavailable, says)
		if d := time.Since(begun); d > 3*time.Second {
			t.Errorf("took %v", d)
		}
	}
}

// TestHeldOpen has the server hold the stream open after the answer's end: that is no error, and soon over.
func TestHeldOpen(t *testing.T) {
	h, gone := slow(t, 0, start+say("Hi")+end("end_turn")+stop)
	begun := time.Now()
	got, err := told(model(t, h, Options{}), hello)
	check(t, got, "Hi|usage 12 7 2|stop", err, nil, "")
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	wait(t, gone)
}

// TestSlowConsumer holds the loop for longer than any limit.
func TestSlowConsumer(t *testing.T) {
	m := model(t, stream(t, start+say("a")+say("b")+end("end_turn")+stop), Options{
		Limits: provider.Limits{First: 2 * time.Second, Gap: 50 * time.Millisecond, Total: 2 * time.Second},
	})
	for _, err := range m.Generate(t.Context(), hello) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
	}
}

// TestReuse asks five times over one connection; two, should the end of a body be late on a busy computer.
func TestReuse(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(answers(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
		_, _ = io.WriteString(w, start+say("Hi")+end("end_turn")+stop)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(5 * time.Millisecond) // the end of the body comes by itself
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	m, err := New(Options{BaseURL: srv.URL, Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 5 {
		got, err := told(m, hello)
		check(t, got, "Hi|usage 12 7 2|stop", err, nil, "")
	}
	if n := opened.Load(); n > 2 {
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
				body := start + say("Hi") + end("end_turn") + stop
				resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
				_ = resp.Write(c)
			}
			_, _ = http.ReadRequest(r) // the next one is read and not answered
			_ = c.Close()
		}
	}()
	m, err := New(Options{BaseURL: "http://" + l.Addr().String(), Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := told(m, hello)
		check(t, got, "Hi|usage 12 7 2|stop", err, nil, "")
	}
	m.Close()
	_ = l.Close()
	wait(t, served)
}
