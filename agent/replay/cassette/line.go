package cassette

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"parley/internal/provider"
	"parley/llm"
)

// version is that of the lines' format.
const version = 1

// The engines' names.
const (
	hears  = "stt"
	thinks = "llm"
	speaks = "tts"
)

// What a line may say at most; what is beyond is no recording of a conversation.
const (
	lineMost    = 1 << 20          // bytes
	afterMost   = 10 * time.Minute // that an engine took
	samplesMost = 1 << 22          // of one line
)

// line is one line of the tape. One field beside the first two is set.
type line struct {
	Engine string         `json:"engine"`
	Stream int            `json:"stream"`
	Open   *opened        `json:"open,omitempty"`
	Flush  *time.Duration `json:"flush,omitempty"`
	Phrase *string        `json:"phrase,omitempty"`
	Delta  *delta         `json:"delta,omitempty"`
	Result *result        `json:"result,omitempty"`
	Sound  *sound         `json:"sound,omitempty"`
	Spoken *spoken        `json:"spoken,omitempty"`
	End    *ended         `json:"end,omitempty"`
}

type opened struct {
	V       int      `json:"v"`
	Print   string   `json:"print,omitempty"`
	Request *request `json:"request,omitempty"`
}

type request struct {
	System   string    `json:"system,omitempty"`
	Messages []message `json:"messages,omitempty"`
	Tools    []tool    `json:"tools,omitempty"`
	Max      int       `json:"max,omitempty"`
}

type message struct {
	Role   llm.Role `json:"role"`
	Text   string   `json:"text,omitempty"`
	Calls  []call   `json:"calls,omitempty"`
	CallID string   `json:"callID,omitempty"`
}

type call struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments,omitempty"`
}

type tool struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Parameters  string `json:"parameters,omitempty"`
}

type delta struct {
	Text  string        `json:"text,omitempty"`
	Call  *call         `json:"call,omitempty"`
	Usage *usage        `json:"usage,omitempty"`
	End   llm.Reason    `json:"end,omitempty"`
	After time.Duration `json:"after,omitempty"`
}

type usage struct {
	Prompt     int `json:"prompt"`
	Cached     int `json:"cached,omitempty"`
	Completion int `json:"completion"`
}

type result struct {
	Kind  string         `json:"kind"`
	Text  string         `json:"text,omitempty"`
	Start time.Duration  `json:"start"`
	End   time.Duration  `json:"end"`
	Words []word         `json:"words,omitempty"`
	Heard *time.Duration `json:"heard,omitempty"` // nil: it had been given nothing
	After time.Duration  `json:"after,omitempty"`
}

type word struct {
	Text  string        `json:"text"`
	Start time.Duration `json:"start"`
	End   time.Duration `json:"end"`
}

type sound struct {
	Rate    int           `json:"rate"`
	Samples int           `json:"samples"`
	Words   []word        `json:"words,omitempty"`
	After   time.Duration `json:"after,omitempty"`
}

type spoken struct {
	Samples int    `json:"samples,omitempty"`
	Blob    string `json:"blob,omitempty"`
	Whole   bool   `json:"whole,omitempty"`
}

type ended struct {
	Error string         `json:"error,omitempty"`
	Class string         `json:"class,omitempty"`
	Cut   bool           `json:"cut,omitempty"`
	Heard *time.Duration `json:"heard,omitempty"`
	After time.Duration  `json:"after,omitempty"`
}

// parse reads a line. Its numbers are then such that nothing breaks when they are used.
func parse(raw []byte) (line, error) {
	var l line
	if err := json.Unmarshal(raw, &l); err != nil {
		return line{}, fmt.Errorf("read a line of the tape: %w", err)
	}
	switch {
	case l.Stream < 1:
		return line{}, fmt.Errorf("read a line of the tape: its stream is %d, they count from 1", l.Stream)
	case l.Sound != nil && (l.Sound.Samples < 0 || l.Sound.Samples > samplesMost):
		return line{}, fmt.Errorf("read a line of the tape: a sound of %d samples", l.Sound.Samples)
	}
	for _, after := range l.afters() {
		*after = min(max(*after, 0), afterMost)
	}
	return l, nil
}

// afters are the delays in the line.
func (l *line) afters() (all []*time.Duration) {
	if l.Delta != nil {
		all = append(all, &l.Delta.After)
	}
	if l.Result != nil {
		all = append(all, &l.Result.After)
	}
	if l.Sound != nil {
		all = append(all, &l.Sound.After)
	}
	if l.End != nil {
		all = append(all, &l.End.After)
	}
	return all
}

// written is a request as a line holds it.
func written(r llm.Request) *request {
	out := &request{System: r.System, Max: r.MaxTokens}
	for _, m := range r.Messages {
		w := message{Role: m.Role, Text: m.Text, CallID: m.CallID}
		for _, c := range m.Calls {
			w.Calls = append(w.Calls, call{c.ID, c.Name, string(c.Arguments)})
		}
		out.Messages = append(out.Messages, w)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, tool{t.Name, t.Description, string(t.Parameters)})
	}
	return out
}

// print is the fingerprint of a request.
func (r *request) print() string {
	n := request{System: spaced(r.System), Max: r.Max}
	for _, m := range r.Messages {
		m.Text, m.Calls = spaced(m.Text), append([]call(nil), m.Calls...)
		for i := range m.Calls {
			m.Calls[i].Arguments = spaced(m.Calls[i].Arguments)
		}
		n.Messages = append(n.Messages, m)
	}
	for _, t := range r.Tools {
		n.Tools = append(n.Tools, tool{t.Name, spaced(t.Description), spaced(t.Parameters)})
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// spaced is s with every run of white space as one space, and what is no text as JSON writes it.
func spaced(s string) string { return strings.Join(strings.Fields(string([]rune(s))), " ") }

// failed is how err ended a call.
func failed(err error) ended {
	return ended{Error: clip(err.Error(), 300), Class: provider.ClassName(err)}
}

// failure is an error as it was recorded.
type failure struct {
	text  string
	class error // nil: none
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.class }

// failure is the error that the call ended with; nil if none.
func (e *ended) failure() error {
	if e.Error == "" {
		return nil
	}
	return &failure{text: e.Error, class: provider.NamedClass(e.Class)}
}

// clip is the beginning of s in at most n bytes, whole characters.
func clip(s string, n int) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= n {
		return s
	}
	cut := 0
	for i := range s {
		if i > n-len("…") {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}
