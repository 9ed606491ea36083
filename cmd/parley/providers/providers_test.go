package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"parley/cmd/parley/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parley runs the verb as the command line does.
func parley(ctx context.Context, args ...string) (string, error) {
	var c Cmd
	var out bytes.Buffer
	parser, err := kong.New(&c, kong.Name("providers"), kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)))
	if err != nil {
		return "", err
	}
	k, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = k.Run()
	return out.String(), err
}

// account gives the environment credentials of every vendor, and nothing else of theirs. It returns those that are sent in
// the clear. All values have "hidden" in them.
func account(t *testing.T) (secrets []string) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "GOOGLE_") {
			t.Setenv(name, "")
		}
	}
	home := t.TempDir()
	for name, v := range map[string]string{
		"OPENAI_API_KEY": "sk-hidden-0123456789", "AWS_ACCESS_KEY_ID": "AKIDHIDDEN0123456789", "AWS_SECRET_ACCESS_KEY": "hidden/secret/0123456789",
		"AWS_SESSION_TOKEN": "hidden/token+0123456789==",
	} {
		t.Setenv(name, v)
		secrets = append(secrets, v)
	}
	t.Setenv("GOOGLE_CLOUD_PROJECT", "hidden-project")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(home, "hidden-file"))
	text := `{"type":"service_account","client_email":"hidden@example.com","private_key":"hidden-private-key"}`
	if err := os.WriteFile(filepath.Join(home, "hidden-file"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("HOME", home)
	return secrets
}

// serving is a loopback server, and what it was asked.
func serving(t *testing.T, h http.HandlerFunc) (url string, asked func() string) {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		fmt.Fprintf(&all, "%s %s\n", r.URL, body)
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

// engines are the flags for every vendor's engine that can be had without TLS, all at one server.
func engines(url string) []string {
	return []string{
		"--stt", "openai:url=" + url + "/v1", "--llm", "openai:model=m,url=" + url + "/v1", "--tts", "openai:url=" + url + "/v1",
		"--llm", "completions:url=" + url + "/v1", "--llm", "gptj:url=" + url, "--tts", "aws:endpoint=" + url, "--stt", "aws:endpoint=" + url,
	}
}

func TestList(t *testing.T) {
	account(t)
	out, err := parley(t.Context(), "--models", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"--stt, speech to text\n", "--llm, language model\n", "--tts, text to speech\n", "--vad, voice activity\n",
		"  none   local        Moonshine, English, on this computer\n", "→ ", "parley models fetch",
		"  ready  google       Google Cloud; ", "application default credentials: the file named by GOOGLE_APPLICATION_CREDENTIALS\n",
		"GOOGLE_CLOUD_PROJECT is set\n", "AWS_REGION is set\n", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set\n", "OPENAI_API_KEY is set\n",
		"  none   gptj ", "  ready  tone         a stub that hums\n", "it needs nothing\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "asked") {
		t.Error("an engine was asked")
	}
}

func TestJSON(t *testing.T) {
	account(t)
	out, err := parley(t.Context(), "--json", "--check", "--llm", "echo", "--tts", "aws:region=x,stream=perhaps", "--stt", "google-v2:project=p,endpoint=a/b")
	var got struct{ Providers []entry }
	if e := json.Unmarshal([]byte(out), &got); e != nil || len(got.Providers) != 3 {
		t.Fatalf("%v in %s", e, out)
	}
	stt, llm, tts := got.Providers[0], got.Providers[1], got.Providers[2]
	if stt.Kind != "stt" || stt.Name != "google-v2" || stt.About == "" || !stt.Ready || stt.Check.OK || stt.Check.Class != "bad request" || stt.Check.Mend == "" {
		t.Errorf("%+v, %+v", stt, stt.Check)
	}
	if !llm.Ready || !llm.Check.OK || llm.Check.Error != "" || llm.Check.Total < llm.Check.First {
		t.Errorf("%+v, %+v", llm, llm.Check)
	}
	if tts.Check.OK || !strings.Contains(tts.Check.Error, "stream=perhaps is not true or false") {
		t.Errorf("%+v, %+v", tts, tts.Check)
	}
	if v, ok := errors.AsType[verdict.Verdict](err); !ok || v.Code != 1 || !strings.Contains(v.Text, "--stt google-v2, --tts aws failed") {
		t.Error(err)
	}
}

// A provider may repeat what it was sent, in whatever it answers: nothing of it gets out.
func TestNoSecretIsPrinted(t *testing.T) {
	secrets := account(t)
	url, asked := serving(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := fmt.Sprint(r.URL, r.Header, string(body), " ", strings.Join(secrets, " "))
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": said, "error": map[string]any{"message": said, "code": "x"}})
	})
	for _, args := range [][]string{nil, {"--json"}, {"--models", t.TempDir()}, append(engines(url), "--check"), append(engines(url), "--check", "--json")} {
		out, err := parley(t.Context(), args...)
		for _, secret := range []string{"hidden", "HIDDEN"} {
			if i := strings.Index(out+fmt.Sprint(err), secret); i >= 0 {
				t.Errorf("%q prints a secret: …%s", args, (out + fmt.Sprint(err))[max(0, i-60):])
			}
		}
		if len(args) > 2 && (err == nil || !strings.Contains(out, "auth")) {
			t.Errorf("%q: %v\n%s", args, err, out)
		}
	}
	for _, path := range []string{"/v1/audio/transcriptions", "/v1/chat/completions", "/v1/audio/speech", "/v1/completions", "/generate", "/v1/speech", "/stream-transcription-websocket"} {
		if !strings.Contains(asked(), path) {
			t.Errorf("%s was not asked for", path)
		}
	}
}

func TestCheckAsksLittle(t *testing.T) {
	account(t)
	url, asked := serving(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/audio/transcriptions":
			fmt.Fprint(w, `{"text":""}`)
		case "/v1/chat/completions":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, `data: {"choices":[{"delta":{"content":"A"},"finish_reason":"length"}]}`+"\n\ndata: [DONE]\n\n")
		case "/v1/audio/speech":
			_, _ = w.Write(make([]byte, 4800))
		}
	})
	out, err := parley(t.Context(), append(engines(url)[:6], "--check", "--vad", "energy")...)
	if err != nil {
		t.Error(err)
	}
	if strings.Count(out, "asked: ready after") != 4 {
		t.Error(out)
	}
	for _, want := range []string{"RIFF", `"max_tokens":1`, `"content":"Hi."`, `"input":"Hi."`} {
		if !strings.Contains(asked(), want) {
			t.Errorf("no request has %s", want)
		}
	}
	if n := len(asked()); n > 18000 || n < 16000 {
		t.Errorf("%d bytes were sent, half a second of sound is 16000", n)
	}
}

