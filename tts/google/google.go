// Package google speaks by Google Cloud Text-to-Speech, over gRPC.
//
// Chirp 3 HD voices (en-US-Chirp3-HD-Charon and the like) stream: the first audio of a phrase is there
// before its last. With all other voices a phrase is one request, and nothing of it is heard before it is
// done. A phrase is one stream, half-closed at once, so Google's limit of 5 s without text never matters,
// and all of its audio comes without the next phrase. What is longer than the 5,000 bytes of UTF-8 that a
// request may have is cut at sentences.
//
// Audio is 16-bit mono at 24 kHz, or at another rate from 8 to 48 kHz. There are no times of words. A
// phrase in <speak> … </speak> is SSML; streaming voices refuse it, and so does this package then. What
// Google could not do is tried again twice, as long as nothing of it was heard and within First.
//
// Credentials are Google's Application Default Credentials. Quotas: 100 streams at once; 1,000 requests a
// minute, 200 with Chirp 3. Proven against a server on the loopback that speaks the protocol; no real
// account was used.
package google

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	texttospeech "cloud.google.com/go/texttospeech/apiv1"

	"parley/internal/provider"
	"parley/internal/provider/google"
	"parley/media"
	"parley/tts"
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 5 * time.Second, Gap: 3 * time.Second}

const (
	charon = "en-US-Chirp3-HD-Charon" // the voice if none is named
	frame  = 40 * time.Millisecond    // of audio at most: a consumer can stop after each
)

// Options are the settings of a Voice. The zero value is an English Chirp 3 HD voice that streams.
type Options struct {
	Voice    string  // its name; empty is en-US-Chirp3-HD-Charon
	Language string  // BCP-47; empty is the one that the voice's name begins with
	Rate     int     // samples a second, 8000 to 48000; 0 is 24000
	Speed    float64 // 0.25 to 2; 0 is the voice's own
	// Endpoint is another host:port; empty is Google's. With http:// before it neither TLS nor credentials are
	// used: for a proxy on this computer that adds them.
	Endpoint    string
	Credentials string // path of a service account's JSON file; empty: Application Default Credentials
	// Limits: Connect, which without streaming is a part of First; First, from a phrase to its first audio;
	// Gap, to the next; Total, all waiting of a call. Zero fields are 3 s, 5 s, 3 s, none.
	Limits provider.Limits
}

// Voice is a client of the service. Safe for concurrent use; its calls share a connection.
type Voice struct {
	o      Options
	client *texttospeech.Client
	stream bool
}

// New returns a Voice. It reads the credentials and does not look whether Google is there: Warm does.
// Errors are provider.ErrAuth without credentials, provider.ErrBadRequest for other options that are wrong.
func New(o Options) (*Voice, error) {
	if o.Voice == "" {
		o.Voice = charon
	}
	if o.Language == "" {
		o.Language = language(o.Voice)
	}
	if o.Rate == 0 {
		o.Rate = media.SpeakRate
	}
	o.Limits = o.Limits.Or(limits)
	switch {
	case o.Rate < 8000 || o.Rate > 48000:
		return nil, fmt.Errorf("%w: a rate of %d Hz, from 8000 to 48000 are possible", provider.ErrBadRequest, o.Rate)
	case o.Speed != 0 && !(o.Speed >= 0.25 && o.Speed <= 2):
		return nil, fmt.Errorf("%w: a speed of %v, from 0.25 to 2 are possible", provider.ErrBadRequest, o.Speed)
	case o.Language == "":
		return nil, fmt.Errorf("%w: voice %q does not begin with a language: name one", provider.ErrBadRequest, o.Voice)
	}
	dial, err := google.Access{Endpoint: o.Endpoint, Credentials: o.Credentials, Connect: o.Limits.Connect}.Options()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Limits.Connect)
	defer cancel()
	client, err := texttospeech.NewClient(ctx, dial...)
	if err != nil {
		return nil, google.NoClient(err)
	}
	client.CallOptions.StreamingSynthesize = nil // it would try for ever to open a stream
	client.CallOptions.SynthesizeSpeech = nil    // and for five minutes to be answered
	return &Voice{o: o, client: client, stream: strings.Contains(strings.ToLower(o.Voice), "chirp3-hd")}, nil
}

// language is what a voice's name begins with: cmn-CN-Chirp3-HD-Kore.
func language(voice string) string {
	parts := strings.SplitN(voice, "-", 3)
	if len(parts) < 3 || len(parts[0]) > 3 {
		return ""
	}
	return parts[0] + "-" + parts[1]
}

// Close closes the connection. No call may be under way or follow.
func (v *Voice) Close() error { return v.client.Close() }

// Warm connects and signs in, so that the first phrase does not wait for it. Nothing is billed.
func (v *Voice) Warm(ctx context.Context) error {
	own, watch := provider.NewWatch(ctx, v.o.Limits.Connect)
	defer watch.Stop()
	watch.Await("connection", v.o.Limits.Connect)
	if _, err := v.client.StreamingSynthesize(own); err != nil {
		return v.explain(ctx, own, failed(err, false))
	}
	return nil
}

// errLeft ends a call whose loop was left.
var errLeft = errors.New("the loop was left")

// Speak speaks every string by itself, one after another, in frames of at most 40 ms. A string without
// anything to be said gives no audio. Errors are those of package provider: [*provider.Error],
// [*provider.Timeout], or one that wraps a class; provider.ErrTruncated if a phrase broke off.
func (v *Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, watch := provider.NewWatch(ctx, v.o.Limits.Total)
		defer watch.Stop()
		s := &speech{v: v, watch: watch, yield: yield}
		var err error
		for phrase := range text(own) {
			if phrase = strings.ToValidUTF8(phrase, " "); !speakable(phrase) {
				continue
			}
			if err = s.phrase(own, phrase); err != nil {
				break
			}
		}
		if err == nil || err != errLeft && own.Err() != nil {
			err = context.Cause(own)
		}
		if err != nil && err != errLeft {
			yield(tts.Audio{}, v.explain(ctx, own, err))
		}
	}
}

// explain says what was tried. What ended the caller's ctx is returned as it is.
func (v *Voice) explain(ctx, own context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var late *provider.Timeout
	if errors.As(context.Cause(own), &late) {
		err = late
	}
	return fmt.Errorf("speak by google (%s): %w", v.o.Voice, err)
}

// failed gives an error of the client library its class. An answer that broke off is provider.ErrTruncated.
func failed(err error, begun bool) *provider.Error {
	e, _ := google.Failed(err)
	if begun && e.Class == provider.ErrUnavailable {
		e.Class = provider.ErrTruncated
	}
	return e
}
