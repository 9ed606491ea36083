package completions

import (
	"context"
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

var streamTests = []struct {
	name, body string
	want       string
	class      error // nil: none
	says       string
}{
	{"6 in order", say(" Hel") + say("lo") + say(" there") + end("stop") + usage + done, "Hel|lo| there|usage 9 2|stop", nil, ""},
	{"6 no usage, no [DONE]", say(" Hi") + end("stop"), "Hi|stop", nil, ""},
	{"6 not streamed", `{"object":"text_completion","choices":[{"index":0,"text":" Hi there.\nUser: Ho","finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`, "Hi there.|usage 9 2|stop", nil, ""},
	{"usage beside the end", say("Hi") + `data: {"choices":[{"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}` + "\n\n" + done, "Hi|usage 1 1|stop", nil, ""},
	{"text beside the end", `data: {"choices":[{"text":"Hi","finish_reason":"stop"}]}` + "\n\n" + done, "Hi|stop", nil, ""},
	{"length", say("Hi") + end("length") + done, "Hi|length", nil, ""},
	{"filter", say("Hi") + end("content_filter") + done, "Hi|filter", nil, ""},
	{"a reason of its own", say("Hi") + end("eos_token") + done, "Hi|stop", nil, ""},
	{"a second answer", say("Hi") + `data: {"choices":[{"index":1,"text":"Ho","finish_reason":"stop"}]}` + "\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"12 unicode", say("e\u0301") + say("日本語") + say("👩‍👩‍👧") + say("שלום") + end("stop"), "e\u0301|日本語|👩‍👩‍👧|שלום|stop", nil, ""},

	{"2 stop ignored", say(" Hi.") + say("\nUser: Ho") + say("?") + end("length"), "Hi.|stop", nil, ""},
	{"2 stop ignored, in one piece", say(" Hi. \nTool: Ho\nUser: He") + end("length"), "Hi.|stop", nil, ""},
	{"2 stop ignored, with the end", `data: {"choices":[{"text":"Hi.\nUser: Ho","finish_reason":"length"}]}` + "\n\n" + usage + done, "Hi.|usage 9 2|stop", nil, ""},
	{"2 end of text written out", say("Hi.<|endo") + say("ftext|> The") + end("length"), "Hi.|stop", nil, ""},
	{"3 stop in pieces", say("Hi.") + say("\n") + say("Us") + say("er") + say(":") + say(" Ho") + end("stop"), "Hi.|stop", nil, ""},
	{"3 no stop after all", say("Hi.") + say("\n") + say("Us") + say("ually") + end("stop"), "Hi.|\nUsually|stop", nil, ""},
	{"3 no stop at the end", say("Hi.") + say("\nUse") + end("stop"), "Hi.|\nUse|stop", nil, ""},
	{"3 stop at once", say("\n") + say("User:") + say(" Ho") + end("stop"), "stop", nil, ""},
	{"4 echo", say("Be brief.\n\nUser: He") + say("llo?\nAssistant: Hi") + end("stop"), "Hi|stop", nil, ""},
	{"4 echo in one piece", say("Be brief.\n\nUser: Hello?\nAssistant: Hi.\nUser: Ho") + end("stop"), "Hi.|stop", nil, ""},
	{"4 no echo but like it", say("Be brief") + say(" too.") + end("stop"), "Be brief too.|stop", nil, ""},
	{"4 no echo to the end", say("Be brief") + end("stop"), "Be brief|stop", nil, ""},
	{"its own name", say("Assis") + say("tant: Hi") + end("stop"), "Hi|stop", nil, ""},
	{"space around", say(" \n\n") + say(" Hi ") + say(" \n") + end("stop"), "Hi|stop", nil, ""},
	{"9 empty", end("stop") + usage, "usage 9 2|stop", nil, ""},
	{"9 space only", say(" \n") + end("stop"), "stop", nil, ""},

	{"10 clean end without [DONE] or reason", say("Hi"), "Hi", provider.ErrTruncated, "no reason for its end"},
	{"10 [DONE] without a reason", say("Hi") + done, "Hi", provider.ErrTruncated, "no reason for its end"},
	{"10 nothing", "", "", provider.ErrTruncated, "no reason for its end"},
	{"10 cut in an event", say("Hi") + `data: {"choi`, "Hi", provider.ErrTruncated, "EOF"},
	{"10 not streamed, cut", `{"choices":[{"text":"Hi`, "", provider.ErrTruncated, "EOF"},
	{"10 not streamed, no reason", `{"choices":[{"text":"Hi"}]}`, "Hi", provider.ErrTruncated, "no reason for its end"},
	{"last line without its end", say("Hi") + strings.TrimSpace(end("stop")), "Hi|stop", nil, ""},
	{"break after the end", say("Hi") + end("stop") + "data: {\"usa", "Hi|stop", nil, ""},

	{"error, then a line", say("Hi") + `data: {"error":{"message":"it broke","code":500}}` + "\n\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error with spaces", say("Hi") + `data: { "error" : {"message":"it broke"} }` + "\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error event", "event: error\n" + `data: {"message":"it broke"}` + "\n\n", "", provider.ErrUnavailable, "it broke"},
	{"error line", say("Hi") + `error: {"code":500,"message":"it broke","type":"server_error"}` + "\n\n", "Hi", provider.ErrUnavailable, "it broke"},
	{"error that repeats the key", `data: {"error":{"message":"bad key ` + key + `","type":"authentication_error"}}` + "\n\n", "", provider.ErrAuth, "bad key [key]"},
	{"error after a comment", ": ping\n\n" + `data: {"error":{"message":"it broke"}}` + "\n\n", "", provider.ErrUnavailable, "it broke"},
	{"error as a reason", say("Hi") + end("abort"), "Hi", provider.ErrUnavailable, "failed"},
	{"JSON error at status 200", `{"error":{"message":"it broke","code":503}}`, "", provider.ErrUnavailable, "it broke"},
	{"vLLM's error at status 200", `{"object":"error","message":"too long","type":"BadRequestError","code":400}`, "", provider.ErrBadRequest, "too long"},
	{"Ollama's error line", say("Hi") + `{"error":"model runner has stopped"}` + "\n", "Hi", provider.ErrUnavailable, "runner"},
	{"web page at status 200", "<!doctype html>\n<title>Sign in</title>\n", "", provider.ErrUnavailable, "Sign in"},
	{"null error", `data: {"error":null,"choices":[{"text":"Hi"}]}` + "\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"400 pings before, 400 after", strings.Repeat(":\n\n", 400) + say("Hi") + strings.Repeat(": ping\n\n", 400) + end("stop") + done, "Hi|stop", nil, ""},
	{"empty data", "data:\n\ndata: \n\n" + say("Hi") + end("stop"), "Hi|stop", nil, ""},
	{"data in lines", "data: {\"choices\":[{\"text\":\ndata: \"Hi\"}]}\n\n" + end("stop"), "Hi|stop", nil, ""},
	{"CRLF", strings.ReplaceAll(say("Hi")+end("stop")+done, "\n", "\r\n"), "Hi|stop", nil, ""},
	{"malformed", say("Hi") + "data: {nope}\n\n" + end("stop"), "Hi", provider.ErrUnavailable, "malformed"},
	{"text that is no text", `data: {"choices":[{"text":5}]}` + "\n\n", "", provider.ErrUnavailable, "not as agreed"},
}

func TestStreams(t *testing.T) {
	for _, tt := range streamTests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := told(model(t, stream(t, tt.body), Options{}), hello)
			check(t, got, tt.want, err, tt.class, tt.says)
		})
	}
}

