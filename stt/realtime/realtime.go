// Package realtime recognizes speech with OpenAI's Realtime transcription: one WebSocket session, audio that goes up
// as it is spoken, text that comes back in pieces. The transcription of whole utterances by HTTP is package openai's.
//
// Audio of any rate from 8 to 48 kHz is sent as the service wants it, 24 kHz in chunks of 40 ms, and only while
// somebody speaks; package rotate knows when. The service's own voice detection is off. What was said is an item of
// the session: a Flush commits it, and so does a pause in a speech of more than 10 s, the shorter the longer it has
// lasted; after 16 s without any, a word may be cut. An empty item is never committed, one of less than 100 ms is filled up
// with silence, and silence behind the last commit is cleared. Items are told in the order in which they were
// committed, whichever the service completes first.
//
//   - Partials: the pieces as they come. Models of live speech (gpt-live-transcribe, the default, and
//     gpt-realtime-whisper) send them while somebody speaks, the others once an item is committed.
//   - Word times, Onset, Endpoint: none.
//   - An item that the service could not transcribe ("failed") is logged as a warning and has no text: the Final of its
//     Flush comes all the same. It costs no other item anything.
//   - Errors that the service only mentions are logged as warnings. One that answers the session's configuration
//     ends the call. Events of other kinds are ignored.
//
// The service ends a session after 60 minutes. It is replaced after 50 (Options.Rotate) where an utterance begins, or
// at a pause of a speech that goes on. A session that ends by itself is replaced four times in a row, with growing pauses; the new one
// hears again what no completed item answers for, 25 s at most in practice. No word is lost or doubled; what is
// heard twice is billed twice.
//
// A connection is coder/websocket's. That of openai-go would do, but it drops the reason of a close, which tells a session's
// age from a wrong key, and queues what it reads without a bound or breaks off at one.
//
// It was proven against a loopback server that checks every message, with no account: delays, quotas and what the
// service does beyond its documentation are not known here.
package realtime

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/rotate"
)

const (
	defaultModel = "gpt-live-transcribe"

	chunk = 40 * time.Millisecond  // of audio, a message
	tries = 4                      // new sessions one after the other, without progress between them
	pause = 125 * time.Millisecond // before the first of them; each further one waits twice as long
	busy  = 500 * time.Millisecond // the same when the service has no room

	mostPause = 5 * time.Second // that the service may ask for

	never = 1000 * time.Hour // is replaced a stream of package rotate: sessions are, here
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 5 * time.Second, Gap: 10 * time.Second}

// Options are the settings of a Recognizer. The zero value is OpenAI's service with the key in $OPENAI_API_KEY.
type Options struct {
	BaseURL  string        // http(s), with its /v1; empty is OpenAI's own
	Key      string        // empty is $OPENAI_API_KEY; a server of one's own needs none
	Model    string        // its name at the server; empty is gpt-live-transcribe
	Language string        // ISO 639-1, such as en; several with commas for models that take them; empty: the model finds out
	Prompt   string        // names and spellings to expect; not for gpt-realtime-whisper
	Delay    string        // minimal, low, medium, high or xhigh: what gpt-realtime-whisper may wait to hear better
	Noise    string        // near_field or far_field: the service's noise reduction; empty is none
	Rotate   time.Duration // the age at which a session is replaced; 0 is 50 min
	// Limits: Connect is for the upgrade and for every message to be taken; First, from a commit to any news of it, Gap,
	// from that to the next; a session that is late is replaced. Total is all waiting of a call. Zero fields are 3 s, 5 s, 10 s, none.
	Limits provider.Limits
	Logger *slog.Logger // failed items, errors that are none, new sessions; nil discards
}

// Recognizer is an account's use of the service. Safe for concurrent use; every call has a session of its own.
type Recognizer struct {
	o      Options
	url    string
	header http.Header
	update []byte // the first message of a session
	http   *http.Client
}

