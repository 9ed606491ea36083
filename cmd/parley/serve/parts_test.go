package serve

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/models"
)

func TestNeeds(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no llama-server there
	cases := []struct {
		engines      Engines
		models       models.Set
		server, file string
	}{
		{Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy"}, 0, "", ""},
		{Engines{STT: []string{"script:lines=a|b"}, LLM: []string{"openai:model=x"}, TTS: []string{"espeak"}, VAD: "neural"}, models.Runtime | models.Turns, "", ""},
		{Engines{STT: []string{"local"}, LLM: []string{"local:model=/a.gguf"}, TTS: []string{"local"}, VAD: "neural", Models: "/m"},
			models.Speech | models.Server, "/m/llm/server/bin/llama-server", "/a.gguf"},
		{Engines{STT: []string{"script"}, LLM: []string{"local:model=/a.gguf,server=/b"}, TTS: []string{"tone"}, VAD: "energy", Models: "/m"}, 0, "/b", "/a.gguf"},
	}
	for _, c := range cases {
		n, err := c.engines.Needs()
		if err != nil {
			t.Errorf("%+v: %v", c.engines, err)
		}
		if n.Models != c.models || n.Server != c.server || n.File != c.file || n.Callers < 1 || n.Why != "" {
			t.Errorf("%+v needs %v: %+v", c.engines, n.Models, n)
		}
	}
}

// Without a file named, the one is taken that fits into memory, and the reason is told.
func TestNeedsOfTheFetchedLanguageModel(t *testing.T) {
	n, err := Engines{STT: []string{"script"}, LLM: []string{"local"}, TTS: []string{"tone"}, VAD: "energy", Models: "/m"}.Needs()
	if err != nil {
		t.Fatal(err)
	}
	large, small := n.Models.Has(models.Large), n.Models.Has(models.Small)
	if large == small || n.Why == "" || !strings.HasPrefix(n.File, "/m/llm/qwen") || strings.Contains(n.File, "1.5b") != large {
		t.Errorf("%+v", n)
	}
}

func TestNeedsNamesWhatIsWrong(t *testing.T) {
	_, err := Engines{STT: []string{"ear"}, LLM: []string{"brain"}, TTS: []string{"mouth"}, VAD: "neural"}.Needs()
	for _, want := range []string{`--stt: there is no "ear"`, `--llm: there is no "brain"`, `--tts: there is no "mouth"`, "known are local, espeak, google, aws, openai, tone"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

func TestOpen(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	p, closeAll, err := Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy"}.Open(t.Context(), log)
	if err != nil || p.Recognizer == nil || p.Model == nil || p.Voice == nil || p.Detector == nil || p.Finisher != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	closeAll()
	_, _, err = Engines{STT: []string{"local"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy", Models: t.TempDir()}.Open(t.Context(), log)
	if err == nil || !strings.Contains(err.Error(), "parley models fetch") {
		t.Errorf("without models: %v", err)
	}
}

func TestAudio(t *testing.T) {
	cases := []struct {
		listen, media, want string
		orAny               bool
	}{
		{"127.0.0.1:8321", "auto", "127.0.0.1:7882", true},
		{"localhost:8321", "auto", "127.0.0.1:7882", true},
		{":443", "auto", ":7882", true},
		{"[::1]:443", "auto", "[::1]:7882", true},
		{"nonsense", "10.0.0.1:1", "10.0.0.1:1", false},
	}
	for _, c := range cases {
		addr, orAny, err := Network{Listen: c.listen, Media: c.media}.Audio()
		if addr != c.want || orAny != c.orAny || err != nil {
			t.Errorf("%s, %s: %s, %v, %v", c.listen, c.media, addr, orAny, err)
		}
	}
	if _, _, err := (Network{Listen: "nonsense", Media: "auto"}).Audio(); err == nil || !strings.Contains(err.Error(), "--listen nonsense") {
		t.Error(err)
	}
}

func TestCertificate(t *testing.T) {
	if c, err := (Network{}).Certificate(); c != nil || err != nil {
		t.Errorf("%v, %v", c, err)
	}
	if c, err := (Network{TLS: "self", Listen: "talk.example:443"}).Certificate(); err != nil || len(c.Certificates) != 1 {
		t.Errorf("%v, %v", c, err)
	}
	file := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(file, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"one": "separated by a comma", file + "," + file: "PEM", "/no/a,/no/b": "no such file"} {
		if _, err := (Network{TLS: flag}).Certificate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--tls %s: %v", flag, err)
		}
	}
}
