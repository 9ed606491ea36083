package llm_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/llmtest"
)

func TestLines(t *testing.T) {
	var client *http.Client
	served := func(h http.HandlerFunc) func(t testing.TB) llm.Model {
		return func(t testing.TB) llm.Model {
			server := httptest.NewServer(h)
			t.Cleanup(server.Close)
			client = server.Client()
			return &Lines{URL: server.URL, HTTP: client}
		}
	}
	llmtest.Run(t, llmtest.Options{
		New: served(answer),
		Stuck: served(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // a server sees that its caller has left only when it has read all
			<-r.Context().Done()
		}),
		Release: func() { client.CloseIdleConnections() },
	})
}

func TestLinesFail(t *testing.T) {
	for _, c := range []struct {
		status int
		answer string
		class  error
	}{
		{http.StatusUnauthorized, `{"error":{"message":"who are you?"}}`, provider.ErrAuth},
		{http.StatusTooManyRequests, "", provider.ErrQuota},
		{http.StatusOK, `{"text":"Red "}`, provider.ErrTruncated},
		{http.StatusOK, "", provider.ErrTruncated},
		{http.StatusOK, "<html>", provider.ErrUnavailable},
		{http.StatusOK, strings.Repeat("x", 100_000), provider.ErrTruncated},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer) // the caller may have left
		}))
		m := &Lines{URL: server.URL, HTTP: server.Client()}
		var got error
		for _, err := range m.Generate(t.Context(), llm.Request{}) {
			got = err
		}
		server.Close()
		if !errors.Is(got, c.class) {
			t.Errorf("%d %.30q: %v, want %v", c.status, c.answer, got, c.class)
		}
	}
}

// What CONTRIBUTING shows of an engine is code that runs here, to the letter.
func TestContributingShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	var code, shown string
	for _, name := range []string{"example_test.go", "contract_test.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code += string(b)
	}
	for _, m := range regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(code, m[1]) {
			t.Errorf("this is in no file of this folder:\n%s", m[1])
		}
		shown += m[1]
	}
	for _, want := range []string{"func (m *Lines) Generate(", "func (m *Lines) generate(", "func TestLines("} {
		if !strings.Contains(shown, want) {
			t.Errorf("CONTRIBUTING does not show %s", want)
		}
	}
	if n := strings.Count(shown, "\n"); n >= 100 {
		t.Errorf("it takes %d lines to show how an engine is written, want fewer than 100", n)
	}
}
