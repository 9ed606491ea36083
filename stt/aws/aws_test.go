package aws

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
)

// TestMain gives every test an account, and a proxy that does not answer: a server on this computer is
// reached without it.
func TestMain(m *testing.M) {
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token, "AWS_REGION": region,
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1",
	} {
		if err := os.Setenv(k, v); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

const ms = time.Millisecond

// recognizer is a Recognizer of s that sends as fast as it can and logs to the test.
func recognizer(t testing.TB, s *service, o Options) *Recognizer {
	t.Helper()
	o.Endpoint = s.start(t)
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(clean{t}, nil))
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.pace = 0
	return r
}

// clean is a log that fails t for a secret, and for audio that cannot be heard again.
type clean struct{ t testing.TB }

func (c clean) Write(line []byte) (int, error) {
	public(c.t, string(line))
	if strings.Contains(string(line), "not heard again") {
		c.t.Errorf("log: %s", line)
	}
	return len(line), nil
}

// public fails t if there is a secret in s.
func public(t testing.TB, s string) {
	t.Helper()
	for _, private := range []string{secret, token, "tOkEn", keyID, "X-Amz-Signature=", "Signature%3D"} {
		if strings.Contains(s, private) {
			t.Errorf("there is a secret in %q", s)
		}
	}
}

// speech is frames of 20 ms, with voice where there is sound.
func speech(at time.Duration, pcm []int16) (frames []stt.Audio) {
	for len(pcm) > 0 {
		n := min(320, len(pcm))
		f := media.Frame{At: at, Rate: 16000, PCM: pcm[:n]}
		voice := false
		for _, v := range pcm[:n] {
			voice = voice || v != 0
		}
		frames, pcm, at = append(frames, stt.Audio{Frame: f, Voice: voice}), pcm[n:], at+f.Duration()
	}
	return frames
}

// flushed has a Flush on its last frame.
func flushed(frames []stt.Audio) []stt.Audio {
	frames[len(frames)-1].Flush = true
	return frames
}

// outcome is what a call gave.
type outcome struct {
	finals   []string
	partials []string
	results  []stt.Result
	err      error
}

func (o outcome) text() string { return strings.Join(o.finals, "|") }

// hear runs a call to its end. Its error has no secret, is the last, and comes with Results in order.
func hear(t testing.TB, r stt.Recognizer, in media.Source[stt.Audio]) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			public(t, fmt.Sprintf("%v %+v %#v", err, err, err))
			o.err = err
			continue
		}
		o.results = append(o.results, res)
		switch res.Kind {
		case stt.Final:
			o.finals = append(o.finals, res.Text)
		case stt.Partial:
			o.partials = append(o.partials, res.Text)
		}
	}
	return o
}

