package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"parley/internal/provider"
	"parley/llm"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// canned is a Model whose server answers with body, without a network.
func canned(t testing.TB, body *string) *Model {
	t.Helper()
	m, err := New(Options{BaseURL: "http://canned/v1", Model: "test", Key: key})
	if err != nil {
		t.Fatal(err)
	}
	m.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(*body))}, nil
	})
	return m
}

// FuzzStream looks for an answer that breaks the contract and for an error without a class, whatever the
// server sends.
func FuzzStream(f *testing.F) {
	for _, tt := range streamTests {
		f.Add(tt.body[:min(len(tt.body), 1000)])
	}
	f.Add(part(`"index":0,"id":"a","function":{"name":"weather","arguments":"{}"}`) + end("tool_calls"))
	var body string
	m := canned(f, &body)
	f.Fuzz(func(t *testing.T, in string) {
		body = in
		var last llm.Delta
		for d, err := range m.Generate(context.Background(), weather) {
			if err != nil {
				classed := false
				for _, class := range []error{provider.ErrAuth, provider.ErrQuota, provider.ErrBadRequest, provider.ErrUnavailable, provider.ErrTruncated} {
					classed = classed || errors.Is(err, class)
				}
				if !classed {
					t.Errorf("error %v has no class", err)
				}
				return
			}
			if last.End != "" {
				t.Errorf("%+v came after the end", d)
			}
			if d.Call != nil && (d.Call.ID == "" || d.Call.Name == "" || !json.Valid(d.Call.Arguments)) {
				t.Errorf("call %+v", d.Call)
			}
			last = d
		}
		if last.End == "" {
			t.Errorf("no error and no end")
		}
	})
}

// BenchmarkGenerate is our part of a token: repair, library, deltas.
func BenchmarkGenerate(b *testing.B) {
	const tokens = 100
	body := strings.Repeat(say(" word"), tokens) + end("stop") + usage + done
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
			b.Fatalf("%d deltas", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*tokens), "µs/token")
}
