// Package openai speaks to any chat endpoint that is compatible with OpenAI's: theirs, and the servers of
// llama.cpp, vLLM, Ollama and many a vendor. It streams, and is hardened against what such servers are
// known to send: the answer passes through [provider.Repair] before the client library sees it.
package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
)

const (
	maxTokens = 300                   // of an answer, if nothing else is said: about two minutes of speech
	afterEnd  = time.Second           // for the usage, once the answer has ended
	goodbye   = 50 * time.Millisecond // for the end of the body, once [DONE] came
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 15 * time.Second, Gap: 5 * time.Second, Total: time.Minute}

// Options are the settings of a Model. Only Model is required, and for a Local server not even that.
type Options struct {
	BaseURL     string   // with its /v1; empty is OpenAI's own
	Key         string   // empty is $OPENAI_API_KEY, except for a Local server
	Model       string   // its name at the server
	MaxTokens   int      // of an answer whose request sets none; 0 is 300
	Temperature *float64 // nil is the server's default; 0 is sent as 0
	// Local says that the server is llama.cpp's: Warm then evaluates the prompt.
	Local bool
	// Extra are fields of the request's body that have the last word, such as id_slot.
	Extra  map[string]json.RawMessage
	Limits provider.Limits // zero fields are 3 s, 15 s, 5 s, 60 s
}

// Model is a chat endpoint. It keeps connections open between calls.
type Model struct {
	o      Options
	config openai.ClientConfig
	http   *http.Client
	limit  string // the name of the field for MaxTokens
}

// New returns a Model. It does not look whether the server is there: Warm does.
func New(o Options) (*Model, error) {
	var err error
	key := o.Key
	if o.BaseURL, o.Key, err = provider.Address(o.BaseURL, o.Key); err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	if o.Local && key == "" {
		o.Key = "" // the account's is none of its business
	}
	if o.Model == "" && !o.Local {
		return nil, fmt.Errorf("open language model: %w: no language model is named", provider.ErrBadRequest)
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = maxTokens
	}
	o.Limits = o.Limits.Or(limits)
	o.Extra = maps.Clone(o.Extra)
	m := &Model{o: o, config: openai.DefaultConfig(o.Key), http: provider.Client(o.Limits.Connect), limit: "max_tokens"}
	m.config.BaseURL = o.BaseURL
	m.config.EmptyMessagesLimit = 1 << 30 // there are none after the repair
	if u, err := url.Parse(o.BaseURL); err == nil && u.Hostname() == provider.OfficialHost {
		m.limit = "max_completion_tokens" // its newer models take no other
	}
	return m, nil
}

// Close closes the connections that are not in use. The Model can still be used.
func (m *Model) Close() { m.http.CloseIdleConnections() }

// Slot returns the Model, on the same connections, with every request bound to slot n of a Local server.
// The server keeps a cache of the prompt for each slot, and chooses a slot by likeness to what is in it:
// conversations that begin alike take each other's away, so give each its own.
func (m *Model) Slot(n int) *Model {
	c := *m
	c.o.Extra = map[string]json.RawMessage{"id_slot": json.RawMessage(strconv.Itoa(n))}
	maps.Copy(c.o.Extra, m.o.Extra)
	return &c
}

// errLeft ends a call whose loop was left.
var errLeft = errors.New("the loop was left")

// Generate streams the answer to req: text as it comes, without the model's thoughts; then calls of
// tools, complete; then the usage, if the server tells it; then the end. Errors are those of package
// provider: [*provider.Error], [*provider.Timeout], or one that wraps a class.
func (m *Model) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) {
		err := m.generate(ctx, req, func(d llm.Delta) bool { return yield(d, nil) })
		if err != nil && err != errLeft {
			yield(llm.Delta{}, err)
		}
	}
}

func (m *Model) generate(ctx context.Context, req llm.Request, yield func(llm.Delta) bool) error {
	own, watch := provider.NewWatch(ctx, m.o.Limits.Total)
	defer watch.Stop()
	watch.Await("first token", m.o.Limits.First)
	x := m.exchange(m.fields(req))
	x.Open = func(body io.ReadCloser) (io.ReadCloser, error) { return provider.Repair(body), nil }
	stream, err := m.client(x).CreateChatCompletionStream(own, request(req))
	if err != nil {
		return m.fail(ctx, own, x, err)
	}
	defer func() { _ = stream.Close() }() // its error says nothing that the answer did not
	a := newAnswer(req.Tools)
	for {
		chunk, err := stream.Recv()
		if err == io.EOF && a.end == "" {
			err = &provider.Error{Class: provider.ErrTruncated, Text: "no reason for its end"}
		}
		if err != nil && a.end == "" {
			return m.fail(ctx, own, x, err)
		}
		if err != nil {
			watch.Await("end of the body", goodbye)
			_ = stream.Close()
			watch.Rest()
			return m.last(ctx, a, yield)
		}
		deltas, progress, err := a.take(chunk)
		if len(deltas) > 0 {
			watch.Rest()
		}
		for _, d := range deltas {
			if !yield(d) {
				return errLeft
			}
		}
		switch {
		case err != nil:
			return m.fail(ctx, own, x, err)
		case a.end != "":
			watch.Await("usage", afterEnd)
		case progress:
			watch.Await("next token", m.o.Limits.Gap)
		}
	}
}

// last yields what ends a whole answer.
func (m *Model) last(ctx context.Context, a *answer, yield func(llm.Delta) bool) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if a.usage != nil && !yield(llm.Delta{Usage: a.usage}) {
		return errLeft
	}
	yield(llm.Delta{End: a.end})
	return nil
}

// exchange has fields set over the library's.
func (m *Model) exchange(fields map[string]json.RawMessage) *provider.Exchange {
	return &provider.Exchange{HTTP: m.http, Amend: func(body []byte) ([]byte, error) { return amend(body, fields) }}
}

// client is the library's client for one exchange.
func (m *Model) client(x *provider.Exchange) *openai.Client {
	c := m.config
	c.HTTPClient = x
	return openai.NewClientWithConfig(c)
}

// fail says what was tried.
func (m *Model) fail(ctx, own context.Context, x *provider.Exchange, err error) error {
	return x.Fail(ctx, own, "ask language model "+strconv.Quote(m.o.Model), m.o.Key, err)
}
