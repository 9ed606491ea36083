package llm_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"time"

	"parley/internal/provider"
	"parley/llm"
)

// Lines is a language model behind HTTP: the messages go there as JSON, and the answer comes as a JSON object a line,
// such as {"text":"Red "}, the last of them {"end":"stop"}.
type Lines struct {
	URL  string
	HTTP *http.Client
}

func (m *Lines) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		err := m.generate(ctx, req, yield)
		switch {
		case err == nil || err == errLeft:
		case ctx.Err() != nil:
			yield(llm.Delta{}, context.Cause(ctx))
		default:
			yield(llm.Delta{}, fmt.Errorf("ask lines: %w", err))
		}
	}
}

var errLeft = errors.New("the loop was left")

func (m *Lines) generate(ctx context.Context, req llm.Request, yield func(llm.Delta, error) bool) error {
	own, watch := provider.NewWatch(ctx, time.Minute)
	defer watch.Stop() // which ends the request too
	body, err := json.Marshal(req.Messages)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrBadRequest, err)
	}
	r, err := http.NewRequestWithContext(own, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrBadRequest, err)
	}
	watch.Await("answer", 10*time.Second)
	resp, err := m.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, provider.MaxErrorBody)) // part of it will do
		return provider.FromStatus(resp.StatusCode, resp.Header, said)
	}
	lines := bufio.NewScanner(resp.Body) // which takes no line of more than 64 KB
	for ; lines.Scan(); watch.Await("next words", 5*time.Second) {
		watch.Rest() // no deadline runs while the consumer holds the loop
		var line struct {
			Text string
			End  llm.Reason
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("%w: an answer that is no JSON: %w", provider.ErrUnavailable, err)
		}
		if line.Text != "" && !yield(llm.Delta{Text: line.Text}, nil) {
			return errLeft
		}
		if line.End != "" {
			yield(llm.Delta{End: line.End}, nil)
			return nil
		}
	}
	return fmt.Errorf("%w: no reason for its end: %w", provider.ErrTruncated, cmp.Or(lines.Err(), io.EOF))
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(answer))
	defer server.Close()
	m := &Lines{URL: server.URL, HTTP: server.Client()}
	for d, err := range m.Generate(context.Background(), llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Two colors?"}}}) {
		switch {
		case err != nil:
			fmt.Println(err)
		case d.End != "":
			fmt.Println("\nended by:", d.End)
		default:
			fmt.Print(d.Text)
		}
	}
	// Output:
	// Red and blue.
	// ended by: stop
}

// answer is the provider.
func answer(w http.ResponseWriter, _ *http.Request) {
	for _, line := range []string{`{"text":"Red "}`, `{"text":"and blue."}`, `{"end":"stop"}`} {
		fmt.Fprintln(w, line)
		_ = http.NewResponseController(w).Flush() // it fails when the caller has left
	}
}
