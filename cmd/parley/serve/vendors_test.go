package serve

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/llm"
	"parley/tts"
)

// away takes from the environment what the engines of vendors would find there, and gives them an account that is none.
func away(t *testing.T) {
	for _, name := range []string{
		"ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_CLOUD_PROJECT", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_POLLY",
	} {
		t.Setenv(name, "")
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_ACCESS_KEY_ID", "for-tests")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "for-tests")
	for _, name := range []string{"GOOGLE_APPLICATION_CREDENTIALS", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, nowhere)
	}
}

// openNamed opens the engine that a flag names.
func openNamed(t *testing.T, flag, value string) (any, error) {
	switch flag {
	case "stt":
		return openIn(t, recognizers, flag, value)
	case "llm":
		return openIn(t, languageModels, flag, value)
	}
	return openIn(t, voices, flag, value)
}

func TestVendorsTakeTheirOptions(t *testing.T) {
	away(t)
	for _, c := range []struct{ flag, value string }{
		{"stt", `google:language=de-DE\,en-US,model=latest_long,words=true,endpoint=http://127.0.0.1:1,rotate=200s`},
		{"stt", "google-v2:project=p,location=eu,recognizer=_,model=chirp_3,language=auto,endpoint=http://127.0.0.1:1"},
		{"stt", "aws:region=eu-west-1,language=en-GB,stability=low,sign=true,rotate=1h,endpoint=http://127.0.0.1:1"},
		{"stt", "openai:url=http://127.0.0.1:1/v1,model=small.en,language=en,prompt=Parley,stream=true"},
		{"stt", "openai:url=http://127.0.0.1:1/v1,model=whisper-1,words=true"},
		{"stt", "openai-realtime:url=http://127.0.0.1:1/v1,model=gpt-realtime-whisper,language=en,delay=low,noise=near_field,rotate=40m"},
		{"tts", "google:voice=de-DE-Chirp3-HD-Kore,language=de-DE,rate=16000,speed=1.1,endpoint=http://127.0.0.1:1"},
		{"tts", "aws:region=eu-west-1,voice=Amy,model=neural,language=en-GB,rate=8000,words=true,endpoint=http://127.0.0.1:1"},
		{"tts", "aws:region=eu-west-1,stream=true"},
		{"tts", "openai:url=http://127.0.0.1:1/v1,model=kokoro,voice=af_sky,instructions=calm,speed=1.5,rate=22050,events=true"},
		{"llm", "anthropic:url=http://127.0.0.1:1,model=claude-haiku-4-5,temperature=1"},
		{"llm", "completions:url=http://127.0.0.1:1/v1,model=base,user=Guest,agent=Host,context=2048,temperature=0"},
		{"llm", "gptj:url=http://127.0.0.1:1,user=Guest,agent=Host,temperature=0.5"},
		{"llm", "gptj"},
	} {
		if _, err := openNamed(t, c.flag, c.value); err != nil {
			t.Errorf("--%s %s: %v", c.flag, c.value, err)
		}
	}
}

