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
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/ttstest"
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

// voice is a Voice of s that logs to the test.
func voice(t testing.TB, s *service, o Options) *Voice {
	t.Helper()
	o.Endpoint = s.start(t, o.Stream)
	o.Logger = slog.New(slog.NewTextHandler(clean{t}, nil))
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// clean is a log that fails t for a secret.
type clean struct{ t testing.TB }

func (c clean) Write(line []byte) (int, error) {
	public(c.t, string(line))
	return len(line), nil
}

// public fails t if there is a secret in s.
func public(t testing.TB, s string) {
	t.Helper()
	for _, private := range []string{secret, token, keyID, "Signature="} {
		if strings.Contains(s, private) {
			t.Errorf("there is a secret in %q", s)
		}
	}
}

// outcome is what a call gave.
type outcome struct {
	pcm    []int16
	words  []tts.Word
	frames int
	err    error
}

// told runs a call to its end.
func told(t testing.TB, v *Voice, in media.Source[string]) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for a, err := range v.Speak(ctx, in) {
		if err != nil {
			public(t, fmt.Sprintf("%v %+v %#v", err, err, err))
			o.err = err
			continue
		}
		o.frames++
		o.pcm, o.words = append(o.pcm, a.PCM...), append(o.words, a.Words...)
	}
	return o
}

// says fails t unless o is the sound of text and nothing else.
func says(t *testing.T, o outcome, text string) {
	t.Helper()
	if o.err != nil {
		t.Fatalf("error %v", o.err)
	}
	want := sound(text)
	got := make([]byte, 0, len(want))
	for _, s := range o.pcm {
		got = append(got, byte(s), byte(s>>8))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d bytes of audio, want %d, or others", len(got), len(want))
	}
}

// held gives phrases, and then nothing until its reader leaves.
func held(phrases ...string) media.Source[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			for _, p := range phrases {
				if !yield(p) {
					return
				}
			}
			<-ctx.Done()
		}
	}
}

func contract(t *testing.T, o Options, broken *service) {
	var last *Voice
	var server *service
	ttstest.Run(t, ttstest.Options{
		New: func(t testing.TB) tts.Voice {
			server = &service{}
			last = voice(t, server, o)
			return last
		},
		Broken: func(t testing.TB) tts.Voice {
			server = broken
			last = voice(t, server, o)
			return last
		},
		Release: func() { free(&server.conns, last.Close) }, // a connection is idle a moment after its last request
	})
}

func TestContract(t *testing.T) {
	contract(t, Options{}, &service{answer: func(w http.ResponseWriter, _ *http.Request, _ input) {
		refuse(w, 500, "ServiceFailureException", "it broke")
	}})
}

func TestContractWords(t *testing.T) {
	contract(t, Options{Words: true}, &service{answer: func(w http.ResponseWriter, _ *http.Request, _ input) {
		refuse(w, 500, "ServiceFailureException", "it broke")
	}})
}

func TestContractStream(t *testing.T) {
	contract(t, Options{Stream: true}, &service{talk: func(p *peer) {
		p.begin()
		p.next()
		p.send([]byte(`{"message":"it broke"}`), ":message-type", "exception", ":exception-type", "ServiceFailureException")
	}})
}