// New returns a Recognizer. It does not look whether the server is there. Errors are provider.ErrAuth without a key
// for OpenAI, and provider.ErrBadRequest for options that are wrong.
func New(o Options) (*Recognizer, error) {
	r := &Recognizer{header: http.Header{}}
	var err error
	if o.BaseURL, o.Key, err = provider.Address(o.BaseURL, o.Key); err == nil {
		o, err = o.complete()
	}
	if err != nil {
		return nil, fmt.Errorf("open recognizer: %w", err)
	}
	u, err := url.Parse(o.BaseURL)
	if err != nil { // Address has parsed it
		return nil, fmt.Errorf("open recognizer: %w: base URL", provider.ErrBadRequest)
	}
	u = u.JoinPath("realtime")
	q := u.Query()
	q.Set("intent", "transcription")
	u.RawQuery = q.Encode()
	r.o, r.url, r.update, r.http = o, u.String(), o.update(), provider.Client(o.Limits.Connect)
	if o.Key != "" {
		r.header.Set("Authorization", "Bearer "+o.Key)
	}
	if t, ok := r.http.Transport.(*http.Transport); ok {
		t.DisableKeepAlives = true // of an upgrade that was refused nothing is left
	}
	return r, nil
}

// complete returns o with its defaults, or says what is wrong with it.
func (o Options) complete() (Options, error) {
	if o.Model == "" {
		o.Model = defaultModel
	}
	live := o.Model == "gpt-realtime-whisper"
	switch {
	case strings.ContainsAny(o.Key, "\r\n"):
		return o, fmt.Errorf("%w: the key has a line break in it", provider.ErrAuth)
	case strings.Contains(o.Language, ",") && !o.several():
		return o, fmt.Errorf("%w: model %q takes one language: choose one, or gpt-live-transcribe", provider.ErrBadRequest, o.Model)
	case o.Prompt != "" && live:
		return o, fmt.Errorf("%w: gpt-realtime-whisper takes no prompt: leave it out or choose another model", provider.ErrBadRequest)
	case o.Delay != "" && !slices.Contains([]string{"minimal", "low", "medium", "high", "xhigh"}, o.Delay):
		return o, fmt.Errorf("%w: delay %q is none of minimal, low, medium, high, xhigh", provider.ErrBadRequest, o.Delay)
	case o.Noise != "" && o.Noise != "near_field" && o.Noise != "far_field":
		return o, fmt.Errorf("%w: noise %q is neither near_field nor far_field", provider.ErrBadRequest, o.Noise)
	}
	if o.Rotate <= 0 {
		o.Rotate = 50 * time.Minute
	}
	o.Limits = o.Limits.Or(limits)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// several reports whether the model takes a list of languages.
func (o Options) several() bool {
	return strings.HasPrefix(o.Model, "gpt-live-transcribe") || strings.HasPrefix(o.Model, "gpt-transcribe")
}

// update is the session.update that configures a session.
func (o Options) update() []byte {
	type set = map[string]any
	transcription := set{"model": o.Model}
	switch {
	case o.Language != "" && o.several():
		transcription["languages"] = strings.Split(o.Language, ",")
	case o.Language != "":
		transcription["language"] = o.Language
	}
	if o.Prompt != "" {
		transcription["prompt"] = o.Prompt
	}
	if o.Delay != "" {
		transcription["delay"] = o.Delay
	}
	input := set{"format": set{"type": "audio/pcm", "rate": rate}, "transcription": transcription, "turn_detection": nil}
	if o.Noise != "" {
		input["noise_reduction"] = set{"type": o.Noise}
	}
	data, _ := json.Marshal(set{"type": "session.update", "event_id": ofUpdate, // strings can be marshaled
		"session": set{"type": "transcription", "audio": set{"input": input}}})
	return data
}

// Recognize follows the contract of package stt; how it divides speech is in the package's comment. It gives a Final
// also for speech that nobody flushed, after 2 s of silence. Errors are a [*provider.Error], a [*provider.Timeout], or
// wrap a class of package provider.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		own, cancel := context.WithCancel(ctx)
		s := &sessions{Recognizer: r}
		defer s.running.Wait()
		defer cancel()
		all := rotate.Recognize(ctx, in, rotate.Options{
			Open: func(ctx context.Context, rate int) (rotate.Link, error) {
				return s.open(ctx, rate, func(c *session) { s.running.Go(func() { c.read(own) }) })
			},
			Chunk: chunk, Rotate: never, Late: never,
			Limits: rotate.Limits{Absent: mostPause, Total: r.o.Limits.Total},
			Again:  rotate.Again{Tries: tries, Pause: pause, Busy: busy},
			Logger: r.o.Logger,
		}, "recognize speech with "+r.o.Model)
		for res, err := range all {
			if !yield(res, err) {
				return
			}
		}
	}
}
