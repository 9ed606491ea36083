// Package google hears by Google Cloud Speech-to-Text, version 1 or 2 (Chirp), over gRPC.
//
// It streams 16-bit mono audio of 8 to 48 kHz, as it comes, in messages of 100 ms. Supported are partial
// texts, punctuation, voice activity, times of words (if asked for, and if the model has them), and any
// language of Google's; several languages, separated by commas, are told apart where the model can.
//
// A stream is open only while somebody speaks: it begins with the voice, 200 ms before it included, and
// ends with a flush, or after 2 s of silence. Google bills audio that was sent, and nothing is sent in
// silence; nor does its limit of about 5 s without audio matter. A flush half-closes the stream, which
// has Google settle all of it at once; neither version has a message for that. If it comes in the middle
// of speech, up to 5 s of the sentence are recognized again with what follows, and the Result of the same
// Start is replaced: no word is cut.
//
// Google ends a stream after 305 s. From 240 s on (Options.Rotate) the next stream is begun at a settled
// text, or at 280 s wherever it is, is told what is not settled, and takes over with its first words, or at
// once in a pause; the old one is heard until then, so two streams count for the quota for a moment. A
// stream that breaks off is replaced, up to three times in a row without progress, and told again what is
// not settled; that audio is billed twice. Package rotate does all of that.
//
// Credentials are Google's Application Default Credentials. Proven against a server on the loopback that
// speaks the protocol of both versions; no real account was used.
package google

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"parley/internal/provider"
	"parley/internal/provider/google"
	"parley/media"
	"parley/stt"
	"parley/stt/rotate"
)

// limits are the defaults of Options.Limits.
var limits = provider.Limits{Connect: 3 * time.Second, First: 5 * time.Second, Gap: 20 * time.Second}

const (
	lasting = 240 * time.Second      // of the 305 s that Google allows a stream
	chirp   = "chirp_3"              // the model of version 2 if none is named
	chunk   = 100 * time.Millisecond // of audio, a message
	pause   = 100 * time.Millisecond // before the first new try; each further one waits twice as long
	tries   = 3                      // new tries in a row that may fail
)

// Options are the settings of a Recognizer. The zero value is version 1 with English.
type Options struct {
	Version  int    // of the service: 1 or 2; 0 is 1
	Language string // BCP-47, several separated by commas; empty is en-US
	Model    string // empty: Google's choice in version 1, chirp_3 in version 2
	Words    bool   // ask for times of words; not every model has them
	// Endpoint is another host:port; empty is Google's, in version 2 that of the location. With http:// before
	// it neither TLS nor credentials are used: for a proxy on this computer that adds them.
	Endpoint    string
	Credentials string // path of a service account's JSON file; empty: Application Default Credentials
	Cloud       Cloud  // of version 2 only
	// Rotate is when a stream is replaced before Google ends it; 0 is 240 s. At 7/6 of it, it is replaced
	// even in the middle of a sentence.
	Rotate time.Duration
	// Limits: Connect; First, from a flush to its text; Gap, how much voice may have no answer at all;
	// Total, all waiting of a call. Zero fields are 3 s, 5 s, 20 s, none.
	Limits provider.Limits
}

// Cloud is where version 2 finds its recognizer.
type Cloud struct {
	Project    string // empty is $GOOGLE_CLOUD_PROJECT
	Location   string // where the model is served; empty is us
	Recognizer string // its name; empty is _, which takes everything from the request
}

// service is one version of the service.
type service interface {
	open(ctx context.Context, rate int) (rotate.Link, error)
	close() error
}

// Recognizer is a client of the service. Safe for concurrent use; its calls share a connection.
type Recognizer struct {
	o       Options
	name    string
	service service
}