// Test12Split sends every byte by itself: characters are cut, and so are lines.
func Test12Split(t *testing.T) {
	body := say("日本") + say("語 👩‍👩‍👧") + end("stop") + done
	m := model(t, answers(t, func(w http.ResponseWriter, _ asked) {
		for i := range len(body) {
			_, _ = io.WriteString(w, body[i:i+1])
			_ = http.NewResponseController(w).Flush()
		}
	}), Options{})
	got, err := told(m, hello)
	check(t, got, "日本|語 👩‍👩‍👧|stop", err, nil, "")
}

// TestReset breaks the connection instead of ending the answer.
func TestReset(t *testing.T) {
	for before, class := range map[string]error{"": provider.ErrUnavailable, say("Hi"): provider.ErrTruncated, say("Hi") + end("stop"): nil} {
		m := model(t, answers(t, func(w http.ResponseWriter, _ asked) {
			if before != "" {
				_, _ = io.WriteString(w, before)
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}), Options{})
		got, err := told(m, hello)
		if (err == nil) != (class == nil) || !errors.Is(err, class) || before != "" && !strings.HasPrefix(got, "Hi") {
			t.Errorf("after %q: got %q, error %v, want %v", before, got, err, class)
		}
	}
}

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
	tests := []struct {
		name   string
		limits provider.Limits
		gap    time.Duration
		events []string
		got    string
		says   string
	}{
		{"no answer", provider.Limits{First: 60 * ms}, 0, nil, "", "no first token within 60ms"},
		{"pings only", provider.Limits{First: 100 * ms}, 30 * ms, []string{":\n\n", ":\n\n", ":\n\n", ":\n\n"}, "", "no first token within 100ms"},
		{"silence after text", provider.Limits{Gap: 60 * ms}, 0, []string{say("Hi")}, "Hi", "no next token within 60ms"},
		{"pings after text", provider.Limits{Gap: 100 * ms}, 40 * ms, []string{say("Hi"), ":\n\n", ":\n\n", ":\n\n"}, "Hi", "no next token within 100ms"},
		{"on and on", provider.Limits{Total: 300 * ms}, 50 * ms, slices.Repeat([]string{say("\n")}, 50), "", "no end of the answer within 300ms"},
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

// TestNotEnded has the server hold the stream open after the answer's end, or go on after a stop: it is ended.
func TestNotEnded(t *testing.T) {
	for _, events := range [][]string{{say("Hi"), end("stop")}, {say("Hi"), end("stop"), done}, {say("Hi"), say("\nUser:")}} {
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
	m := model(t, stream(t, say("a")+say("b")+end("stop")+done), Options{
		Limits: provider.Limits{First: 2 * time.Second, Gap: 50 * time.Millisecond, Total: 2 * time.Second},
	})
	for _, err := range m.Generate(t.Context(), hello) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
	}
}

// TestCancel cancels 20 times before the answer and in its silence: the call ends and the server sees that.
func TestCancel(t *testing.T) {
	hung := errors.New("the caller has hung up")
	for name, events := range map[string][]string{"before": nil, "in the answer": {say("Hi")}, "in half a JSON answer": {`{"choices":[`}} {
		t.Run(name, func(t *testing.T) {
			var times []time.Duration
			for range 20 {
				h, gone := slow(0, events...)
				ctx, cancel := context.WithCancelCause(t.Context())
				var at time.Time
				m := model(t, func(w http.ResponseWriter, r *http.Request) {
					time.AfterFunc(15*time.Millisecond, func() { at = time.Now(); cancel(hung) })
					h(w, r)
				}, Options{})
				var err error
				for _, err = range m.Generate(ctx, hello) {
				}
				times = append(times, time.Since(at))
				if err != hung {
					t.Errorf("error %v", err)
				}
				wait(t, gone, "the end of the request at the server")
			}
			slices.Sort(times)
			if times[10] > 50*time.Millisecond || times[19] > 500*time.Millisecond {
				t.Errorf("took %v in the median, %v at worst", times[10], times[19])
			}
		})
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
	m, err := New(Options{BaseURL: "http://" + addr + "/v1", Key: key})
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
	m, err := New(Options{BaseURL: "https://" + l.Addr().String() + "/v1", Key: key, Limits: provider.Limits{Connect: 60 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := told(m, hello)
	check(t, got, "", err, provider.ErrUnavailable, "TLS handshake timeout")
}

// TestReuse asks five times over one connection.
func TestReuse(t *testing.T) {
	for _, body := range []string{say("Hi") + end("stop") + usage + done, `{"choices":[{"text":"Hi","finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}`} {
		var opened atomic.Int32
		srv := httptest.NewUnstartedServer(stream(t, body))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				opened.Add(1)
			}
		}
		srv.Start()
		defer srv.Close()
		m, err := New(Options{BaseURL: srv.URL + "/v1", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for range 5 {
			got, err := told(m, hello)
			check(t, got, "Hi|usage 9 2|stop", err, nil, "")
		}
		if n := opened.Load(); n != 1 {
			t.Errorf("%d connections for 5 calls", n)
		}
	}
}

// FuzzStream looks for an answer that breaks the contract and for an error without a class, whatever the
// server sends.
func FuzzStream(f *testing.F) {
	for _, tt := range streamTests {
		f.Add(tt.body[:min(len(tt.body), 1000)])
	}
	m, body := canned(f)
	f.Fuzz(func(t *testing.T, in string) {
		*body = in
		var last llm.Delta
		for d, err := range m.Generate(context.Background(), hello) {
			if err != nil {
				if provider.ClassName(err) == "" {
					t.Errorf("error %v has no class", err)
				}
				return
			}
			if last.End != "" || d == (llm.Delta{}) {
				t.Errorf("%+v came after %+v", d, last)
			}
			last = d
		}
		if last.End == "" {
			t.Errorf("no error and no end")
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// canned is a Model whose server answers with body, without a network.
func canned(t testing.TB) (m *Model, body *string) {
	t.Helper()
	m, err := New(Options{BaseURL: "http://canned/v1", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	body = new(string)
	m.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(*body))}, nil
	})
	return m, body
}

// BenchmarkToken is our part of a token: repair, library, deltas.
func BenchmarkToken(b *testing.B) {
	const tokens = 100
	m, body := canned(b)
	*body = strings.Repeat(say(" word"), tokens) + end("stop") + usage + done
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
			b.Fatalf("%d deltas", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*tokens), "µs/token")
}

// BenchmarkFirst is the time to the first delta of a server that answers at once, beside that of a bare request.
func BenchmarkFirst(b *testing.B) {
	m := model(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, say("Hi")+end("stop")+done)
	}, Options{})
	times := map[string][]time.Duration{}
	for b.Loop() {
		begun, first := time.Now(), true
		for _, err := range m.Generate(b.Context(), hello) {
			if err != nil {
				b.Fatal(err)
			}
			if first {
				times[""] = append(times[""], time.Since(begun))
				first = false
			}
		}
		begun = time.Now()
		resp, err := m.http.Post(m.o.BaseURL, "application/json", strings.NewReader("{}"))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = resp.Body.Read(make([]byte, 100))
		times["bare-"] = append(times["bare-"], time.Since(begun))
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	for name, d := range times {
		slices.Sort(d)
		b.ReportMetric(d[len(d)/2].Seconds()*1000, name+"p50-ms")
		b.ReportMetric(d[len(d)*99/100].Seconds()*1000, name+"p99-ms")
	}
}