// held gives frames and then nothing, until its reader leaves or more gives others.
func held(frames []stt.Audio, more <-chan []stt.Audio) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for ok := true; ok; {
				for _, f := range frames {
					if !yield(f) {
						return
					}
				}
				select {
				case frames, ok = <-more:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

func TestContract(t *testing.T) {
	quick := Times{Settle: 200 * ms}
	sttest.Run(t, sttest.Options{
		New:    func(t testing.TB) stt.Recognizer { return recognizer(t, &service{}, Options{Times: quick}) },
		Speech: say(1, 4),
		Heard: func(text string) error {
			if text != names(1, 4) {
				return fmt.Errorf("heard %q", text)
			}
			return nil
		},
		Broken: func(t testing.TB) stt.Recognizer {
			return recognizer(t, &service{script: func(_ int, p *peer) { p.exception("InternalFailureException", "it broke") }}, Options{})
		},
	})
}

// TestContractSigned is with signed chunks.
func TestContractSigned(t *testing.T) {
	sttest.Run(t, sttest.Options{
		New: func(t testing.TB) stt.Recognizer {
			return recognizer(t, &service{signed: true}, Options{Sign: true, Times: Times{Settle: 200 * ms}})
		},
		Speech: say(1, 4),
	})
}

func TestNew(t *testing.T) {
	tests := []struct {
		name  string
		o     Options
		env   string // AWS_REGION
		says  string // "" is no error
		class error
	}{
		{"zero value", Options{}, region, "", nil},
		{"no region", Options{}, "", "set AWS_REGION", provider.ErrBadRequest},
		{"region given", Options{Region: "us-east-1"}, "", "", nil},
		{"endpoint without scheme", Options{Endpoint: "localhost:8443"}, region, "like https://", provider.ErrBadRequest},
		{"credentials in the endpoint", Options{Endpoint: "https://a:" + secret + "@h"}, region, "without credentials", provider.ErrBadRequest},
		{"endpoint that is none", Options{Endpoint: "http://%zz" + secret}, region, "endpoint", provider.ErrBadRequest},
		{"rate too low", Options{Rate: 4000}, region, "not 4000", provider.ErrBadRequest},
		{"rate too high", Options{Rate: 96000}, region, "not 96000", provider.ErrBadRequest},
		{"stability", Options{Stability: "hard"}, region, `"hard" is none`, provider.ErrBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_REGION", tt.env)
			r, err := New(tt.o)
			if (r == nil) == (tt.says == "") || !errors.Is(err, tt.class) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, error %v", r, err)
			}
			public(t, fmt.Sprint(err))
		})
	}
	r, err := New(Options{Region: "us-east-1"})
	if err != nil || r.url.String() != "https://transcribestreaming.us-east-1.amazonaws.com:8443/stream-transcription-websocket" {
		t.Errorf("URL %v, error %v", r.url, err)
	}
}

