package gptj

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
)

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

// model is a Model of a loopback server.
func model(t testing.TB, h http.HandlerFunc, o Options) *Model {
	t.Helper()
	srv := httptest.NewServer(h)
	o.BaseURL = srv.URL + "/"
	o.Limits = o.Limits.Or(provider.Limits{First: 5 * time.Second})
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

// asked is a request as a server understands it.
type asked struct{ context, limit, temperature, topP, stop string }

// answers is a server whose answer is made of the request.
func answers(t testing.TB, answer func(w http.ResponseWriter, a asked)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		a := asked{q.Get("context"), q.Get("token_max_length"), q.Get("temperature"), q.Get("top_p"), q.Get("stop_sequence")}
		if r.Method != "POST" || r.URL.Path != "/generate" || len(body) > 0 || len(q) != 5 || a.context == "" || r.Header.Get("Authorization") != "" || r.Header["Idempotency-Key"] != nil {
			t.Errorf("asked %s %s with %d parameters, %v", r.Method, r.URL.Path, len(q), r.Header)
		}
		answer(w, a)
	}
}

// text answers with a text, as the servers do.
func text(w http.ResponseWriter, a asked, s string) {
	_ = json.NewEncoder(w).Encode(map[string]any{"model": "GPT-J-6B", "compute_time": 1.25, "text": s, "prompt": a.context,
		"token_max_length": 50, "temperature": 0.8, "top_p": 0.9, "stop_sequence": a.stop})
}

func says(t testing.TB, s string) http.HandlerFunc {
	return answers(t, func(w http.ResponseWriter, a asked) { text(w, a, s) })
}

var hello = llm.Request{System: "Be brief.", Messages: []llm.Message{{Role: llm.User, Text: "Hello, my secret is 4711?"}}}

// told is an answer in short: "text|end".
func told(m *Model, req llm.Request) (string, error) {
	var out []string
	for d, err := range m.Generate(context.Background(), req) {
		if err != nil {
			return strings.Join(out, "|"), err
		}
		out = append(out, d.Text+string(d.End))
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
	if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "4711") {
		t.Errorf("what was said is in the error %v", err)
	}
}

func TestContract(t *testing.T) {
	var m *Model
	llmtest.Run(t, llmtest.Options{
		New: func(t testing.TB) llm.Model {
			m = model(t, answers(t, func(w http.ResponseWriter, a asked) {
				time.Sleep(50 * time.Millisecond)
				if a.limit == "1" {
					text(w, a, " Red")
					return
				}
				text(w, a, " Red and blue.\nUser: And")
			}), Options{})
			return m
		},
		Stuck: func(t testing.TB) llm.Model {
			m = model(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, Options{})
			return m
		},
		Release: func() { m.Close() },
		Limits:  true,
		Said: func(text string) error {
			if text != "Red and blue." {
				return fmt.Errorf("said %q", text)
			}
			return nil
		},
	})
}

func TestNew(t *testing.T) {
	for name, tt := range map[string]struct {
		o     Options
		class error
	}{
		"nothing":           {Options{}, nil},
		"no scheme":         {Options{BaseURL: "localhost:5000"}, provider.ErrBadRequest},
		"credentials":       {Options{BaseURL: "http://a:b@localhost:5000"}, provider.ErrBadRequest},
		"a query":           {Options{BaseURL: "http://localhost:5000/?a=b"}, provider.ErrBadRequest},
		"not a URL":         {Options{BaseURL: "http://%zz"}, provider.ErrBadRequest},
		"one name for both": {Options{User: "Anna", Agent: "Anna"}, provider.ErrBadRequest},
	} {
		if m, err := New(tt.o); !errors.Is(err, tt.class) || (m == nil) != (tt.class != nil) {
			t.Errorf("%s: got %v, error %v", name, m, err)
		}
	}
}