func TestVendorsNameWhatIsWrong(t *testing.T) {
	away(t)
	for _, c := range []struct{ flag, value, want string }{
		{"stt", "google:endpoint=http://127.0.0.1:1,project=p", "--stt google has no option project: it knows language, model, words, endpoint, credentials, rotate"},
		{"stt", "google:endpoint=http://127.0.0.1:1,rotate=often", "rotate=often is not a duration"},
		{"stt", "google:endpoint=http://a/b", "open --stt google: "},
		{"stt", "google:credentials=/no/such.json", "open --stt google: "},
		{"stt", "google-v2:endpoint=http://127.0.0.1:1", "GOOGLE_CLOUD_PROJECT"},
		{"stt", "google-v2:endpoint=http://127.0.0.1:1,project=a/b", `"a/b" is no name of a project`},
		{"stt", "aws", "set AWS_REGION"},
		{"stt", "aws:region=eu-west-1,stability=some", `stability "some" is none of low, medium, high, off`},
		{"stt", "aws:region=eu-west-1,sign=perhaps", "--stt aws: sign=perhaps is not true or false"},
		{"stt", "aws:region=eu-west-1,voice=Amy", "--stt aws has no option voice"},
		{"stt", "openai", "OPENAI_API_KEY is not set"},
		{"stt", "openai:url=http://127.0.0.1:1/v1,stream=true,words=true", "a stream gives no times of words"},
		{"stt", "openai:url=http://127.0.0.1:1/v1,key=x", "--stt openai has no option key"},
		{"stt", "openai-realtime", "OPENAI_API_KEY is not set"},
		{"tts", "google:endpoint=http://127.0.0.1:1,speed=fast", "--tts google: speed=fast is not a number"},
		{"tts", "google:endpoint=http://127.0.0.1:1,speed=3", "a speed of 3"},
		{"tts", "google:endpoint=http://127.0.0.1:1,rate=-1", "rate=-1 is not a whole number"},
		{"tts", "aws:region=eu-west-1,rate=24000", "16000 and 8000 Hz, not 24000"},
		{"tts", "aws:region=eu-west-1,model=neural,stream=true", `generative only, not "neural"`},
		{"tts", "openai:url=localhost:8000", "base URL must be like"},
		{"tts", "openai:url=http://127.0.0.1:1/v1,rate=some", "--tts openai: rate=some is not a whole number"},
		{"llm", "anthropic:url=http://127.0.0.1:1", "model=NAME is needed, as in --llm anthropic:model="},
		{"llm", "anthropic:model=x", "ANTHROPIC_API_KEY is not set"},
		{"llm", "anthropic:url=localhost:8000,model=x", "base URL must be like"},
		{"llm", "anthropic:url=http://127.0.0.1:1,model=x,temperature=2", "a temperature of 2, and it is 0 to 1"},
		{"llm", "anthropic:url=http://127.0.0.1:1,model=x,key=x", "--llm anthropic has no option key: it knows url, model, temperature"},
		{"llm", "completions", "OPENAI_API_KEY is not set"},
		{"llm", "completions:url=http://127.0.0.1:1/v1,context=big", "--llm completions: context=big is not a whole number"},
		{"llm", "completions:url=http://127.0.0.1:1/v1,user=A,agent=A", "the speakers need two names"},
		{"llm", "gptj:temperature=-1", "--llm gptj: temperature=-1 is not a number from 0 on"},
		{"llm", "gptj:temperature=NaN", "temperature=NaN is not a number from 0 on"},
		{"llm", "gptj:model=x", "--llm gptj has no option model: it knows url, user, agent, temperature"},
	} {
		if _, err := openNamed(t, c.flag, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("--%s %s: %v, want %q", c.flag, c.value, err, c.want)
		}
	}
}

// What a flag says is what the server is asked.
func TestVendorsPassTheirOptionsOn(t *testing.T) {
	away(t)
	for _, c := range []struct {
		flag, value string
		want        []string
	}{
		{"llm", "completions:model=base,user=Guest,agent=Host,temperature=0.25,url=", []string{"/completions", `"model":"base"`, `Guest: Hello?\nHost:`, `"temperature":0.25`}},
		{"llm", "anthropic:model=claude-haiku-4-5,temperature=0.25,url=", []string{"/v1/messages", `"model":"claude-haiku-4-5"`, `"text":"Hello?"`, `"temperature":0.25`, `"max_tokens":300`}},
		{"llm", "gptj:user=Guest,agent=Host,temperature=0.25,url=", []string{"/generate", "Guest: Hello?\nHost:", "temperature=0.25"}},
		{"tts", "openai:model=kokoro,voice=sky,instructions=calm,speed=1.5,url=", []string{"/audio/speech", `"model":"kokoro"`, `"voice":"sky"`, `"instructions":"calm"`, `"speed":1.5`}},
		{"tts", "aws:region=eu-west-1,voice=Amy,model=standard,language=en-GB,rate=8000,endpoint=",
			[]string{"/v1/speech", `"VoiceId":"Amy"`, `"Engine":"standard"`, `"LanguageCode":"en-GB"`, `"SampleRate":"8000"`}},
	} {
		asked := question(t, c.flag, c.value)
		for _, want := range c.want {
			if !strings.Contains(asked, want) {
				t.Errorf("--%s %s asked %q, which has no %s", c.flag, c.value, asked, want)
			}
		}
	}
}

// question is what the engine of a flag asks its server, whose address is put behind value.
func question(t *testing.T, flag, value string) (asked string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		query, _ := url.QueryUnescape(r.URL.RawQuery)
		asked = r.URL.Path + " " + query + string(body)
		http.Error(w, "enough", http.StatusBadRequest)
	}))
	e, err := openNamed(t, flag, value+server.URL)
	if err != nil {
		t.Fatal(err)
	}
	switch e := e.(type) {
	case llm.Model:
		for range e.Generate(t.Context(), llm.Request{Messages: []llm.Message{{Role: llm.User, Text: "Hello?"}}}) {
		}
	case tts.Voice:
		for range e.Speak(t.Context(), func(context.Context) iter.Seq[string] { return slices.Values([]string{"Hello."}) }) {
		}
	}
	server.Close() // which waits for the handler
	return asked
}
