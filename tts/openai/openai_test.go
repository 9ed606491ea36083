package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/ttstest"
)

const key = "sk-test-0123456789"

// TestMain has every test run with a proxy that does not answer: a server on this computer is reached
// without it.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// voice is a Voice of a loopback server.
func voice(t testing.TB, h http.HandlerFunc, o Options) *Voice {
	t.Helper()
	srv := httptest.NewServer(h)
	o.BaseURL = srv.URL + "/v1"
	o.Limits = o.Limits.Or(provider.Limits{First: 5 * time.Second})
	if o.Key == "" {
		o.Key = key
	}
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return v
}

// asked is a request's body.
type asked struct {
	Model        string  `json:"model"`
	Input        string  `json:"input"`
	Voice        string  `json:"voice"`
	Instructions string  `json:"instructions"`
	Format       string  `json:"response_format"`
	Stream       string  `json:"stream_format"`
	Speed        float64 `json:"speed"`
}

// refusal is what a service would refuse a request for.
func refusal(r *http.Request) (a asked, status int, why string) {
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		return a, 400, err.Error()
	}
	_, _ = io.Copy(io.Discard, r.Body) // a server notices a hang-up only when it has read all
	switch {
	case r.Method != "POST" || r.URL.Path != "/v1/audio/speech":
		return a, 404, "no such path"
	case r.Header.Get("Authorization") != "Bearer "+key:
		return a, 401, "wrong key"
	case r.Header.Get("Content-Type") != "application/json":
		return a, 400, "content type " + r.Header.Get("Content-Type")
	case r.Header["Idempotency-Key"] != nil:
		return a, 400, "an idempotency key"
	case a.Model == "" || a.Voice == "" || a.Format != "pcm":
		return a, 400, "fields are missing"
	case a.Input == "" || utf8.RuneCountInString(a.Input) > 4096:
		return a, 400, "input of a wrong length"
	}
	return a, 0, ""
}