// Test8Query checks what is sent.
func Test8Query(t *testing.T) {
	zero := 0.0
	for name, tt := range map[string]struct {
		o    Options
		req  llm.Request
		want asked
	}{
		"plain": {Options{}, hello, asked{"Be brief.\n\nUser: Hello, my secret is 4711?\nAssistant:", "100", "0.8", "0.9", "\nUser:"}},
		"all": {Options{User: "Human", Agent: "AI", MaxTokens: 50, Temperature: &zero, TopP: &zero}, hello,
			asked{"Be brief.\n\nHuman: Hello, my secret is 4711?\nAI:", "50", "0", "0", "\nHuman:"}},
		"unicode": {Options{}, llm.Request{MaxTokens: 7, Messages: []llm.Message{{Role: llm.User, Text: "e\u0301te\u0301 日本 👩‍👩‍👧 שלום & a+b=c?"}}},
			asked{"User: e\u0301te\u0301 日本 👩‍👩‍👧 שלום & a+b=c?\nAssistant:", "7", "0.8", "0.9", "\nUser:"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := model(t, answers(t, func(w http.ResponseWriter, a asked) {
				if a != tt.want {
					t.Errorf("asked %+v, want %+v", a, tt.want)
				}
				text(w, a, "e\u0301te\u0301 日本 👩‍👩‍👧 שלום")
			}), tt.o)
			got, err := told(m, tt.req)
			if tt.req.MaxTokens == 7 {
				check(t, got, "e\u0301te\u0301 日本 👩‍👩‍👧 שלום|length", err, nil, "")
			} else {
				check(t, got, "e\u0301te\u0301 日本 👩‍👩‍👧 שלום|stop", err, nil, "")
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	prompt := "Be brief.\n\nUser: Hello, my secret is 4711?\nAssistant:"
	for name, tt := range map[string]struct{ said, want string }{
		"2 stop ignored":         {" Hi.\nUser: Ho\nAssistant: He", "Hi.|stop"},
		"2 stop kept":            {" Hi.", "Hi.|stop"},
		"4 echo":                 {prompt + " Hi.\nUser: Ho", "Hi.|stop"},
		"9 empty":                {"", "stop"},
		"9 nothing but the next": {"\nUser: Ho", "stop"},
		"its own name":           {" Assistant: Hi.", "Hi.|stop"},
		"end of text":            {" Hi.<|endoftext|> The", "Hi.|stop"},
		"on and on":              {strings.Repeat(" la", 101), strings.TrimSpace(strings.Repeat(" la", 101)) + "|length"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := told(model(t, says(t, tt.said), Options{}), hello)
			check(t, got, tt.want, err, nil, "")
		})
	}
}

var bodies = []struct {
	name   string
	status int
	body   string
	class  error
	says   string
}{
	{"busy", 503, `{"detail":"queue is full"}`, provider.ErrUnavailable, "queue is full"},
	{"too fast", 429, `{"detail":"slow down"}`, provider.ErrQuota, "slow down"},
	{"a field is wrong", 422, `{"detail":[{"loc":["query","top_p"],"msg":"field required"}]}`, provider.ErrBadRequest, "field required"},
	{"no such path", 404, `{"detail":"Not Found"}`, provider.ErrBadRequest, "Not Found"},
	{"closed", 401, `no`, provider.ErrAuth, "no"},
	{"moved", 307, ``, provider.ErrBadRequest, "307"},
	{"web page", 502, "<html><title>Bad gateway</title>", provider.ErrUnavailable, "Bad gateway"},
	{"error at status 200", 200, `{"error":"it broke"}`, provider.ErrUnavailable, "it broke"},
	{"web page at status 200", 200, "<html><title>Sign in</title>", provider.ErrUnavailable, "a web page: Sign in"},
	{"another JSON", 200, `{"prompt":"my secret is 4711"}`, provider.ErrUnavailable, "answer has no text"},
	{"null", 200, `{"text":null}`, provider.ErrUnavailable, "answer has no text"},
	{"of another type", 200, `{"text":5}`, provider.ErrUnavailable, "answer has no text"},
	{"empty", 200, ``, provider.ErrUnavailable, "answer has no text"},
	{"cut", 200, `{"text":"Hi`, provider.ErrUnavailable, "answer has no text"},
	{"too long", 200, `{"text":"` + strings.Repeat("x", provider.MaxEvent) + `"}`, provider.ErrUnavailable, "answer has no text"},
}

func TestErrors(t *testing.T) {
	for _, tt := range bodies {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			m := model(t, answers(t, func(w http.ResponseWriter, _ asked) {
				n.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}), Options{})
			got, err := told(m, hello)
			check(t, got, "", err, tt.class, tt.says)
			if n.Load() != 1 {
				t.Errorf("asked %d times", n.Load())
			}
		})
	}
}

// TestReset breaks the connection before the answer and in it.
func TestReset(t *testing.T) {
	for before, class := range map[string]error{"": provider.ErrUnavailable, `{"text":`: provider.ErrTruncated} {
		m := model(t, answers(t, func(w http.ResponseWriter, _ asked) {
			if before != "" {
				_, _ = io.WriteString(w, before)
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}), Options{})
		got, err := told(m, hello)
		check(t, got, "", err, class, "EOF")
	}
}

// Test11ContextOverflow has a long history: what is sent fits a proxy, and less is sent when the server says so.
func Test11ContextOverflow(t *testing.T) {
	req := llm.Request{System: "Be brief."}
	for i := range 400 {
		req.Messages = append(req.Messages, llm.Message{Role: llm.User, Text: fmt.Sprintf("%d 日本語です。", i)})
	}
	for status, most := range map[int]int{414: 3000, 400: 1500, 431: 10} {
		n := 0
		m := model(t, answers(t, func(w http.ResponseWriter, a asked) {
			if n++; n == 1 && len(a.context) < 2000 {
				t.Errorf("a prompt of %d bytes", len(a.context))
			}
			if len(a.context) > most {
				http.Error(w, "the prompt is too long", status)
				return
			}
			if !strings.HasPrefix(a.context, "Be brief.\n\nUser: ") || !strings.HasSuffix(a.context, "User: 399 日本語です。\nAssistant:") {
				t.Errorf("prompt %q", a.context)
			}
			text(w, a, "Hi")
		}), Options{})
		got, err := told(m, req)
		if most == 10 {
			check(t, got, "", err, provider.ErrBadRequest, "too long")
		} else {
			check(t, got, "Hi|stop", err, nil, "")
		}
		if n > mostTries {
			t.Errorf("asked %d times", n)
		}
	}
}

func TestQueryFits(t *testing.T) {
	m := model(t, func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.RequestURI); n > 7500 {
			t.Errorf("an address of %d bytes", n)
		}
		text(w, asked{}, "Hi")
	}, Options{})
	got, err := told(m, llm.Request{System: strings.Repeat("日本", 5000), Messages: []llm.Message{{Role: llm.User, Text: strings.Repeat("日本", 5000)}}})
	check(t, got, "Hi|stop", err, nil, "")
}

