// Package gptj speaks to the servers of GPT-J that follow vicgalle/gpt-j-api: POST /generate, with what is asked
// in the query (context, token_max_length, temperature, top_p, stop_sequence) and one JSON answer with its text.
// There is no authorization and no stream: the whole answer comes at once, after seconds.
//
// Such a model knows no roles. The conversation becomes a text of lines "User: …" and "Assistant: …", one for
// everything said, and the answer is the model's text up to the next line of anybody: a model of 2021 goes on with
// the caller's part of the conversation too. The prompt, which some servers repeat, is taken off, and so is the
// space around.
//
//   - Context: 2,048 tokens with the answer, estimated as three bytes each, and 7,000 bytes of query, which is
//     what proxies in front of such servers take; the oldest lines are left out. A server that still finds it too
//     long is asked again with half of it, twice at most.
//   - End: "stop" at the next line; "length" if none came in as many bytes as the tokens may have.
//   - Tools and usage: none. What a tool answered is told. Languages: English.
//
// Nothing else is retried. What is said stands in the address of the request, which servers and proxies write to
// their logs, and on the public servers it travels in the clear: use one of your own. Of an answer without success
// the errors show the beginning, of what was said nothing.
//
// It was proven against a server on the loopback that checks what it is sent. No public server was used.
package gptj

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/prompt"
)

const (
	contextTokens = 2048
	tokenBytes    = 3   // of text, on the safe side for English
	maxTokens     = 100 // of an answer, if nothing else is said: a longer one takes too long
	mostQuery     = 7000
	mostTries     = 3 // with a context that is too long
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 30 * time.Second, Total: time.Minute}

// Options are the settings of a Model. The zero value is a server on this computer.
type Options struct {
	BaseURL     string          // without /generate; empty is http://127.0.0.1:5000
	User, Agent string          // what the speakers are called in the prompt; empty is User and Assistant
	MaxTokens   int             // of an answer whose request sets none; 0 is 100
	Temperature *float64        // nil is 0.8
	TopP        *float64        // nil is 0.9
	Limits      provider.Limits // zero fields are 3 s, 30 s to the answer, none, 60 s
}

// Model is a GPT-J server. It keeps connections open between calls. Safe for concurrent use.
type Model struct {
	o     Options
	names prompt.Names
	http  *http.Client
}

// New returns a Model. It does not look whether the server is there. Its error is provider.ErrBadRequest.
func New(o Options) (*Model, error) {
	if o.BaseURL == "" {
		o.BaseURL = "http://127.0.0.1:5000"
	}
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("open language model: %w: base URL must be like http://host:port, without credentials", provider.ErrBadRequest)
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	names, err := prompt.Names{User: o.User, Agent: o.Agent}.Or()
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = maxTokens
	}
	o.Limits = o.Limits.Or(limits)
	return &Model{o: o, names: names, http: provider.Client(o.Limits.Connect)}, nil
}

// Close closes the connections that are not in use. The Model can still be used.
func (m *Model) Close() { m.http.CloseIdleConnections() }

// Generate yields the answer to req, all of it at once, and then the end. Errors are those of package provider:
// [*provider.Error], [*provider.Timeout], or one that wraps a class.
func (m *Model) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		text, end, err := m.generate(ctx, req)
		switch {
		case ctx.Err() != nil:
			yield(llm.Delta{}, context.Cause(ctx))
		case err != nil:
			yield(llm.Delta{}, fmt.Errorf("ask GPT-J: %w", err))
		case text == "" || yield(llm.Delta{Text: text}, nil):
			yield(llm.Delta{End: end}, nil)
		}
	}
}

// generate asks, and again with less while the server finds it too much.
func (m *Model) generate(ctx context.Context, req llm.Request) (text string, end llm.Reason, err error) {
	own, watch := provider.NewWatch(ctx, m.o.Limits.Total)
	defer watch.Stop()
	limit := m.o.MaxTokens
	if req.MaxTokens > 0 {
		limit = req.MaxTokens
	}
	most := max(contextTokens-limit, contextTokens/4) * tokenBytes
	for try := 1; ; try++ {
		given := m.names.Render(req, most)
		for ; len(url.QueryEscape(given)) > mostQuery && most > 100; given = m.names.Render(req, most) {
			most = most * 3 / 4
		}
		watch.Await("answer", m.o.Limits.First)
		raw, err := m.ask(own, given, limit)
		if err == nil {
			text, end = m.cut(raw, given, limit)
			return text, end, nil
		}
		if try < mostTries && tooLong(err) {
			most = min(most, len(given)) / 2
			continue
		}
		return "", "", classed(own, err)
	}
}

// classed gives err its class.
func classed(own context.Context, err error) error {
	var late *provider.Timeout
	var wrapped *url.Error // says the address, and so what was said
	switch {
	case errors.As(context.Cause(own), &late):
		return late
	case provider.ClassName(err) != "":
		return err
	case errors.As(err, &wrapped):
		return fmt.Errorf("%w: %w", provider.ErrUnavailable, wrapped.Err)
	}
	return fmt.Errorf("%w: %w", provider.ErrTruncated, err)
}

// tooLong is whether a server found the prompt, or the address that it stands in, too long.
func tooLong(err error) bool {
	var e *provider.Error
	if !errors.As(err, &e) {
		return false
	}
	s := strings.ToLower(e.Text)
	return e.Status == http.StatusRequestURITooLong || e.Status == http.StatusRequestHeaderFieldsTooLarge ||
		errors.Is(e, provider.ErrBadRequest) && (strings.Contains(s, "too long") || strings.Contains(s, "context length"))
}

// ask sends one request and returns the text of its answer.
func (m *Model) ask(ctx context.Context, prompt string, limit int) (string, error) {
	query := url.Values{
		"context":          {prompt},
		"token_max_length": {strconv.Itoa(limit)},
		"temperature":      {number(m.o.Temperature, 0.8)},
		"top_p":            {number(m.o.TopP, 0.9)},
		"stop_sequence":    {m.names.Stops()[0]},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.o.BaseURL+"/generate?"+query.Encode(), nil)
	if err != nil {
		return "", provider.ErrBadRequest // what else the error says is the address
	}
	// Not sent: net/http may then ask again on a fresh connection if the server has just closed this one.
	req.Header["Idempotency-Key"] = []string{}
	resp, err := m.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, provider.MaxEvent+1))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "", provider.FromStatus(resp.StatusCode, resp.Header, body)
	}
	if err != nil {
		return "", err
	}
	return read(body)
}

func number(x *float64, def float64) string {
	if x != nil {
		def = *x
	}
	return strconv.FormatFloat(def, 'f', -1, 64)
}

// read finds the text in an answer.
func read(body []byte) (string, error) {
	if e, ok := provider.FromJSON(body); ok {
		return "", e
	}
	var a struct {
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Text == nil || len(body) > provider.MaxEvent {
		e := &provider.Error{Class: provider.ErrUnavailable, Text: "answer has no text"}
		if said := provider.FromStatus(http.StatusBadGateway, nil, body).Text; strings.HasPrefix(said, "a web page") {
			e.Text += ": " + said // of anything else it is not known what it repeats
		}
		return "", e
	}
	return *a.Text, nil
}

// cut is what the agent says of a model's text, and why it ends there: an answer that is shorter than its tokens
// can have been was ended by the server.
func (m *Model) cut(raw, prompt string, limit int) (string, llm.Reason) {
	a := m.names.Answer(prompt)
	text := a.Add(raw)
	text += a.End()
	if !a.Over() && len(text) >= limit*tokenBytes {
		return text, llm.Length
	}
	return text, llm.Stop
}
