// Package aws recognizes speech with Amazon Transcribe: its streaming interface over a WebSocket, whose URL
// is signed anew for every connection (Signature Version 4), with audio and answers as event-stream messages.
//
// It gives partial results, stabilized by the service, with the times of words; no Onset and no Endpoint,
// which the service does not tell. Audio is mono PCM of 8 to 48 kHz, 16 kHz by default, sent in chunks of
// 60 ms. Languages are those of the service, by code; several, with commas between them, let it choose.
//
// The service cannot be asked to flush. A Flush is answered when it has settled its segment behind the
// last voice, when all its words there are stable, or when it has said nothing new for Options.Settle, and
// in any case after Options.Wait. Voice that goes on in the same segment continues the Result of the same
// Start. Speech that no Flush asks for is told in Partials only; after 2000 words the next ones have a Start
// of their own.
//
// One stream serves a call. The service ends it after 15 s without audio, so silence is sent where input is
// missing, for Options.Idle; then the stream is closed until audio comes again. It ends after 4 h; before,
// in a pause if there is one, a second stream is opened and takes over (Options.Rotate). A stream that breaks
// is opened again, a few times with growing pauses. A new stream hears again what no settled segment had
// answered for, up to the last 30 s, at most four times as fast as it was spoken: no word is lost or doubled.
// What is heard twice is billed twice. Package rotate does all of that. The service counts streams at once (25
// unless raised) and starts a second; the hand-over needs two for a moment.
//
// Credentials and region come from the usual places: environment, shared files, role. Whoever calls needs the
// permission transcribe:StartStreamTranscriptionWebSocket.
//
// It was proven against a loopback server that checks signatures and framing, with no real account: the
// delays that the service has, and whether it wants signed audio (Options.Sign), were not measured.
package aws

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/rotate"
)

const (
	chunk     = 60 * time.Millisecond  // of audio, a message
	mostFails = 4                      // new streams one after the other, without progress between them
	anew      = 125 * time.Millisecond // before the first of them; each further one waits twice as long
	busy      = 500 * time.Millisecond // the same when the service has no room
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 10 * time.Second, Gap: 10 * time.Second, Total: 20 * time.Second}

// Options are the settings of a Recognizer. The zero value works where the environment names a region.
type Options struct {
	Region    string // empty is the environment's, such as $AWS_REGION
	Endpoint  string // http(s)://host:port; empty is the region's own
	Language  string // such as en-US, the default; several with commas: the service chooses
	Stability string // of partial results: low, medium, high (the default) or off
	Rate      int    // samples a second of the audio; 0 is media.ListenRate
	Sign      bool   // sign every chunk of audio, not only the URL
	Times     Times
	// Limits: Connect is for opening a stream, First and Gap are how much voice may be sent without any
	// event before the first and after it, Total is how long there may be no stream at all. Zero fields are
	// 3 s, 10 s, 10 s, 20 s.
	Limits provider.Limits
	Logger *slog.Logger // streams opened again; nil discards
}

// Times are the waits that the service's ways ask for.
type Times struct {
	Rotate time.Duration // the age at which a stream is replaced; 0 is 3 h 50 min
	Idle   time.Duration // for how long missing input is sent as silence; 0 is 30 s
	Settle time.Duration // without news after which a Flush takes the words as they are; 0 is 400 ms
	Wait   time.Duration // after which a Flush is answered in any case; 0 is 1.5 s
}

// Recognizer is an account's use of Amazon Transcribe. Safe for concurrent use; every call is a stream.
type Recognizer struct {
	o     Options
	url   *url.URL
	creds aws.CredentialsProvider
	http  *http.Client
	pace  int // how many times faster than it was spoken audio is sent
}

// New returns a Recognizer. It reads the shared configuration, but calls nobody.
func New(o Options) (*Recognizer, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(o.Region))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w: %w", provider.ErrBadRequest, err)
	}
	o, err = o.complete(cfg.Region)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fmt.Errorf("%w: endpoint of Amazon Transcribe must be like https://host:port, without credentials", provider.ErrBadRequest)
	}
	u.Path = "/stream-transcription-websocket"
	return &Recognizer{o: o, url: u, creds: cfg.Credentials, http: client(cfg, o.Limits.Connect), pace: 4}, nil
}

// complete returns o with its defaults, or says what is wrong with it.
func (o Options) complete(region string) (Options, error) {
	if o.Region = region; region == "" {
		return o, fmt.Errorf("%w: no AWS region: set AWS_REGION or the option", provider.ErrBadRequest)
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://transcribestreaming." + region + ".amazonaws.com:8443"
	}
	if o.Language == "" {
		o.Language = "en-US"
	}
	if o.Stability == "" {
		o.Stability = "high"
	}
	if !slices.Contains([]string{"low", "medium", "high", "off"}, o.Stability) {
		return o, fmt.Errorf("%w: stability %q is none of low, medium, high, off", provider.ErrBadRequest, o.Stability)
	}
	if o.Rate == 0 {
		o.Rate = media.ListenRate
	}
	if o.Rate < 8000 || o.Rate > 48000 {
		return o, fmt.Errorf("%w: Amazon Transcribe hears 8000 to 48000 Hz, not %d", provider.ErrBadRequest, o.Rate)
	}
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&o.Times.Rotate, 3*time.Hour+50*time.Minute)
	or(&o.Times.Idle, 30*time.Second)
	or(&o.Times.Settle, 400*time.Millisecond)
	or(&o.Times.Wait, 1500*time.Millisecond)
	o.Limits = o.Limits.Or(limits)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// client is cfg's, with its certificates and proxy, for one upgrade a connection. Redirects are not
// followed: they would carry the signature elsewhere.
func client(cfg aws.Config, connect time.Duration) *http.Client {
	b, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	t := b.GetTransport()
	t.DialContext = (&net.Dialer{Timeout: connect}).DialContext
	t.TLSHandshakeTimeout = connect
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Warm fetches the credentials, which may need a call over the network, and keeps them.
func (r *Recognizer) Warm(ctx context.Context) error {
	_, err := r.credentials(ctx)
	return err
}

// Recognize follows the contract of package stt; how a Flush is answered is in the package's comment. Errors
// are a [*provider.Error], a [*provider.Timeout], or wrap a class of package provider.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	l, t := r.o.Limits, r.o.Times
	return rotate.Recognize(ctx, in, rotate.Options{
		Open: r.open, Chunk: chunk, Pace: r.pace, Rate: r.o.Rate, Rotate: t.Rotate, Late: t.Rotate + t.Rotate/50,
		Steady: &rotate.Steady{Idle: t.Idle, Settle: t.Settle, Wait: t.Wait},
		Limits: rotate.Limits{Absent: l.Total, First: l.First, Gap: l.Gap, Settle: max(l.First, l.Gap)},
		Again:  rotate.Again{Tries: mostFails, Pause: anew, Busy: busy},
		Logger: r.o.Logger,
	}, "recognize speech with Amazon Transcribe")
}

// several reports whether a language is more than one.
func several(language string) bool { return strings.Contains(language, ",") }
