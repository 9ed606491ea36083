// Package openai speaks with any speech endpoint that is compatible with OpenAI's: theirs, and Kokoro-FastAPI,
// Speaches, LocalAI and many a vendor. It speaks POST {base}/audio/speech, one request a phrase, and passes on the
// sound as it comes: the first samples are heard while the rest is being made.
//
// It asks for PCM, which has no header: 16-bit mono at 24 kHz, unless Options.Rate says otherwise. It takes what
// servers answer instead: WAV, whose header then says the rate; with Options.Events, or unasked, server-sent
// events with base64, whose end cannot be mistaken; and it finds a JSON error or a page that claims to be sound. A
// body that breaks off, or ends within a sample, is provider.ErrTruncated.
//
//   - Text: 4,096 characters a request; longer phrases are cut at a sentence, a clause or a space. A phrase
//     without a letter or digit is not sent. No SSML.
//   - Word times: none, OpenAI gives none.
//   - Languages: the model's; it reads the language off the text.
//   - Voices: alloy, ash, ballad, coral, echo, fable, onyx, nova, sage, shimmer, verse, marin, cedar; others
//     elsewhere.
//
// There are no retries: the caller knows whether speech that is late is still wanted.
//
// It was proven against servers on the loopback that check what they are sent and answer as the documentation and
// bug reports say. No account was used.
package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/media"
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 10 * time.Second, Gap: 5 * time.Second, Total: time.Minute}

// Options are the settings of a Voice. The zero value is OpenAI's service with the key in $OPENAI_API_KEY.
type Options struct {
	BaseURL      string          // with its /v1; empty is OpenAI's own
	Key          string          // empty is $OPENAI_API_KEY; a server of one's own needs none
	Model        string          // its name at the server; empty is gpt-4o-mini-tts
	Voice        string          // empty is alloy
	Instructions string          // how to speak: "calm, a little slower"; models tts-1 take none
	Speed        float64         // from 0.25 to 4; 0 is the server's default, which is 1
	Rate         int             // of PCM without a header, 8000 to 48000; 0 is 24000
	Events       bool            // ask for server-sent events, which models tts-1 do not give
	Limits       provider.Limits // zero fields are 3 s, 10 s to the first sound of a phrase, 5 s, 60 s of waiting in one call
}

// Voice is a speech endpoint. It keeps connections open between phrases. Safe for concurrent use.
type Voice struct {
	o    Options
	http *http.Client
}

// New returns a Voice. It does not look whether the server is there. Errors are provider.ErrAuth without a key for
// OpenAI, and provider.ErrBadRequest for options that do not fit.
func New(o Options) (*Voice, error) {
	var err error
	if o.BaseURL, o.Key, err = provider.Address(o.BaseURL, o.Key); err != nil {
		return nil, fmt.Errorf("open voice: %w", err)
	}
	if o.Model == "" {
		o.Model = string(openai.TTSModelGPT4oMini)
	}
	if o.Voice == "" {
		o.Voice = string(openai.VoiceAlloy)
	}
	if o.Rate == 0 {
		o.Rate = media.SpeakRate
	}
	plain := strings.HasPrefix(o.Model, "tts-1")
	bad := ""
	switch {
	case o.Speed != 0 && !(o.Speed >= 0.25 && o.Speed <= 4):
		bad = "speed is not from 0.25 to 4"
	case o.Rate < 8000 || o.Rate > 48000:
		bad = "rate is not from 8000 to 48000"
	case plain && o.Instructions != "":
		bad = "models tts-1 take no instructions"
	case plain && o.Events:
		bad = "models tts-1 give no events"
	}
	if bad != "" {
		return nil, fmt.Errorf("open voice: %w: %s", provider.ErrBadRequest, bad)
	}
	o.Limits = o.Limits.Or(limits)
	return &Voice{o: o, http: provider.Client(o.Limits.Connect)}, nil
}

// Close closes the connections that are not in use. The Voice can still be used.
func (v *Voice) Close() { v.http.CloseIdleConnections() }

// client is the library's client for one exchange.
func (v *Voice) client(x *provider.Exchange) *openai.Client {
	c := openai.DefaultConfig(v.o.Key)
	c.BaseURL = v.o.BaseURL
	c.HTTPClient = x
	return openai.NewClientWithConfig(c)
}

func (v *Voice) request(text string) openai.CreateSpeechRequest {
	return openai.CreateSpeechRequest{
		Model:          openai.SpeechModel(v.o.Model),
		Input:          text,
		Voice:          openai.SpeechVoice(v.o.Voice),
		Instructions:   v.o.Instructions,
		ResponseFormat: openai.SpeechResponseFormatPcm,
		Speed:          v.o.Speed,
	}
}

// eventful asks for events, a field that the library does not know.
func eventful(body []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	all["stream_format"] = json.RawMessage(`"sse"`)
	return json.Marshal(all)
}