func TestNew(t *testing.T) {
	tests := []struct {
		name string
		o    Options
		env  string // AWS_REGION
		says string // "" is no error
	}{
		{"zero value", Options{}, region, ""},
		{"no region", Options{}, "", "set AWS_REGION"},
		{"region given", Options{Region: "us-east-1"}, "", ""},
		{"telephone", Options{Rate: 8000}, region, ""},
		{"stream", Options{Stream: true}, region, ""},
		{"rate 24000 (7)", Options{Rate: 24000}, region, "16000 and 8000 Hz, not 24000"},
		{"stream of another engine", Options{Stream: true, Engine: "neural"}, region, "generative only"},
		{"stream without TLS", Options{Stream: true, Endpoint: "http://127.0.0.1:1"}, region, "with https"},
		{"stream with words", Options{Stream: true, Words: true}, region, "no words in a stream"},
		{"endpoint without scheme", Options{Endpoint: "localhost"}, region, "like https://"},
		{"credentials in the endpoint", Options{Endpoint: "https://a:" + secret + "@h"}, region, "without credentials"},
		{"endpoint that is none", Options{Endpoint: "http://%zz" + secret}, region, "endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_REGION", tt.env)
			_, err := New(tt.o)
			if (err == nil) != (tt.says == "") || err != nil && (!strings.Contains(err.Error(), tt.says) || !errors.Is(err, provider.ErrBadRequest)) {
				t.Errorf("error %v", err)
			}
			public(t, fmt.Sprint(err))
		})
	}
	v, err := New(Options{Region: "us-east-1"})
	if err != nil || v.stream.String() != "https://polly.us-east-1.amazonaws.com/v1/synthesisStream" {
		t.Errorf("URL %v, error %v", v.stream, err)
	}
	t.Setenv("AWS_ENDPOINT_URL_POLLY", "http://127.0.0.1:1/x")
	v, err = New(Options{})
	if err != nil || v.stream.String() != "http://127.0.0.1:1/x/v1/synthesisStream" {
		t.Errorf("URL %v, error %v", v.stream, err)
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

// TestWarm: the first phrase waits neither for the credentials of a role nor for a connection.
func TestWarm(t *testing.T) {
	asked := role(t)
	for _, o := range []Options{{}, {Stream: true}} {
		asked.Store(0)
		s := &service{}
		v := voice(t, s, o)
		if err := v.Warm(t.Context()); err != nil || asked.Load() != 1 || s.conns.Load() != 1 {
			t.Errorf("asked %d times, %d connections, error %v", asked.Load(), s.conns.Load(), err)
		}
		says(t, told(t, v, media.Of("Hello.")), "Hello.")
		if asked.Load() != 1 || s.began.Load() != 1 {
			t.Errorf("asked %d times, %d connections were made", asked.Load(), s.began.Load())
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(Options{Endpoint: "https://" + l.Addr().String(), Limits: provider.Limits{Connect: 80 * ms}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Warm(t.Context()); !errors.Is(err, provider.ErrUnavailable) { // it takes the connection, and says nothing
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if err := v.Warm(ctx); err != gone {
		t.Errorf("error %v", err)
	}
	_ = l.Close()
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	for _, stream := range []bool{false, true} {
		v := voice(t, &service{}, Options{Stream: stream})
		if err := v.Warm(t.Context()); !errors.Is(err, provider.ErrAuth) {
			t.Errorf("error %v", err)
		}
		begun := time.Now()
		if o := told(t, v, held("Hello.")); !errors.Is(o.err, provider.ErrAuth) || !strings.Contains(o.err.Error(), "credentials") || time.Since(begun) > 5*time.Second {
			t.Errorf("error %v", o.err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, o := range []Options{{}, {Stream: true}, {Words: true}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Endpoint = "https://" + l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		v, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		got := told(t, v, held("Hello."))
		if !errors.Is(got.err, provider.ErrUnavailable) || !strings.Contains(got.err.Error(), "refused") || time.Since(begun) > 2*time.Second {
			t.Errorf("error %v after %v", got.err, time.Since(begun))
		}
	}
}

// TestSlow has services that are late at one point.
func TestSlow(t *testing.T) {
	wait := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	silent := func(w http.ResponseWriter, r *http.Request, _ input) { <-r.Context().Done() }
	some := func(w http.ResponseWriter, r *http.Request, _ input) {
		w.Header().Set("Content-Type", "audio/pcm")
		_, _ = w.Write(make([]byte, 640))
		wait(w, r)
	}
	tests := []struct {
		name   string
		s      *service
		limits provider.Limits
		stream bool
		text   media.Source[string]
		says   string
	}{
		{"no answer", &service{answer: silent}, provider.Limits{First: 80 * ms}, false, held("Hello."), "no first audio within 80ms"},
		{"no more audio", &service{answer: some}, provider.Limits{Gap: 80 * ms}, false, held("Hello."), "no next audio within 80ms"},
		{"total", &service{answer: some}, provider.Limits{Total: 120 * ms}, false, held("Hello."), "no end of the answer within 120ms"},
		{"stream without header", &service{talk: func(p *peer) { <-p.ctx.Done() }}, provider.Limits{First: 80 * ms}, true, held("Hello."), "no first audio within 80ms"},
		{"stream without audio", &service{talk: func(p *peer) { wait(p.w, p.r) }}, provider.Limits{First: 80 * ms}, true, held("Hello."), "no first audio within 80ms"},
		{"stream without end", &service{talk: func(p *peer) {
			p.begin()
			p.next()
			p.audio(sound("x"))
			wait(p.w, p.r)
		}}, provider.Limits{First: 200 * ms, Gap: 80 * ms}, true, media.Of("Hello."), "no end of the speech within"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := voice(t, tt.s, Options{Limits: tt.limits, Stream: tt.stream})
			begun := time.Now()
			o := told(t, v, tt.text)
			var late *provider.Timeout
			if !errors.As(o.err, &late) || !strings.Contains(o.err.Error(), tt.says) || time.Since(begun) > 3*time.Second {
				t.Errorf("error %v after %v, want %q", o.err, time.Since(begun), tt.says)
			}
			if !free(&tt.s.open, func() {}) {
				t.Error("the request is still there")
			}
		})
	}
}

// TestHangUp: the service sees the end of the request when the consumer leaves.
func TestHangUp(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := &service{
			answer: func(w http.ResponseWriter, r *http.Request, in input) {
				speak(w, r, in)
				<-r.Context().Done()
			},
			talk: func(p *peer) {
				p.begin()
				p.next()
				p.audio(sound("x"))
				<-p.ctx.Done()
			},
		}
		for range voice(t, s, Options{Stream: stream}).Speak(t.Context(), held("Hello.")) {
			break
		}
		select {
		case <-s.gone:
		case <-time.After(5 * time.Second):
			t.Error("the request is still there")
		}
	}
}

// TestSlowConsumer holds the loop for longer than every limit.
func TestSlowConsumer(t *testing.T) {
	for _, stream := range []bool{false, true} {
		v := voice(t, &service{}, Options{Stream: stream, Limits: provider.Limits{First: 2 * time.Second, Gap: 50 * ms, Total: 2 * time.Second}})
		for _, err := range v.Speak(t.Context(), media.Of("Hi.")) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(120 * ms)
		}
	}
}