func TestCheckFails(t *testing.T) {
	account(t)
	for _, c := range []struct {
		status      int
		class, mend string
	}{
		{http.StatusUnauthorized, "auth", "the credentials that were found are refused"},
		{http.StatusTooManyRequests, "quota", "quota and billing"},
		{http.StatusNotFound, "bad request", "docs/engines.md"},
		{http.StatusServiceUnavailable, "unavailable", "try again later"},
	} {
		url, _ := serving(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
		out, err := parley(t.Context(), append(engines(url)[:6], "--check")...)
		if strings.Count(out, "FAILED, "+c.class+": ") != 3 || strings.Count(out, c.mend) != 3 || err == nil {
			t.Errorf("%d: %v\n%s", c.status, err, out)
		}
	}
	url, _ := serving(t, func(http.ResponseWriter, *http.Request) {}) // no sound, no end of the answer
	if out, err := parley(t.Context(), append(engines(url)[2:6], "--check")...); err == nil || strings.Count(out, "FAILED, truncated: ") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCheckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		out, err := parley(t.Context(), "--check", "--llm", "script:first=1h", "--llm", "script:first=1h,answers=a", "--llm", "script:first=9s")
		if took := time.Since(began); took != patience {
			t.Errorf("it took %v", took)
		}
		if err == nil || strings.Count(out, "no answer within 10s") != 2 || !strings.Contains(out, "first answer after 9000 ms") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestCheckCanBeBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
		defer cancel()
		began := time.Now()
		if _, err := parley(ctx, "--check", "--llm", "script:first=1h"); !errors.Is(err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestFlagsNameWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ flag, value, want string }{
		{"--llm", "brain", `--llm: there is no "brain"; known are local, openai`},
		{"--tts", "tone:x", `"x" is not key=value`},
	} {
		if out, err := parley(t.Context(), c.flag, c.value); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
			t.Errorf("%s %s: %v, %s", c.flag, c.value, err, out)
		}
	}
}
