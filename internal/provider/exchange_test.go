package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAddress(t *testing.T) {
	const official = "https://api.openai.com/v1"
	tests := []struct {
		base, key, env     string
		wantBase, wantKey  string
		class              error
		mayNotBeInTheError string
	}{
		{"", " k \n", "e", official, "k", nil, ""},
		{"", "", "e", official, "e", nil, ""},
		{"", "", " ", "", "", ErrAuth, ""},
		{"http://127.0.0.1:1/v1", "", "", "http://127.0.0.1:1/v1", "", nil, ""},
		{"localhost:1/v1", "k", "", "", "", ErrBadRequest, ""},
		{"http:///v1", "k", "", "", "", ErrBadRequest, ""},
		{"ftp://h/v1", "k", "", "", "", ErrBadRequest, ""},
		{"http://a:hidden@h/v1", "k", "", "", "", ErrBadRequest, "hidden"},
		{"http://%zzhidden", "k", "", "", "", ErrBadRequest, "hidden"},
	}
	for _, tt := range tests {
		t.Setenv("OPENAI_API_KEY", tt.env)
		base, key, err := Address(tt.base, tt.key)
		if base != tt.wantBase || key != tt.wantKey || !errors.Is(err, tt.class) {
			t.Errorf("%q and %q become %q and %q, error %v", tt.base, tt.key, base, key, err)
		}
		if tt.mayNotBeInTheError != "" && strings.Contains(err.Error(), tt.mayNotBeInTheError) {
			t.Errorf("error %v", err)
		}
	}
}

// served is what a server answers, without a network.
type served func(*http.Request) (*http.Response, error)

func (f served) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closed notes that it was.
type closed struct {
	io.Reader
	yes bool
}

func (c *closed) Close() error {
	c.yes = true
	return nil
}

func exchanged(t *testing.T, x *Exchange, status int, answer, body string) (sent string, got *closed, resp *http.Response, err error) {
	t.Helper()
	got = &closed{Reader: strings.NewReader(answer)}
	x.HTTP = &http.Client{Transport: served(func(r *http.Request) (*http.Response, error) {
		if v, ok := r.Header["Idempotency-Key"]; !ok || len(v) != 0 {
			t.Errorf("net/http is not told that it may ask again: %v", r.Header)
		}
		data, err := io.ReadAll(r.Body)
		if sent = string(data); err != nil || int64(len(data)) != r.ContentLength {
			t.Errorf("a length of %d for %q, error %v", r.ContentLength, data, err)
		}
		return &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}, Body: got}, nil
	})}
	req, err := http.NewRequest("POST", "http://h/v1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-secret-of-mine")
	resp, err = x.Do(req)
	return sent, got, resp, err
}

