package serve

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/internal/provider"
)

func TestPrices(t *testing.T) {
	var out bytes.Buffer
	p, err := readPrices("", slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		used agent.Used
		usd  float64
	}{
		{agent.Used{Stage: "llm", Provider: "openai gpt-4o-mini", Prompt: 1e6, Cached: 4e5, Completion: 1e6}, 0.6*0.15 + 0.4*0.075 + 0.6},
		{agent.Used{Stage: "llm", Provider: "openai gpt-4o-mini-2024-07-18", Completion: 1e6}, 0.6},
		{agent.Used{Stage: "llm", Provider: "completions", Prompt: 1e6}, 1.5},
		{agent.Used{Stage: "llm", Provider: "local own.gguf", Prompt: 1e6}, 0},
		{agent.Used{Stage: "tts", Provider: "aws", Characters: 1e6}, 16},
		{agent.Used{Stage: "tts", Provider: "aws generative (again)", Characters: 1e6}, 30},
		{agent.Used{Stage: "stt", Provider: "google-v2 chirp_3", Audio: 10 * time.Minute}, 0.16},
		{agent.Used{Stage: "stt", Provider: "openai", Audio: time.Minute}, 0.003},
	} {
		if got := p.of(c.used); math.Abs(got-c.usd) > 1e-9 {
			t.Errorf("%+v costs %v, want %v", c.used, got, c.usd)
		}
	}
	if out.Len() > 0 {
		t.Errorf("logged %s", out.String())
	}
	for range 3 {
		if usd := p.of(agent.Used{Stage: "llm", Provider: "openai of-my-own", Prompt: 1e6}); usd != 0 {
			t.Errorf("an unknown model costs %v", usd)
		}
	}
	if n := strings.Count(out.String(), "no price is known"); n != 1 {
		t.Errorf("told %d times: %s", n, out.String())
	}
}

// Every engine that can be chosen has a price, if only that of nothing.
func TestEveryEngineHasAPrice(t *testing.T) {
	p, err := readPrices("", nil)
	if err != nil {
		t.Fatal(err)
	}
	priced := map[string]bool{}
	for _, r := range p.Rows {
		priced[r.Stage+" "+r.Provider] = true
	}
	for _, a := range Adapters() {
		if a.Kind != "vad" && !priced[a.Kind+" "+a.Name] {
			t.Errorf("--%s %s has no row", a.Kind, a.Name)
		}
		delete(priced, a.Kind+" "+a.Name)
	}
	if len(priced) > 0 {
		t.Errorf("rows of engines that are not there: %v", priced)
	}
}

func TestBadPrices(t *testing.T) {
	for text, want := range map[string]string{
		`[`: "unexpected end", `{"date": "soon"}`: "2026-01-31", `{"date": "2026-01-31", "rows": [{"stage": "llm"}]}`: "row 1",
		`{"date": "2026-01-31", "rows": [{"stage": "llm", "provider": "x", "prompt": -1}]}`: "0 or more",
		`{"date": "2026-01-31", "rows": [{"stage": "vad", "provider": "x"}]}`:               "stt, llm or tts",
	} {
		file := filepath.Join(t.TempDir(), "prices.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readPrices(file, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--prices") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := readPrices("/no/such/file", nil); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func FuzzPrices(f *testing.F) {
	f.Add(`{"date": "2026-01-31", "rows": [{"stage": "llm", "provider": "x", "model": "*", "prompt": 1}]}`)
	file := filepath.Join(f.TempDir(), "prices.json")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := readPrices(file, slog.New(slog.DiscardHandler))
		if err != nil {
			return
		}
		if usd := p.of(agent.Used{Stage: "llm", Provider: "x", Prompt: 5}); usd < 0 || math.IsNaN(usd) {
			t.Errorf("%v dollars by %s", usd, text)
		}
	})
}

func TestAccount(t *testing.T) {
	a := &account{price: func(u agent.Used) float64 { return float64(u.Prompt) }}
	a.take(provider.Note{Stage: "llm", Failed: provider.ErrQuota})
	a.take(provider.Note{Stage: "llm", Used: &provider.Usage{Prompt: 2, Completion: 1}})
	a.take(provider.Note{Stage: "stt", Used: &provider.Usage{Audio: time.Second}})
	got := a.LogValue().String()
	if want := "[usd=2 prompt=2 cached=0 completion=1 characters=0 audio=1s requests=2 guessed=false]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
