// Package anthropic speaks to Anthropic's Messages API, theirs or a server that offers the same: POST {base}/v1/messages,
// streamed. What is sent keeps that API's rules whatever the conversation is like: it begins and ends with the user,
// who takes turns with the agent; texts are never empty; every call of a tool has its result right after it.
//
//   - Thoughts are not spoken and are no progress. The request asks for none.
//   - The system prompt, and the tools before it, are marked for the provider's cache. Usage.Prompt counts all input,
//     Usage.Cached what was read from the cache; what was written to it, at a quarter more, counts as the rest.
//   - Nothing is retried, except that a connection which the server had closed is replaced.
//   - Calls of tools are yielded with the answer's end: of an answer that is cut, none.
//
// It is hardened against answers that are no stream: they pass through [provider.Repair] before the client library sees
// them. It was proven against servers on the loopback that check what they are sent. No account was used.
package anthropic

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"

	"parley/internal/provider"
	"parley/llm"
)

const (
	officialHost = "api.anthropic.com"
	maxTokens    = 300                   // of an answer, if nothing else is said: about two minutes of speech
	goodbye      = 50 * time.Millisecond // for the end of the body, once the answer is whole
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 15 * time.Second, Gap: 5 * time.Second, Total: time.Minute}

// Options are the settings of a Model. Only Model is required.
type Options struct {
	BaseURL     string          // with or without a /v1 at its end; empty is Anthropic's own
	Key         string          // empty is $ANTHROPIC_API_KEY; a server of one's own needs none
	Model       string          // its name at the server
	MaxTokens   int             // of an answer whose request sets none; 0 is 300
	Temperature *float64        // 0 to 1; nil is the server's default, and some models take no other
	Limits      provider.Limits // zero fields are 3 s, 15 s, 5 s, 60 s
}

// Model is a model of the Messages API. It keeps connections open between calls. Safe for concurrent use.
type Model struct {
	o       Options
	http    *http.Client
	service sdk.MessageService
}

// New returns a Model. It does not look whether the server is there. Errors are provider.ErrAuth without a key for
// Anthropic, and provider.ErrBadRequest for options that do not fit.
func New(o Options) (*Model, error) {
	base, err := address(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Key == "" {
		o.Key = os.Getenv("ANTHROPIC_API_KEY")
	}
	o.Key = strings.TrimSpace(o.Key)
	switch t := o.Temperature; {
	case o.Key == "" && base.Hostname() == officialHost:
		return nil, fmt.Errorf("open language model: %w: ANTHROPIC_API_KEY is not set", provider.ErrAuth)
	case o.Model == "":
		return nil, fmt.Errorf("open language model: %w: no language model is named", provider.ErrBadRequest)
	case t != nil && !(*t >= 0 && *t <= 1):
		return nil, fmt.Errorf("open language model: %w: a temperature of %v, and it is 0 to 1", provider.ErrBadRequest, *t)
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = maxTokens
	}
	o.Limits = o.Limits.Or(limits)
	// The library's own client would read keys, tokens, profiles, headers and an address from the environment and the
	// home folder; its service takes what it is given.
	options := []option.RequestOption{option.WithBaseURL(base.String()), option.WithMaxRetries(0), option.WithoutOpenTelemetry()}
	if o.Key != "" {
		options = append(options, option.WithAPIKey(o.Key))
	}
	return &Model{o: o, http: provider.Client(o.Limits.Connect), service: sdk.NewMessageService(options...)}, nil
}

// address is where the API is, without the /v1 that the library adds.
func address(base string) (*url.URL, error) {
	if base == "" {
		base = "https://" + officialHost
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("open language model: %w: base URL must be like http://host:port, without credentials", provider.ErrBadRequest)
	}
	u.Path = strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/v1")
	return u, nil
}

// Close closes the connections that are not in use. The Model can still be used.
func (m *Model) Close() { m.http.CloseIdleConnections() }

// errLeft ends a call whose loop was left.
var errLeft = errors.New("the loop was left")

// Generate streams the answer to req: text as it comes; then calls of tools, complete; then the usage, if the server
// tells it; then the end. Errors are those of package provider: [*provider.Error], [*provider.Timeout], or one that
// wraps a class.
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
	x := &provider.Exchange{HTTP: m.http, Open: open}
	stream := m.service.NewStreaming(own, m.params(req), option.WithHTTPClient(x))
	defer func() { _ = stream.Close() }() // its error says nothing that the answer did not
	var a answer
	for stream.Next() {
		text, progress, err := a.take(stream.Current())
		switch {
		case err != nil:
			return m.fail(ctx, own, x, err)
		case a.whole:
			watch.Await("end of the body", goodbye)
			return last(ctx, watch, stream, &a, yield)
		case !progress:
			continue
		}
		watch.Rest()
		if text != "" && !yield(llm.Delta{Text: text}) {
			return errLeft
		}
		watch.Await("next token", m.o.Limits.Gap)
	}
	err := stream.Err()
	if err == nil {
		err = &provider.Error{Class: provider.ErrTruncated, Text: "no message_stop"}
	}
	return m.fail(ctx, own, x, err)
}

// last yields what ends a whole answer. The body is read to its end first, which lets the connection be used again.
func last(ctx context.Context, watch *provider.Watch, stream *ssestream.Stream[sdk.MessageStreamEventUnion], a *answer, yield func(llm.Delta) bool) error {
	stream.Next()
	watch.Rest()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, c := range a.calls {
		if !yield(llm.Delta{Call: &c}) {
			return errLeft
		}
	}
	if a.tokens.told && !yield(llm.Delta{Usage: a.tokens.usage()}) {
		return errLeft
	}
	yield(llm.Delta{End: a.end})
	return nil
}

// fail says what was tried, without the key: also without the beginning of it where a long text was shortened.
func (m *Model) fail(ctx, own context.Context, x *provider.Exchange, err error) error {
	const least = 8 // bytes; less could be anything
	var said *provider.Error
	if errors.As(err, &said) {
		e := *said
		for n := len(m.o.Key) - 1; n >= least; n-- {
			if text, cut := strings.CutSuffix(e.Text, m.o.Key[:n]+"…"); cut {
				e.Text = text + "[key]…"
			}
		}
		err = &e
	}
	return x.Fail(ctx, own, "ask language model "+strconv.Quote(m.o.Model), m.o.Key, err)
}