// role has the credentials come over the network, as those of a role do, and counts how often.
func role(t *testing.T) *atomic.Int32 {
	t.Helper()
	var n atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`, keyID, secret, token, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(srv.Close)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", srv.URL+"/role")
	return &n
}

// TestWarmRole: the first call does not wait for the credentials of a role.
func TestWarmRole(t *testing.T) {
	asked := role(t)
	r := recognizer(t, &service{}, Options{})
	if err := r.Warm(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("asked %d times, error %v", asked.Load(), err)
	}
	if o := hear(t, r, media.Of(flushed(speech(0, say(1, 2)))...)); o.err != nil || o.text() != names(1, 2) || asked.Load() != 1 {
		t.Errorf("heard %q, asked %d times, error %v", o.finals, asked.Load(), o.err)
	}
}

func TestWarm(t *testing.T) {
	r := recognizer(t, &service{}, Options{})
	if err := r.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	r = recognizer(t, &service{}, Options{})
	if err := r.Warm(t.Context()); !errors.Is(err, provider.ErrAuth) || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("error %v without credentials", err)
	}
	if o := hear(t, r, media.Of(flushed(speech(0, say(1, 1)))...)); !errors.Is(o.err, provider.ErrAuth) {
		t.Errorf("error %v without credentials", o.err)
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Endpoint: "http://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	o := hear(t, r, held(speech(0, say(1, 1)), nil))
	if !errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "refused") || time.Since(begun) > time.Second {
		t.Errorf("error %v after %v", o.err, time.Since(begun))
	}
}

func TestSlowUpgrade(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
		if err != nil {
			t.Fatal(err)
		}
		r, err := New(Options{Endpoint: scheme + "://" + l.Addr().String(), Limits: provider.Limits{Connect: 80 * ms}})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		o := hear(t, r, held(speech(0, say(1, 1)), nil))
		if !errors.Is(o.err, provider.ErrUnavailable) || !strings.Contains(o.err.Error(), "80ms") && scheme == "http" || time.Since(begun) > time.Second {
			t.Errorf("%s: error %v after %v", scheme, o.err, time.Since(begun))
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUnauthorized(t *testing.T) {
	s := &service{refuse: func(w http.ResponseWriter) bool {
		w.Header().Set("X-Amzn-ErrorType", "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/")
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"Message":"The security token %s of %s included in the request is invalid. %s"}`, token, keyID, secret)
		return true
	}}
	o := hear(t, recognizer(t, s, Options{}), held(speech(0, say(1, 1)), nil))
	var e *provider.Error
	if !errors.As(o.err, &e) || e.Class != provider.ErrAuth || e.Status != 403 || e.Code != "UnrecognizedClientException" || !strings.Contains(e.Text, "The security token [secret]") {
		t.Errorf("error %v", o.err)
	}
	if n, _, _ := s.count(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestUpgradeStatus answers the upgrade with other statuses.
func TestUpgradeStatus(t *testing.T) {
	for status, class := range map[int]error{400: provider.ErrBadRequest, 429: provider.ErrQuota, 503: provider.ErrUnavailable, 200: provider.ErrBadRequest} {
		s := &service{refuse: func(w http.ResponseWriter) bool {
			w.WriteHeader(status)
			return true
		}}
		o := hear(t, recognizer(t, s, Options{}), held(speech(0, say(1, 1)), nil))
		if !errors.Is(o.err, class) || !strings.Contains(o.err.Error(), fmt.Sprint(status)) {
			t.Errorf("%d: error %v, want %v", status, o.err, class)
		}
	}
}

func TestWrongRate(t *testing.T) {
	frame := stt.Audio{Frame: media.Frame{Rate: 8000, PCM: make([]int16, 160)}}
	o := hear(t, recognizer(t, &service{}, Options{}), media.Of(frame))
	if !errors.Is(o.err, provider.ErrBadRequest) || !strings.Contains(o.err.Error(), "8000 Hz given, 16000 expected") {
		t.Errorf("error %v", o.err)
	}
}

// TestNoEvents has a service that hears and says nothing, or no more: an error comes when so much voice was sent.
func TestNoEvents(t *testing.T) {
	for name, tt := range map[string]struct {
		events int
		limits provider.Limits
		says   string
	}{
		"none at all": {0, provider.Limits{First: time.Second, Gap: time.Hour}, "no answer to a voice within 1s"},
		"no other":    {1, provider.Limits{First: time.Hour, Gap: time.Second}, "no answer to a voice within 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			more := make(chan []stt.Audio, 1)
			r := recognizer(t, &service{script: func(_ int, p *peer) {
				p.next()
				for i := range tt.events {
					p.send(transcript(result(fmt.Sprint(i), false, "Yes.", nil)))
				}
				time.Sleep(50 * ms) // the event was seen, and then the caller speaks
				more <- speech(time.Second, say(1, 10))
				for ok := true; ok; {
					_, ok = p.next()
				}
			}}, Options{Limits: tt.limits})
			o := hear(t, r, held(speech(0, make([]int16, 16000)), more))
			var late *provider.Timeout
			if !errors.As(o.err, &late) || !strings.Contains(o.err.Error(), tt.says) || len(o.partials) != tt.events {
				t.Errorf("partials %q, error %v, want %q", o.partials, o.err, tt.says)
			}
		})
	}
}

// TestHangUp: the service sees the end of the connection when the consumer leaves or ctx ends.
func TestHangUp(t *testing.T) {
	s := &service{}
	r := recognizer(t, s, Options{})
	for range r.Recognize(t.Context(), held(speech(0, say(1, 3)), nil)) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range r.Recognize(ctx, held(speech(0, say(1, 3)), nil)) {
		cancel()
	}
	for range 2 {
		select {
		case <-s.gone:
		case <-time.After(5 * time.Second):
			t.Fatal("the connection is still there")
		}
	}
}

// TestSlowConsumer holds the loop for longer than every wait.
func TestSlowConsumer(t *testing.T) {
	r := recognizer(t, &service{}, Options{Limits: provider.Limits{First: time.Second, Gap: time.Second, Total: 100 * ms}})
	var finals []string
	for res, err := range r.Recognize(t.Context(), media.Of(flushed(speech(0, append(say(1, 3), make([]int16, 8000)...)))...)) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * ms)
		if res.Kind == stt.Final {
			finals = append(finals, res.Text)
		}
	}
	if strings.Join(finals, "|") != names(1, 3) {
		t.Errorf("heard %q", finals)
	}
}
