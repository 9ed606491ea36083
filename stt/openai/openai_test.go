package openai

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
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

// recognizer is a Recognizer of a loopback server.
func recognizer(t testing.TB, h http.HandlerFunc, o Options) *Recognizer {
	t.Helper()
	srv := httptest.NewServer(h)
	o.BaseURL = srv.URL + "/v1"
	o.Limits = o.Limits.Or(provider.Limits{First: 5 * time.Second})
	if o.Key == "" {
		o.Key = key
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		srv.CloseClientConnections()
		srv.Close()
	})
	return r
}

// asked is a request as a service understands it.
type asked struct {
	fields map[string]string
	name   string // of the file
	kind   string
	file   []byte
}

// understand reads a request and says what a service would refuse it for.
func understand(r *http.Request) (a asked, status int, why string) {
	a.fields = map[string]string{}
	if r.Method != "POST" || r.URL.Path != "/v1/audio/transcriptions" {
		return a, 404, "no such path"
	}
	if r.Header.Get("Authorization") != "Bearer "+key {
		return a, 401, "wrong key"
	}
	if r.Header["Idempotency-Key"] != nil {
		return a, 400, "an idempotency key"
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "multipart/form-data" {
		return a, 400, "content type"
	}
	form, err := r.MultipartReader()
	if err != nil {
		return a, 400, err.Error()
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return a, 400, err.Error()
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return a, 400, err.Error()
		}
		if part.FormName() == "file" {
			a.name, a.kind, a.file = part.FileName(), part.Header.Get("Content-Type"), b
			continue
		}
		a.fields[part.FormName()] = string(b)
	}
	if a.name != "speech.wav" || a.kind != "audio/wav" || a.fields["model"] == "" {
		return a, 400, "file or model"
	}
	if why := a.wrong(); why != "" {
		return a, 400, why
	}
	return a, 0, ""
}

