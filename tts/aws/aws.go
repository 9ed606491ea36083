// Package aws speaks with Amazon Polly: raw PCM of 16 or 8 kHz, the only rates that it has for PCM, in
// frames as they come in.
//
// Without Options.Stream every phrase is a request of its own (SynthesizeSpeech), for any engine: standard,
// neural, long-form, generative. With it a call to Speak is one stream over HTTP/2
// (StartSpeechSynthesisStream), to which each phrase is sent as it comes, with the order to speak it at once;
// the service has that for the generative engine only. It allows such a stream 5 s without text, so a space is
// sent every 4 s, and 10 minutes in all. The service's own library cannot be left in the middle of such a
// stream, so the stream is spoken here.
//
// Long phrases are cut at sentences, clauses or words to what one request may have: 3000 characters. A phrase
// that begins with <speak is SSML; if the service refuses it as such, its text is spoken. Word times
// (Options.Words) cost a second request for each phrase, billed like the first; the stream has none.
//
// A request that failed before its first sound for a reason that may pass is made once more; nothing else is
// repeated. A body that ends early is an error, provider.ErrTruncated.
//
// Credentials and region come from the usual places: environment, shared files, role. Whoever calls needs the
// permission polly:SynthesizeSpeech, or polly:StartSpeechSynthesisStream. $AWS_ENDPOINT_URL_POLLY is honored.
//
// It was proven against a loopback server that checks signatures and framing, with no real account.
package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/polly"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 5 * time.Second, Gap: 5 * time.Second, Total: 2 * time.Minute}

// Options are the settings of a Voice. The zero value works where the environment names a region.
type Options struct {
	Region   string          // empty is the environment's, such as $AWS_REGION
	Endpoint string          // http(s)://host:port; empty is the environment's or the region's own
	Name     string          // of the voice; empty is Ruth, American English
	Engine   string          // standard, neural, long-form, generative; empty is neural, or generative with Stream
	Language string          // of a voice that has two; empty is its first
	Rate     int             // samples a second: 16000 or 8000; 0 is 16000
	Words    bool            // tell the times of words, for a second request each; not with Stream
	Stream   bool            // one stream for a call to Speak; needs HTTP/2
	Limits   provider.Limits // zero fields are 3 s, 5 s, 5 s, 2 min
	Logger   *slog.Logger    // requests made again, words that are missing; nil discards
}

// Voice is a voice of Amazon Polly. Safe for concurrent use. It keeps connections open between calls.
type Voice struct {
	o      Options
	polly  *polly.Client
	creds  aws.CredentialsProvider
	http   *http.Client
	stream *url.URL // of StartSpeechSynthesisStream
}

// New returns a Voice. It reads the shared configuration, but calls nobody.
func New(o Options) (*Voice, error) {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion(o.Region))
	if err != nil {
		return nil, fmt.Errorf("read the AWS configuration: %w: %w", provider.ErrBadRequest, err)
	}
	if o, err = o.complete(cfg.Region); err != nil {
		return nil, err
	}
	v := &Voice{o: o, creds: cfg.Credentials, http: client(cfg, o.Limits.Connect)}
	v.polly = polly.NewFromConfig(cfg, func(p *polly.Options) {
		p.HTTPClient = whole{v.http}
		p.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 1)
		if o.Endpoint != "" {
			p.BaseEndpoint = &o.Endpoint
		}
	})
	if v.stream, err = address(v.polly.Options()); err != nil {
		return nil, err
	}
	if o.Stream && v.stream.Scheme != "https" {
		return nil, fmt.Errorf("%w: Amazon Polly streams over HTTP/2, which needs an endpoint with https", provider.ErrBadRequest)
	}
	return v, nil
}

