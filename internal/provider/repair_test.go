package provider

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRepair(t *testing.T) {
	tests := []struct {
		name, in, want string
		class          error  // nil: none
		says           string // in the error
	}{
		{"plain", "data: {\"a\": 1}\n\ndata: [DONE]\n\n", "data: {\"a\":1}\ndata: [DONE]\n", nil, ""},
		{"many lines", "data: {\"a\":\ndata: 1}\n\n", "data: {\"a\":1}\n", nil, ""},
		{"comments", strings.Repeat(":\n\n", 500) + "data: {}\n\n", "data: {}\n", nil, ""},
		{"other events", "event: ping\ndata: {}\n\n", "data: {}\n", nil, ""},
		{"null error first", `data: {"error":null,"choices":[]}` + "\n\n", "data: {\"choices\":[]}\n", nil, ""},
		{"the word error", `data: {"choices":[{"delta":{"content":"error"}}]}`, "data: {\"choices\":[{\"delta\":{\"content\":\"error\"}}]}\n", nil, ""},
		{"error with a space", `data: { "error": {"message":"no more","code":429}}` + "\n", "", ErrQuota, "no more"},
		{"error after text", "data: {}\n\ndata: {\"error\":{\"message\":\"it broke\",\"type\":\"server_error\"}}\n\n", "data: {}\n", ErrUnavailable, "it broke"},
		{"error event", "event: error\ndata: {\"message\":\"it broke\",\"code\":500}\n\n", "", ErrUnavailable, "it broke"},
		{"error event in words", "event: error\ndata: it broke\n\n", "", ErrUnavailable, "it broke"},
		{"error line", "error: {\"code\":400,\"message\":\"too long\",\"type\":\"invalid_request_error\"}\n\n", "", ErrBadRequest, "too long"},
		{"comment, then error", ": ping\n\ndata: {\"error\":{\"message\":\"it broke\"}}\n\n", "", ErrUnavailable, "it broke"},
		{"JSON error body", `{"error":{"message":"it broke"}}`, "", ErrUnavailable, "it broke"},
		{"Ollama's error line", "data: {}\n\n{\"error\":\"model gone\"}\n", "data: {}\n", ErrUnavailable, "model gone"},
		{"no stream", `{"object":"chat.completion","choices":[]}`, "", ErrBadRequest, "not a stream"},
		{"web page", "<!doctype html><html><head><title>Sign &amp; in</title>", "", ErrUnavailable, "a web page: Sign & in"},
		{"plain text", "upstream connect error", "", ErrUnavailable, "upstream connect error"},
		{"malformed", "data: {\"a\":}\n\n", "", ErrUnavailable, "malformed"},
		{"no object", "data: [1]\n\n", "", ErrUnavailable, "malformed"},
		{"cut", "data: {}\n\ndata: {\"a\"", "data: {}\n", io.ErrUnexpectedEOF, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Repair(io.NopCloser(strings.NewReader(tt.in)))
			got, err := io.ReadAll(iotest.OneByteReader(r))
			if string(got) != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if tt.class == nil && err != nil || !errors.Is(err, tt.class) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v that says %q", err, tt.class, tt.says)
			}
		})
	}
}

// body is a reader that knows how far it was read and whether it was closed.
type body struct {
	strings.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// TestRepairClose reads on to the end only after [DONE]: before it, closing must not wait.
func TestRepairClose(t *testing.T) {
	for in, left := range map[string]int{"data: [DONE]\n\n: bye\n\n": 0, "data: {}\n\n" + strings.Repeat(":", 9000): 9000 - 4096 + 10} {
		b := &body{Reader: *strings.NewReader(in)}
		r := Repair(b)
		if _, err := r.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil || !b.closed {
			t.Errorf("close: %v, closed %v", err, b.closed)
		}
		if b.Len() != left {
			t.Errorf("%q: %d bytes are left, want %d", in[:12], b.Len(), left)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, tt := range sseTests {
		f.Add(tt.in[:min(len(tt.in), 1000)])
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := io.ReadAll(Repair(io.NopCloser(strings.NewReader(in))))
		for line := range strings.Lines(string(got)) {
			data, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: ")
			if !ok || data != "[DONE]" && (!json.Valid([]byte(data)) || strings.HasPrefix(data, `{"error":`)) {
				t.Errorf("line %q", line)
			}
		}
		var e *Error
		if errors.As(err, &e) && (e.Class == nil || len(e.Text) > 2*maxText) {
			t.Errorf("error %+v", e)
		}
	})
}