// stuck says half an answer and then nothing. gone is closed when the server has noticed the caller's leaving.
func stuck(half string) (h http.HandlerFunc, gone chan struct{}) {
	gone = make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		if half != "" {
			_, _ = io.WriteString(w, half)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}, gone
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatal("the server did not see the end of the request")
	}
}

func TestTimeouts(t *testing.T) {
	for says, limits := range map[string]provider.Limits{
		"no answer within 60ms": {First: 60 * time.Millisecond}, "no end of the answer within 70ms": {Total: 70 * time.Millisecond},
	} {
		for _, half := range []string{"", `{"te`} {
			h, gone := stuck(half)
			got, err := told(model(t, h, Options{Limits: limits}), hello)
			check(t, got, "", err, provider.ErrUnavailable, says)
			wait(t, gone)
		}
	}
}

// TestCancel cancels 20 times before the answer and in it: the call ends and the server sees that.
func TestCancel(t *testing.T) {
	hung := errors.New("the caller has hung up")
	for _, half := range []string{"", `{"te`} {
		var times []time.Duration
		for range 20 {
			h, gone := stuck(half)
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
			wait(t, gone)
		}
		slices.Sort(times)
		if times[10] > 50*time.Millisecond || times[19] > 500*time.Millisecond {
			t.Errorf("took %v in the median, %v at worst", times[10], times[19])
		}
	}
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
	m, err := New(Options{BaseURL: "http://" + addr})
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
	m, err := New(Options{BaseURL: "https://" + l.Addr().String(), Limits: provider.Limits{Connect: 60 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := told(m, hello)
	check(t, got, "", err, provider.ErrUnavailable, "TLS handshake timeout")
}

// FuzzRead looks for a panic and for an error without a class.
func FuzzRead(f *testing.F) {
	for _, tt := range bodies {
		f.Add([]byte(tt.body[:min(len(tt.body), 1000)]))
	}
	f.Add([]byte(`{"text":"Hi\nUser:"}`))
	m, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := read(body)
		if err != nil {
			if provider.ClassName(err) == "" {
				t.Errorf("error %v has no class", err)
			}
			return
		}
		if said, _ := m.cut(raw, "Be brief.\nAssistant:", 100); strings.Contains(said, "\nUser:") || said != strings.Trim(said, " \t\r\n") {
			t.Errorf("%q became %q", raw, said)
		}
	})
}

// BenchmarkGenerate is the time to the answer of a server that answers at once, beside that of a bare request.
func BenchmarkGenerate(b *testing.B) {
	m := model(b, func(w http.ResponseWriter, _ *http.Request) { text(w, asked{}, " Hi.\nUser: Ho") }, Options{})
	times := map[string][]time.Duration{}
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		for _, err := range m.Generate(b.Context(), hello) {
			if err != nil {
				b.Fatal(err)
			}
		}
		times[""] = append(times[""], time.Since(begun))
		begun = time.Now()
		resp, err := m.http.Post(m.o.BaseURL, "", nil)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		times["bare-"] = append(times["bare-"], time.Since(begun))
	}
	for name, d := range times {
		slices.Sort(d)
		b.ReportMetric(d[len(d)/2].Seconds()*1000, name+"p50-ms")
		b.ReportMetric(d[len(d)*99/100].Seconds()*1000, name+"p99-ms")
	}
}