// speaks is a service whose sound of n characters is 240 samples for each, sent in pieces of an odd length.
func speaks(w http.ResponseWriter, r *http.Request) {
	a, status, why := refusal(r)
	if status != 0 {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"message":%q}}`, why)
		return
	}
	w.Header().Set("Content-Type", "audio/pcm")
	pcm := ramp(240 * utf8.RuneCountInString(a.Input))
	for len(pcm) > 0 {
		n := min(len(pcm), 1777)
		if _, err := w.Write(pcm[:n]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		pcm = pcm[n:]
		time.Sleep(200 * time.Microsecond)
	}
}

// ramp is n samples 0, 7, 14, … as bytes: what is lost, doubled or out of step shows.
func ramp(n int) []byte {
	b := make([]byte, 0, 2*n)
	for i := range n {
		b = append(b, byte(i*7), byte(i*7>>8))
	}
	return b
}

// isRamp says what is wrong with samples that should be those of ramp, over and over.
func isRamp(pcm []int16) error {
	want := 0
	for i, s := range pcm {
		if s == 0 && i > 0 {
			want = 0 // the next phrase
		}
		if int16(want*7) != s {
			return fmt.Errorf("sample %d is %d, want %d", i, s, int16(want*7))
		}
		want++
	}
	return nil
}

// said is all samples of some phrases and their rate.
func said(v *Voice, phrases ...string) (pcm []int16, rate int, err error) {
	for a, err := range v.Speak(context.Background(), media.Of(phrases...)) {
		if err != nil {
			return pcm, rate, err
		}
		pcm, rate = append(pcm, a.PCM...), a.Rate
	}
	return pcm, rate, nil
}

// fails checks an error and returns it as the server's, if it is.
func fails(t *testing.T, err, class error, says string) {
	t.Helper()
	if !errors.Is(err, class) || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want %v that says %q", err, class, says)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), key) {
		t.Errorf("the key is in the error %v", err)
	}
}

func TestContract(t *testing.T) {
	for name, o := range map[string]Options{"pcm": {}, "events": {Events: true}} {
		t.Run(name, func(t *testing.T) {
			var v *Voice
			h := speaks
			if o.Events {
				h = eventsOf(1777)
			}
			ttstest.Run(t, ttstest.Options{
				New: func(t testing.TB) tts.Voice { v = voice(t, h, o); return v },
				Heard: func(rate int, pcm []int16) error {
					if want := 240 * len("Good morning, how are you?It is a quarter past nine."); rate != 24000 || len(pcm) != want {
						return fmt.Errorf("%d samples at %d Hz, want %d at 24000", len(pcm), rate, want)
					}
					return isRamp(pcm)
				},
				Broken: func(t testing.TB) tts.Voice {
					v = voice(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusServiceUnavailable) }, o)
					return v
				},
				Release: func() { v.Close() },
			})
		})
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header string // of Retry-After
		body   string
		class  error
		says   string
		wait   time.Duration
	}{
		{"4 wrong key", 401, "", `{"error":{"message":"Incorrect API key provided: ` + key + `","code":"invalid_api_key"}}`, provider.ErrAuth, "[key]", 0},
		{"3 too fast", 429, "7", `{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}`, provider.ErrQuota, "rate_limit_exceeded", 7 * time.Second},
		{"3 out of money", 429, "", `{"error":{"message":"Pay","type":"insufficient_quota"}}`, provider.ErrQuota, "insufficient_quota", 0},
		{"no such voice", 400, "", `{"detail":{"error":"validation_error","message":"Voice 'x' not found"}}`, provider.ErrBadRequest, "not found", 0},
		{"no such path", 404, "", "404 page not found", provider.ErrBadRequest, "page not found", 0},
		{"web page", 502, "", "<html><title>Bad gateway</title>", provider.ErrUnavailable, "Bad gateway", 0},
		{"no body", 500, "", "", provider.ErrUnavailable, "500", 0},
		{"moved", 307, "", "", provider.ErrBadRequest, "307", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int32
			v := voice(t, func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}, Options{})
			_, _, err := said(v, "Hello.")
			fails(t, err, tt.class, tt.says)
			var e *provider.Error
			if !errors.As(err, &e) || e.Status != tt.status || e.RetryAfter != tt.wait {
				t.Errorf("error %+v, want status %d and retry after %v", e, tt.status, tt.wait)
			}
			if n.Load() != 1 {
				t.Errorf("asked %d times", n.Load())
			}
		})
	}
}

func TestNew(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	tests := []struct {
		name  string
		o     Options
		class error
	}{
		{"no key for OpenAI", Options{}, provider.ErrAuth},
		{"no scheme", Options{BaseURL: "localhost:8080/v1"}, provider.ErrBadRequest},
		{"no host", Options{BaseURL: "http:///v1"}, provider.ErrBadRequest},
		{"credentials in the URL", Options{BaseURL: "http://a:" + key + "@localhost/v1"}, provider.ErrBadRequest},
		{"not a URL", Options{BaseURL: "http://%zz" + key}, provider.ErrBadRequest},
		{"too fast", Options{Key: key, Speed: 5}, provider.ErrBadRequest},
		{"too high", Options{Key: key, Rate: 96000}, provider.ErrBadRequest},
		{"instructions", Options{Key: key, Model: "tts-1-hd", Instructions: "calm"}, provider.ErrBadRequest},
		{"events", Options{Key: key, Model: "tts-1", Events: true}, provider.ErrBadRequest},
		{"a server of one's own", Options{BaseURL: "http://127.0.0.1:8880/v1"}, nil},
		{"OpenAI", Options{Key: key}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := New(tt.o)
			if !errors.Is(err, tt.class) || (v == nil) != (tt.class != nil) {
				t.Errorf("got %v, error %v", v, err)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the key is in the error %v", err)
			}
		})
	}
	t.Setenv("OPENAI_API_KEY", key)
	if v, err := New(Options{}); err != nil || v.o.Key != key {
		t.Errorf("with the key in the environment: %v", err)
	}
}

func TestRequest(t *testing.T) {
	got := make(chan asked, 1)
	h := func(w http.ResponseWriter, r *http.Request) {
		a, _, why := refusal(r)
		if why != "" {
			t.Error(why)
		}
		got <- a
	}
	for name, tt := range map[string]struct {
		o    Options
		want asked
	}{
		"plain": {Options{}, asked{"gpt-4o-mini-tts", "été 日本 👩‍👩‍👧", "alloy", "", "pcm", "", 0}},
		"all": {Options{Model: "kokoro", Voice: "af_sky", Instructions: "calm", Speed: 1.5, Events: true},
			asked{"kokoro", "été 日本 👩‍👩‍👧", "af_sky", "calm", "pcm", "sse", 1.5}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := said(voice(t, h, tt.o), "  été 日本 👩‍👩‍👧\n"); err != nil && !errors.Is(err, provider.ErrTruncated) {
				t.Fatal(err)
			}
			if a := <-got; a != tt.want {
				t.Errorf("asked %+v, want %+v", a, tt.want)
			}
		})
	}
}