// says is a service whose answer is made of the request.
func says(answer func(w http.ResponseWriter, a asked)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, status, why := understand(r)
		_, _ = io.Copy(io.Discard, r.Body)
		if status != 0 {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"error":{"message":%q}}`, why)
			return
		}
		answer(w, a)
	}
}

// text is what a service hears: how much voice there was, as a word for every 100 ms.
func text(a asked) string {
	return strings.TrimSpace(strings.Repeat("la ", len(a.file)/3200))
}

func plain(w http.ResponseWriter, a asked) {
	b, _ := json.Marshal(map[string]any{"text": text(a), "usage": map[string]any{"type": "duration", "seconds": 1}})
	_, _ = w.Write(b)
}

// pieces answers with events, as a model that streams.
func pieces(w http.ResponseWriter, a asked) {
	if a.fields["stream"] != "true" {
		plain(w, a)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	words := strings.SplitAfter(text(a), " ")
	for i := range 4 {
		_, _ = io.WriteString(w, delta(strings.Join(words[i*len(words)/4:(i+1)*len(words)/4], "")))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond)
	}
	_, _ = io.WriteString(w, textDone(text(a)))
}

func delta(text string) string {
	b, _ := json.Marshal(text)
	return `data: {"type":"transcript.text.delta","delta":` + string(b) + `,"logprobs":[]}` + "\n\n"
}

func textDone(text string) string {
	b, _ := json.Marshal(text)
	return `data: {"type":"transcript.text.done","text":` + string(b) + `,"usage":{"type":"tokens","input_tokens":14,"output_tokens":9,"total_tokens":23}}` + "\n\n"
}

// timed answers with the times of two words, the second beyond the end of the audio, as happens.
func timed(w http.ResponseWriter, a asked) {
	if a.fields["response_format"] != "verbose_json" || a.fields["timestamp_granularities[]"] != "word" {
		http.Error(w, "formats", 400)
		return
	}
	_, _ = io.WriteString(w, `{"task":"transcribe","language":"english","duration":1.4,"text":" Hello, there. ",
		"words":[{"word":"Hello","start":0.25,"end":0.5},{"word":" there","start":0.5,"end":99}],"segments":[]}`)
}

// frames is audio of 20 ms a letter: v is voice, anything else is none; ! flushes. The input begins at 10 s.
func frames(s string) media.Source[stt.Audio] {
	var out []stt.Audio
	at := 10 * time.Second
	for _, c := range s {
		if c == '!' {
			out[len(out)-1].Flush = true
			continue
		}
		pcm := make([]int16, 320)
		if c == 'v' {
			for i := range pcm {
				pcm[i] = 1000
			}
		}
		out = append(out, stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: pcm}, Voice: c == 'v'})
		at += 20 * time.Millisecond
	}
	return media.Of(out...)
}

func rep(s string, n int) string { return strings.Repeat(s, n) }

// told is a stream in short: "onset 10s|final 10s-11s text|…".
func told(r *Recognizer, in media.Source[stt.Audio]) (string, error) {
	var out []string
	for res, err := range r.Recognize(context.Background(), in) {
		if err != nil {
			return strings.Join(out, "|"), err
		}
		s := res.Kind.String() + " " + res.Start.String()
		if res.Kind != stt.Onset {
			s += "-" + res.End.String() + " " + res.Text
		}
		for _, w := range res.Words {
			s += fmt.Sprintf(" [%s %v-%v]", w.Text, w.Start, w.End)
		}
		out = append(out, strings.TrimSpace(s))
	}
	return strings.Join(out, "|"), nil
}

// fails checks an error.
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
	for name, tt := range map[string]struct {
		o Options
		h http.HandlerFunc
	}{
		"file": {Options{}, says(plain)}, "words": {Options{Words: true}, says(timed)}, "stream": {Options{Stream: true}, says(pieces)},
		"stream of a model that does not": {Options{Stream: true, Model: "whisper-1"}, says(plain)},
	} {
		t.Run(name, func(t *testing.T) {
			var r *Recognizer
			sttest.Run(t, sttest.Options{
				New: func(t testing.TB) stt.Recognizer { r = recognizer(t, tt.h, tt.o); return r },
				Broken: func(t testing.TB) stt.Recognizer {
					r = recognizer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", http.StatusServiceUnavailable) }, tt.o)
					return r
				},
				Release: func() { r.Close() },
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
		asked  int32
	}{
		{"wrong key", 401, "", `{"error":{"message":"Incorrect API key provided: ` + key + `","code":"invalid_api_key"}}`, provider.ErrAuth, "[key]", 0, 1},
		{"4 too fast", 429, "7", `{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}`, provider.ErrQuota, "rate_limit_exceeded", 7 * time.Second, 1},
		{"4 out of money", 429, "", `{"error":{"message":"Pay","type":"insufficient_quota"}}`, provider.ErrQuota, "insufficient_quota", 0, 1},
		{"no such model", 404, "", `{"error":{"message":"The model does not exist","code":"model_not_found"}}`, provider.ErrBadRequest, "does not exist", 0, 1},
		{"too short", 400, "", `{"error":{"message":"Audio file is too short.","code":"audio_too_short"}}`, provider.ErrBadRequest, "too short", 0, 1},
		{"model is loading", 503, "9", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, provider.ErrUnavailable, "Loading model", 9 * time.Second, 1},
		{"web page", 502, "", "<html><title>Bad gateway</title>", provider.ErrUnavailable, "Bad gateway", 0, 2},
		{"no body", 500, "", "", provider.ErrUnavailable, "500", 0, 2},
		{"moved", 307, "", "", provider.ErrBadRequest, "307", 0, 1},
	}
	for _, o := range []Options{{}, {Stream: true}} {
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.name, o.Stream), func(t *testing.T) {
				var n atomic.Int32
				r := recognizer(t, func(w http.ResponseWriter, r *http.Request) {
					n.Add(1)
					if tt.header != "" {
						w.Header().Set("Retry-After", tt.header)
					}
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(tt.status)
					_, _ = io.WriteString(w, tt.body)
				}, o)
				_, err := told(r, frames("vvvvvv!"))
				fails(t, err, tt.class, tt.says)
				var e *provider.Error
				if !errors.As(err, &e) || e.Status != tt.status || e.RetryAfter != tt.wait {
					t.Errorf("error %+v, want status %d and retry after %v", e, tt.status, tt.wait)
				}
				if n.Load() != tt.asked {
					t.Errorf("asked %d times, want %d", n.Load(), tt.asked)
				}
			})
		}
	}
}

func TestNew(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	tests := []struct {
		name  string
		o     Options
		class error
		model string
	}{
		{"no key for OpenAI", Options{}, provider.ErrAuth, ""},
		{"no scheme", Options{BaseURL: "localhost:8080/v1"}, provider.ErrBadRequest, ""},
		{"no host", Options{BaseURL: "http:///v1"}, provider.ErrBadRequest, ""},
		{"credentials in the URL", Options{BaseURL: "http://a:" + key + "@localhost/v1"}, provider.ErrBadRequest, ""},
		{"not a URL", Options{BaseURL: "http://%zz" + key}, provider.ErrBadRequest, ""},
		{"words in a stream", Options{Key: key, Words: true, Stream: true}, provider.ErrBadRequest, ""},
		{"words of a model that has none", Options{Key: key, Words: true, Model: "gpt-4o-transcribe"}, provider.ErrBadRequest, ""},
		{"words", Options{Key: key, Words: true}, nil, "whisper-1"},
		{"a server of one's own", Options{BaseURL: "http://127.0.0.1:8000/v1", Model: "small.en"}, nil, "small.en"},
		{"OpenAI", Options{Key: key}, nil, "gpt-4o-mini-transcribe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(tt.o)
			if !errors.Is(err, tt.class) || (r == nil) != (tt.class != nil) || r != nil && r.o.Model != tt.model {
				t.Errorf("got %v, error %v", r, err)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the key is in the error %v", err)
			}
		})
	}
	t.Setenv("OPENAI_API_KEY", key)
	if r, err := New(Options{}); err != nil || r.o.Key != key {
		t.Errorf("with the key in the environment: %v", err)
	}
}