// New returns a Recognizer. It reads the credentials and does not look whether Google is there: Warm does.
// Errors are provider.ErrAuth without credentials, provider.ErrBadRequest for other options that are wrong.
func New(o Options) (*Recognizer, error) {
	r := &Recognizer{name: "google"}
	if o.Language == "" {
		o.Language = "en-US"
	}
	if o.Rotate <= 0 {
		o.Rotate = lasting
	}
	o.Limits = o.Limits.Or(limits)
	switch o.Version {
	case 0, 1:
	case 2:
		r.name = "google-v2"
		if err := o.locate(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: version %d of Google's recognizer, there are 1 and 2", provider.ErrBadRequest, o.Version)
	}
	r.o = o
	dial, err := google.Access{Endpoint: o.Endpoint, Credentials: o.Credentials, Connect: o.Limits.Connect}.Options()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Limits.Connect)
	defer cancel()
	if o.Version == 2 {
		r.service, err = newV2(ctx, o, dial)
	} else {
		r.service, err = newV1(ctx, o, dial)
	}
	if err != nil {
		return nil, google.NoClient(err)
	}
	return r, nil
}

// locate fills in where version 2 is found.
func (o *Options) locate() error {
	c := &o.Cloud
	if c.Project == "" {
		c.Project = os.Getenv("GOOGLE_CLOUD_PROJECT")
	}
	if c.Location == "" {
		c.Location = "us"
	}
	if c.Recognizer == "" {
		c.Recognizer = "_"
	}
	if c.Project == "" {
		return fmt.Errorf("%w: version 2 of Google's recognizer needs a project: set GOOGLE_CLOUD_PROJECT", provider.ErrBadRequest)
	}
	for _, part := range []string{c.Project, c.Location, c.Recognizer} {
		if strings.ContainsAny(part, "/ :?#@") {
			return fmt.Errorf("%w: %q is no name of a project, location or recognizer", provider.ErrBadRequest, part)
		}
	}
	if o.Model == "" {
		o.Model = chirp
	}
	if o.Endpoint == "" && c.Location != "global" {
		o.Endpoint = c.Location + "-speech.googleapis.com:443"
	}
	return nil
}

// recognizer is the name of version 2's recognizer.
func (c Cloud) recognizer() string {
	return "projects/" + c.Project + "/locations/" + c.Location + "/recognizers/" + c.Recognizer
}

// Close closes the connection. No call may be under way or follow.
func (r *Recognizer) Close() error { return r.service.close() }

// Warm connects and signs in, so that the first voice does not wait for it. Nothing is billed.
func (r *Recognizer) Warm(ctx context.Context) error {
	own, watch := provider.NewWatch(ctx, r.o.Limits.Connect)
	defer watch.Stop()
	watch.Await("connection", r.o.Limits.Connect)
	_, err := r.service.open(own, media.ListenRate)
	var late *provider.Timeout
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	case errors.As(context.Cause(own), &late):
		err = late
	}
	return fmt.Errorf("%s: %w", r.tried(), err)
}

// Recognize follows the contract of package stt; how it divides speech is in the package's comment. It
// gives a Final also for speech that nobody flushed, after 2 s of silence. Errors are those of package
// provider: [*provider.Error], [*provider.Timeout], or one that wraps a class.
func (r *Recognizer) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	l := r.o.Limits
	return rotate.Recognize(ctx, in, rotate.Options{
		Open:   r.service.open,
		Chunk:  chunk,
		Rotate: r.o.Rotate,
		Late:   r.o.Rotate + r.o.Rotate/6,
		Limits: rotate.Limits{Connect: l.Connect, First: l.Gap, Gap: l.Gap, Settle: l.First, Total: l.Total},
		Again:  rotate.Again{Tries: tries, Pause: pause, Busy: pause},
	}, r.tried())
}

// tried says what was.
func (r *Recognizer) tried() string {
	if r.o.Version == 2 {
		return fmt.Sprintf("recognize speech by %s (%s in %s)", r.name, r.o.Model, r.o.Cloud.Location)
	}
	return "recognize speech by " + r.name
}

// offset is a time as Google writes it; none is 0.
func offset(d *durationpb.Duration) time.Duration {
	if d == nil || d.CheckValid() != nil {
		return 0
	}
	return max(d.AsDuration(), 0)
}