// complete returns o with its defaults, or says what is wrong with it.
func (o Options) complete(region string) (Options, error) {
	or := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	if o.Region = region; region == "" {
		return o, fmt.Errorf("%w: no AWS region: set AWS_REGION or the option", provider.ErrBadRequest)
	}
	or(&o.Name, "Ruth")
	if o.Stream {
		or(&o.Engine, "generative")
	}
	or(&o.Engine, "neural")
	if o.Rate == 0 {
		o.Rate = 16000
	}
	switch {
	case o.Rate != 16000 && o.Rate != 8000:
		return o, fmt.Errorf("%w: Amazon Polly has PCM of 16000 and 8000 Hz, not %d", provider.ErrBadRequest, o.Rate)
	case o.Stream && o.Engine != "generative":
		return o, fmt.Errorf("%w: Amazon Polly streams with the engine generative only, not %q", provider.ErrBadRequest, o.Engine)
	case o.Stream && o.Words:
		return o, fmt.Errorf("%w: Amazon Polly tells no words in a stream", provider.ErrBadRequest)
	}
	o.Limits = o.Limits.Or(limits)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// address is where the stream is: at the given endpoint or the region's.
func address(o polly.Options) (*url.URL, error) {
	e, err := o.EndpointResolverV2.ResolveEndpoint(context.Background(), polly.EndpointParameters{Region: &o.Region, Endpoint: o.BaseEndpoint})
	if err != nil || e.URI.Host == "" || e.URI.Scheme != "http" && e.URI.Scheme != "https" || e.URI.User != nil {
		return nil, fmt.Errorf("%w: endpoint of Amazon Polly must be like https://host:port, without credentials", provider.ErrBadRequest)
	}
	return e.URI.JoinPath("/v1/synthesisStream"), nil
}

// client is cfg's, with its certificates and proxy. Redirects are not followed: they would carry the text
// elsewhere.
func client(cfg aws.Config, connect time.Duration) *http.Client {
	b, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	t := b.GetTransport()
	t.DialContext = (&net.Dialer{Timeout: connect}).DialContext
	t.TLSHandshakeTimeout = connect
	t.ForceAttemptHTTP2 = true
	t.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// whole sends bodies in one piece. The library closes its own when the answer begins; if net/http has not yet
// seen its end then, it gives the connection up in the middle of the answer.
type whole struct{ *http.Client }

// Do is what the library calls.
func (w whole) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody() // it does not fail
	}
	// Said to be idempotent, and not sent: net/http may then ask again on a fresh connection if the server
	// has just closed this one.
	req.Header["Idempotency-Key"] = []string{}
	return w.Client.Do(req)
}

// Close closes the connections that are not in use. The Voice can still be used.
func (v *Voice) Close() { v.http.CloseIdleConnections() }

// Rate is the rate of the voice's audio, in samples a second.
func (v *Voice) Rate() int { return v.o.Rate }

// Warm fetches the credentials, which may need a call over the network, and connects, so that the first phrase waits for
// neither. Nothing is billed: what it asks for is refused.
func (v *Voice) Warm(ctx context.Context) error {
	own, watch := provider.NewWatch(ctx, 0)
	defer watch.Stop()
	_, err := v.credentials(own)
	if err == nil {
		watch.Await("connection", v.o.Limits.Connect)
		err = v.connect(own)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("connect to Amazon Polly: %w", v.failure(own, err))
	}
	return nil
}

func (v *Voice) connect(ctx context.Context) error {
	root := url.URL{Scheme: v.stream.Scheme, Host: v.stream.Host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root.String(), nil)
	if err != nil {
		return err
	}
	resp, err := v.http.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, provider.MaxErrorBody) // only for the connection's sake
	return resp.Body.Close()
}

var errLeft = errors.New("the loop was left")

// Speak follows the contract of package tts. A string without anything to be said gives no audio. Errors are
// a [*provider.Error], a [*provider.Timeout], or wrap a class of package provider.
func (v *Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, watch := provider.NewWatch(ctx, v.o.Limits.Total)
		defer watch.Stop()
		s := &speech{Voice: v, yield: yield, watch: watch}
		err := s.speak(own, text)
		switch {
		case err == errLeft:
		case ctx.Err() != nil:
			yield(tts.Audio{}, context.Cause(ctx))
		case err != nil:
			yield(tts.Audio{}, fmt.Errorf("speak with Amazon Polly: %w", v.failure(own, err)))
		}
	}
}

// speech is the state of one call to Speak.
type speech struct {
	*Voice
	yield func(tts.Audio, error) bool
	watch *provider.Watch
	n     int     // samples so far
	pcm   []int16 // of the last frame
	odd   []byte  // half a sample, or nothing
	words []tts.Word
}

func (s *speech) speak(ctx context.Context, text media.Source[string]) error {
	if s.o.Stream {
		return s.duplex(ctx, text)
	}
	for phrase := range text(ctx) {
		for _, p := range pieces(phrase) {
			if err := s.piece(ctx, p); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// play yields bytes of PCM as a frame.
func (s *speech) play(data []byte) error {
	if len(s.odd) > 0 {
		data = append(s.odd, data...)
	}
	s.pcm = s.pcm[:0]
	for i := 0; i+1 < len(data); i += 2 {
		s.pcm = append(s.pcm, int16(data[i])|int16(data[i+1])<<8)
	}
	s.odd = append([]byte(nil), data[len(data)&^1:]...)
	if len(s.pcm) == 0 {
		return nil
	}
	a := tts.Audio{Frame: media.Frame{At: media.Samples(s.n, s.o.Rate), Rate: s.o.Rate, PCM: s.pcm}}
	s.n += len(s.pcm)
	told := 0
	for told < len(s.words) && s.words[told].Start < media.Samples(s.n, s.o.Rate) {
		told++
	}
	a.Words, s.words = s.words[:told:told], s.words[told:]
	if !s.yield(a, nil) {
		return errLeft
	}
	return nil
}
