// Package completions speaks to legacy completion endpoints, those of models that go on with a text instead of
// answering in a chat: GPT-3 and its instruct models, base models on the servers of vLLM, llama.cpp and Ollama. It
// speaks POST {base}/completions, streamed; from a server that does not stream it takes the whole answer.
//
// Such a model knows no roles. The conversation becomes a text,
//
//	You are a friendly host.
//
//	User: Hello?
//	Assistant: Good evening.
//	User: A table for two, please.
//	Assistant:
//
// in which everything said is one line, whatever it contains, and the answer is the model's text up to the next
// line of anybody. The server is told to stop there (three stop sequences; OpenAI allows four), max_tokens is
// always sent, for servers' own defaults are 16 or no end, and whatever the server does the answer is cut at the
// first such line, the prompt that some servers repeat is taken off, and so is the space around. When that line
// comes the request is ended at once.
//
//   - Context: Options.Context tokens, estimated as three bytes each; the oldest lines are left out. A server that
//     still finds it too long is asked again with half of it, twice at most.
//   - Tools: none. A request's tools are not told to the model; what a tool answered is.
//   - Languages: the model's. Usage: if the server tells it and the answer was not cut here.
//
// Nothing else is retried. It is hardened against what such servers are known to send: the answer passes through
// [provider.Repair] before the client library sees it, and the library's list of names that it refuses is
// circumvented.
//
// It was proven against servers on the loopback that check what they are sent and answer as the documentation and
// bug reports say. No account was used.
package completions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/llm"
	"parley/llm/prompt"
)

const (
	defaultModel   = openai.GPT3Dot5TurboInstruct
	defaultContext = 4096                  // tokens
	tokenBytes     = 3                     // of text, on the safe side for English
	maxTokens      = 300                   // of an answer, if nothing else is said: about two minutes of speech
	mostTries      = 3                     // with a context that is too long
	afterEnd       = time.Second           // for the usage, once the answer has ended
	goodbye        = 50 * time.Millisecond // for the end of the body, once [DONE] came
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 15 * time.Second, Gap: 5 * time.Second, Total: time.Minute}

// Options are the settings of a Model. The zero value is OpenAI's service with the key in $OPENAI_API_KEY.
type Options struct {
	BaseURL     string   // with its /v1; empty is OpenAI's own
	Key         string   // empty is $OPENAI_API_KEY; a server of one's own needs none
	Model       string   // its name at the server; empty is gpt-3.5-turbo-instruct
	User, Agent string   // what the speakers are called in the prompt; empty is User and Assistant
	Context     int      // tokens of prompt and answer together; 0 is 4096
	MaxTokens   int      // of an answer whose request sets none; 0 is 300
	Temperature *float64 // nil is the server's default; 0 is sent as 0
	// Extra are fields of the request's body that have the last word, such as cache_prompt.
	Extra  map[string]json.RawMessage
	Limits provider.Limits // zero fields are 3 s, 15 s, 5 s, 60 s
}

// Model is a completion endpoint. It keeps connections open between calls. Safe for concurrent use.
type Model struct {
	o     Options
	names prompt.Names
	http  *http.Client
}

// New returns a Model. It does not look whether the server is there. Errors are provider.ErrAuth without a key for
// OpenAI, and provider.ErrBadRequest for options that do not fit.
func New(o Options) (*Model, error) {
	var err error
	if o.BaseURL, o.Key, err = provider.Address(o.BaseURL, o.Key); err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	names, err := prompt.Names{User: o.User, Agent: o.Agent}.Or()
	if err != nil {
		return nil, fmt.Errorf("open language model: %w", err)
	}
	if o.Model == "" {
		o.Model = defaultModel
	}
	if o.Context <= 0 {
		o.Context = defaultContext
	}
	if o.MaxTokens <= 0 {
		o.MaxTokens = maxTokens
	}
	o.Limits = o.Limits.Or(limits)
	o.Extra = maps.Clone(o.Extra)
	return &Model{o: o, names: names, http: provider.Client(o.Limits.Connect)}, nil
}

// Close closes the connections that are not in use. The Model can still be used.
func (m *Model) Close() { m.http.CloseIdleConnections() }

// errLeft ends a call whose loop was left.
var errLeft = errors.New("the loop was left")

// Generate streams the answer to req: text as it comes, then the usage, if the server tells it, then the end.
// Errors are those of package provider: [*provider.Error], [*provider.Timeout], or one that wraps a class.
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
	limit := m.o.MaxTokens
	if req.MaxTokens > 0 {
		limit = req.MaxTokens
	}
	most := max(m.o.Context-limit, m.o.Context/4) * tokenBytes
	for try := 1; ; try++ {
		text := m.names.Render(req, most)
		x := &provider.Exchange{HTTP: m.http, Amend: m.amend(limit), Open: provider.OpenEvents}
		watch.Await("first token", m.o.Limits.First)
		stream, err := m.client(x).CreateCompletionStream(own, openai.CompletionRequest{Prompt: text, Stop: m.names.Stops()})
		if err == nil {
			r := reading{Answer: m.names.Answer(text), watch: watch, gap: m.o.Limits.Gap, yield: yield}
			err = r.all(ctx, stream)
		}
		switch {
		case err == nil, err == errLeft:
			return err
		case try < mostTries && !x.Answered() && tooLong(err):
			most = min(most, len(text)) / 2
			continue
		}
		return x.Fail(ctx, own, "ask language model "+strconv.Quote(m.o.Model), m.o.Key, err)
	}
}

// overlong is what servers say of a prompt that is too long.
var overlong = []string{"context_length", "context length", "context size", "context_size", "context window",
	"maximum context", "too long"}

// tooLong is whether a server found the prompt too long, in whichever words.
func tooLong(err error) bool {
	var e *provider.Error
	if !errors.As(err, &e) || !errors.Is(e, provider.ErrBadRequest) {
		return false
	}
	s := strings.ToLower(e.Code + " " + e.Text)
	return slices.ContainsFunc(overlong, func(words string) bool { return strings.Contains(s, words) })
}

// client is the library's client for one exchange.
func (m *Model) client(x *provider.Exchange) *openai.Client {
	c := openai.DefaultConfig(m.o.Key)
	c.BaseURL = m.o.BaseURL
	c.HTTPClient = x
	c.EmptyMessagesLimit = 1 << 30 // only the blank lines between events, which are ours
	return openai.NewClientWithConfig(c)
}

// amend sets the fields that the library would refuse or omit.
func (m *Model) amend(limit int) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(body, &all); err != nil {
			return nil, err
		}
		name, _ := json.Marshal(m.o.Model) // a string can be marshaled
		all["model"] = name
		all["max_tokens"] = json.RawMessage(strconv.Itoa(limit))
		all["stream_options"] = json.RawMessage(`{"include_usage":true}`)
		if m.o.Temperature != nil {
			all["temperature"] = json.RawMessage(strconv.FormatFloat(*m.o.Temperature, 'f', -1, 64))
		}
		maps.Copy(all, m.o.Extra)
		return json.Marshal(all)
	}
}