func TestExchange(t *testing.T) {
	x := &Exchange{
		Amend: func(b []byte) ([]byte, error) { return append(b, '!'), nil },
		Open:  func(b io.ReadCloser) (io.ReadCloser, error) { return Repair(b), nil },
	}
	sent, _, resp, err := exchanged(t, x, 200, "data: {}", "ask")
	if err != nil || sent != "ask!" || !x.Answered() {
		t.Fatalf("sent %q, error %v", sent, err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "data: {}\n" {
		t.Errorf("body %q, error %v", b, err)
	}

	x = &Exchange{}
	_, body, _, err := exchanged(t, x, 429, `{"error":{"message":"slow down"}}`, "ask")
	var e *Error
	if !errors.As(err, &e) || e.Class != ErrQuota || e.RetryAfter.Seconds() != 7 || !body.yes || x.Answered() {
		t.Errorf("error %v, closed %v", err, body.yes)
	}

	for n := range 40 { // where the text is shortened, too
		said := strings.Repeat("x", maxText-n) + "sk-secret-of-mine"
		if _, _, _, err := exchanged(t, &Exchange{}, 401, said, "ask"); err == nil || strings.Contains(err.Error(), "sk-s") {
			t.Errorf("a key is told: %v", err)
		}
	}

	broken := errors.New("broken")
	x = &Exchange{Open: func(io.ReadCloser) (io.ReadCloser, error) { return nil, broken }}
	if _, body, _, err := exchanged(t, x, 200, "{}", "ask"); err != broken || !body.yes {
		t.Errorf("error %v, closed %v", err, body.yes)
	}

	x = &Exchange{Amend: func([]byte) ([]byte, error) { return nil, broken }}
	if _, _, _, err := exchanged(t, x, 200, "{}", "ask"); err != broken || x.sent {
		t.Errorf("error %v, sent %v", err, x.sent)
	}
}

func TestFail(t *testing.T) {
	gone := errors.New("hung up")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	late, expire := context.WithCancelCause(t.Context())
	expire(&Timeout{What: "token"})
	ctx := t.Context()
	odd := json.Unmarshal([]byte(`{"a":"b"}`), &struct{ A int }{})
	tests := []struct {
		x        *Exchange
		ctx, own context.Context
		err      error
		class    error
		says     string
	}{
		{&Exchange{}, ended, ended, io.EOF, gone, "hung up"},
		{&Exchange{sent: true}, ctx, late, io.EOF, ErrUnavailable, "ask: unavailable: no token within"},
		{&Exchange{sent: true}, ctx, ctx, &Error{Class: ErrAuth, Code: "k1", Text: "wrong k1"}, ErrAuth, "ask: not authorized ([key]): wrong [key]"},
		{&Exchange{}, ctx, ctx, io.EOF, ErrBadRequest, "ask: request refused: EOF"},
		{&Exchange{sent: true}, ctx, ctx, io.EOF, ErrUnavailable, "ask: unavailable: EOF"},
		{&Exchange{sent: true, answered: true}, ctx, ctx, odd, ErrUnavailable, "answer is not as agreed"},
		{&Exchange{sent: true, answered: true}, ctx, ctx, json.Unmarshal([]byte(`{`), new(int)), ErrUnavailable, "answer is not as agreed"},
		{&Exchange{sent: true, answered: true}, ctx, ctx, io.ErrUnexpectedEOF, ErrTruncated, "ask: stream cut short: unexpected EOF"},
	}
	for _, tt := range tests {
		if err := tt.x.Fail(tt.ctx, tt.own, "ask", "k1", tt.err); !errors.Is(err, tt.class) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v becomes %v, want %q", tt.err, err, tt.says)
		}
	}
}

var bodies = []string{
	`{"text":" Hi "}`, `{"error":null,"text":"Hi"}`, `{"text":""}`, "\n{\n \"text\": \"Hi\"\n}\n", `{"text":5}`, `{"text":"H`,
	`{"error":{"message":"it broke","code":"server_error"}}`, `{"error":{"message":"no such model","type":"invalid_request_error"}}`,
	"<!doctype html>\n<title>Sign in</title>\n", "Hi", `["Hi"]`, `null`, ``, `{"text":" Hi ","usage":{"type":"duration","seconds":1}}`,
	"event: transcript.text.done\n" + `data: {"type":"transcript.text.done","text":"Hi"}` + "\n\n",
	`data: {"type":"transcript.text.done","text":"Hi"}`, strings.Repeat(":\n\n", 400) + "data: {}\n\n",
	`data: {"error":null,"type":"transcript.text.done","text":"Hi"}` + "\n\n", "data: {}\n\ndata: [DONE]\n\n", `data: {"type":"tra`,
	`data: {"error":{"message":"it broke"}}` + "\n\n", "event: error\ndata: {\"message\":\"it broke\"}\n\n", "data: {nope}\n\n",
}

// FuzzAnswers looks for a panic, for events that depend on how a body comes in pieces, and for lines that a client
// would not understand.
func FuzzAnswers(f *testing.F) {
	for _, body := range bodies {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for name, open := range map[string]func(io.ReadCloser) (io.ReadCloser, error){"events": OpenEvents, "object": OpenObject} {
			read := func(r io.Reader) (string, error) {
				body, err := open(io.NopCloser(r))
				if err != nil {
					return "", err
				}
				b, err := io.ReadAll(body)
				return string(b), err
			}
			whole, err := read(strings.NewReader(in))
			cut, cutErr := read(iotest.OneByteReader(strings.NewReader(in)))
			if whole != cut || fmt.Sprint(err) != fmt.Sprint(cutErr) {
				t.Errorf("%s: at once %q, %v; by bytes %q, %v", name, whole, err, cut, cutErr)
			}
			if lines := strings.Split(whole, "\n"); name == "events" && slices.ContainsFunc(lines, func(l string) bool { return l != "" && !strings.HasPrefix(l, "data: ") }) {
				t.Errorf("lines %q", lines)
			}
			var e *Error
			if errors.As(err, &e) && e.Class == nil {
				t.Errorf("error %+v", e)
			}
		}
	})
}
