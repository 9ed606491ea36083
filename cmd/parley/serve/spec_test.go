package serve

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParseSpec(t *testing.T) {
	s, err := parseSpec("llm", `script:answers=Hello\, you.|And you?,first=200ms,n=3,x=0.5,on=true`)
	if err != nil {
		t.Fatal(err)
	}
	if s.name != "script" || strings.Join(s.lines("answers"), "/") != "Hello, you./And you?" || s.duration("first", 0) != 200*time.Millisecond ||
		s.number("n", 0) != 3 || s.float("x", 0) != 0.5 || !s.flagged("on", false) || s.number("absent", 7) != 7 {
		t.Errorf("%+v", s.values)
	}
	if err := s.done(); err != nil {
		t.Error(err)
	}
}

func TestBadSpecs(t *testing.T) {
	for value, want := range map[string]string{
		"script:answers":      "is not key=value",
		"script:a=1,a=2":      "given twice",
		"script:colour=green": "has no option colour: it knows answers, first, gap",
		"script:first=soon":   "first=soon is not a duration",
		"echo:loud=yes":       "has no option loud: it has no options",
		"gpt":                 `there is no "gpt"; known are local, openai, anthropic, completions, gptj, echo, script`,
		"openai:url=http://x": "model=NAME is needed",
	} {
		_, err := openOne(t, value)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", value, err, want)
		}
	}
	if _, err := openOne(t, "script:answers=Yes."); err != nil {
		t.Error(err)
	}
}

func openOne(t *testing.T, value string) (any, error) { return openIn(t, languageModels, "llm", value) }

func openIn[T any](t *testing.T, table []engine[T], flag, value string) (any, error) {
	e, s, err := find(table, flag, value)
	if err != nil {
		return nil, err
	}
	k := &kit{log: slog.New(slog.DiscardHandler)}
	t.Cleanup(k.close)
	return opened(t.Context(), k, e, s)
}

func FuzzParseSpec(f *testing.F) {
	f.Add(`script:answers=Hello\, you.|And you?,first=200ms`)
	f.Add(`:,=\`)
	f.Fuzz(func(t *testing.T, value string) {
		s, err := parseSpec("llm", value)
		if err != nil {
			return
		}
		for key := range s.values {
			if key == "" {
				t.Error("a value without a key")
			}
			s.text(key, "")
		}
		if err := s.done(); err != nil {
			t.Error(err)
		}
	})
}

func TestVarsNameEveryEngine(t *testing.T) {
	v := Vars()
	for flag, names := range map[string][]string{
		"stt": {"local", "google", "google-v2", "aws", "openai", "script"},
		"llm": {"local", "openai", "completions", "gptj", "echo", "script"},
		"tts": {"local", "espeak", "google", "aws", "openai", "tone"},
		"vad": {"neural", "energy"},
	} {
		for _, n := range names {
			if !strings.Contains(v[flag], n+" (") {
				t.Errorf("--%s does not tell of %s", flag, n)
			}
		}
	}
}

func TestSelfSigned(t *testing.T) {
	c, scheme, err := certificate("self", "parley.test:443")
	if err != nil || scheme != "https" || len(c.Certificates) != 1 {
		t.Fatalf("%v %v", scheme, err)
	}
	for _, bad := range []string{"cert.pem", "no-such.pem,nor-this.pem"} {
		if _, _, err := certificate(bad, ":443"); err == nil {
			t.Errorf("--tls %s was taken", bad)
		}
	}
}
