// Package openai recognizes speech with any transcription endpoint that is compatible with OpenAI's: theirs, and
// the servers of whisper.cpp, Speaches, vLLM and many a vendor. It speaks POST {base}/audio/transcriptions, one
// utterance a request: a form with a WAV file of 16-bit mono at the rate it was given in.
//
// Such an endpoint takes files, no streams, so the package divides the audio itself. An utterance is what is
// marked as voice and the pauses in it up to 1.2 s; it is asked for when a Flush wants its text, and again, whole,
// when a Flush comes after the speaker has gone on: the later Final replaces the earlier. It is cut at a pause
// after 20 s and wherever it is after 30 s, which bounds a call's memory to about 1 MB at 16 kHz. Audio without
// voice is never sent: it costs, and models invent text for it. One request a call is under way at a time; of
// Finals that have come to wait for it, those of one utterance share the next. With eight waiting no more audio is
// read.
//
//   - Partials: only with Options.Stream, and only once a Flush has asked: the text of the answer as it comes.
//     Models that do not stream, such as whisper-1, answer at once all the same.
//   - Word times: only with Options.Words, from whisper models.
//   - Languages: the model's, about a hundred; Options.Language makes it faster and surer.
//   - Rates: 8 to 48 kHz, one an utterance.
//   - Costs: a service bills the seconds sent, so an utterance with two Flushes twice.
//
// The clients' own retries are off. A request that the network or the server's state made fail is sent once more,
// so that a connection that breaks costs no words; a second failure, and any other error, ends the stream.
//
// It was proven against servers on the loopback that check what they are sent and answer as the documentation and
// bug reports say. No account was used.
package openai

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	legacy "github.com/sashabaranov/go-openai"

	"parley/internal/provider"
)

// The models for Options.Model.
const (
	defaultModel = "gpt-4o-mini-transcribe"
	wordsModel   = "whisper-1" // gives the words' times
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 15 * time.Second, Gap: 5 * time.Second, Total: 30 * time.Second}

// Options are the settings of a Recognizer. The zero value is OpenAI's service with the key in $OPENAI_API_KEY.
type Options struct {
	BaseURL  string          // with its /v1; empty is OpenAI's own
	Key      string          // empty is $OPENAI_API_KEY; a server of one's own needs none
	Model    string          // its name at the server; empty is gpt-4o-mini-transcribe, with Words whisper-1
	Language string          // ISO 639-1, such as en; empty lets the model find out
	Prompt   string          // names and spellings to expect, in that language
	Stream   bool            // ask for the text in pieces: they become Partials
	Words    bool            // ask for the words' times
	Limits   provider.Limits // of one request; zero fields are 3 s, 15 s to the first text, 5 s, 30 s
}

// Recognizer is a transcription endpoint. It keeps connections open between utterances. Safe for concurrent use.
type Recognizer struct {
	o    Options
	http *http.Client
}

// New returns a Recognizer. It does not look whether the server is there. Errors are provider.ErrAuth without a key
// for OpenAI, and provider.ErrBadRequest for options that do not fit together.
func New(o Options) (*Recognizer, error) {
	var err error
	if o.BaseURL, o.Key, err = provider.Address(o.BaseURL, o.Key); err != nil {
		return nil, fmt.Errorf("open recognizer: %w", err)
	}
	switch {
	case o.Words && o.Stream:
		return nil, fmt.Errorf("open recognizer: %w: a stream gives no times of words: choose one", provider.ErrBadRequest)
	case o.Words && strings.HasPrefix(o.Model, "gpt-"):
		return nil, fmt.Errorf("open recognizer: %w: model %q gives no times of words, %s does",
			provider.ErrBadRequest, o.Model, wordsModel)
	case o.Model == "" && o.Words:
		o.Model = wordsModel
	case o.Model == "":
		o.Model = defaultModel
	}
	o.Limits = o.Limits.Or(limits)
	return &Recognizer{o: o, http: provider.Client(o.Limits.Connect)}, nil
}

// Close closes the connections that are not in use. The Recognizer can still be used.
func (r *Recognizer) Close() { r.http.CloseIdleConnections() }

// batch is the library's client for one exchange.
func (r *Recognizer) batch(x *provider.Exchange) *legacy.Client {
	c := legacy.DefaultConfig(r.o.Key)
	c.BaseURL = r.o.BaseURL
	c.HTTPClient = x
	return legacy.NewClientWithConfig(c)
}
