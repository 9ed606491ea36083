package serve

import (
	"context"
	"fmt"
	"math"
	"os/exec"

	fetch "parley/cmd/parley/models"
	"parley/internal/models"
	"parley/llm"
	"parley/llm/anthropic"
	"parley/llm/completions"
	"parley/llm/gptj"
	llmlocal "parley/llm/local"
	"parley/llm/openai"
	llmscript "parley/llm/script"
)

var languageModels = []engine[llm.Model]{
	{"local", "llama.cpp on this computer; model=FILE.gguf", localNeeds, heavy, openLlama},
	{"openai", "any compatible server; url=, model=, key from OPENAI_API_KEY", nothing, light, openOpenAI},
	{"anthropic", "Anthropic's models; model=, key from ANTHROPIC_API_KEY", nothing, light, openAnthropic},
	{"completions", "any server of legacy completions; url=, model=, key from OPENAI_API_KEY", nothing, light, openCompletions},
	{"gptj", "a GPT-J server; url=", nothing, light, openGPTJ},
	{"echo", "a stub that repeats what it hears", nothing, light, func(context.Context, *kit, *spec) (llm.Model, error) { return llmscript.Echo(), nil }},
	{"script", "a stub that says answers=A|B|…", nothing, light, func(_ context.Context, _ *kit, s *spec) (llm.Model, error) {
		return llmscript.New(llmscript.Options{Answers: s.lines("answers"), First: s.duration("first", 0), Gap: s.duration("gap", 0)}), nil
	}},
}

// localNeeds is the language model that fits into memory, unless the flag names a file, and the program that
// runs it, unless there is one.
func localNeeds(s *spec) (set models.Set, why string) {
	if s.text("model", "") == "" {
		set, why = fetch.Choose()
	}
	if _, err := exec.LookPath(llmlocal.Program); err != nil && s.text("server", "") == "" {
		set |= models.Server
	}
	return set, why
}

func openLlama(ctx context.Context, k *kit, s *spec) (llm.Model, error) {
	o := llmlocal.Options{
		Program: s.text("server", llamaServer(k)),
		Model:   s.text("model", k.path(languageFile(k.chosen))),
		Threads: s.number("threads", 0),
		Slots:   k.slots,
		Logger:  k.log,
	}
	if o.Program == k.path(models.ServerFile) {
		o.Portable = k.path(models.PortableDir)
	}
	server, err := llmlocal.New(o)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		if err := server.Run(run); err != nil && run.Err() == nil {
			k.log.Error("the language model's server is gone for good", "err", err)
		}
	}()
	k.onClose(func() error {
		stop()
		<-ended
		return nil
	})
	url, err := server.Ready(ctx)
	if err != nil {
		return nil, err
	}
	temperature := s.float("temperature", 0.3)
	return openai.New(openai.Options{BaseURL: url + "/v1", Local: true, Temperature: &temperature})
}

// languageFile is the fetched language model.
func languageFile(set models.Set) string {
	if set.Has(models.Large) {
		return models.LargeFile
	}
	return models.SmallFile
}

// llamaServer is the program: one on the PATH before the fetched one.
func llamaServer(k *kit) string {
	if path, err := exec.LookPath(llmlocal.Program); err == nil {
		return path
	}
	return k.path(models.ServerFile)
}

// temperature is nil where the flag gives none.
func temperature(s *spec) *float64 {
	t := s.float("temperature", -1)
	v := s.values["temperature"]
	if v == "" {
		return nil
	}
	if !(t >= 0) || math.IsInf(t, 1) {
		s.fail("temperature", v, "a number from 0 on")
	}
	return &t
}

func openOpenAI(_ context.Context, _ *kit, s *spec) (llm.Model, error) {
	o := openai.Options{BaseURL: s.text("url", ""), Model: s.text("model", ""), Temperature: temperature(s)}
	if o.Model == "" {
		return nil, fmt.Errorf("model=NAME is needed, as in --llm openai:model=gpt-4o-mini")
	}
	return openai.New(o)
}

func openAnthropic(_ context.Context, k *kit, s *spec) (llm.Model, error) {
	o := anthropic.Options{BaseURL: s.text("url", ""), Model: s.text("model", ""), Temperature: temperature(s)}
	if o.Model == "" {
		return nil, fmt.Errorf("model=NAME is needed, as in --llm anthropic:model=claude-haiku-4-5")
	}
	m, err := anthropic.New(o)
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(m.Close))
	return m, nil
}

func openCompletions(_ context.Context, k *kit, s *spec) (llm.Model, error) {
	m, err := completions.New(completions.Options{
		BaseURL:     s.text("url", ""),
		Model:       s.text("model", ""),
		User:        s.text("user", ""),
		Agent:       s.text("agent", ""),
		Context:     s.number("context", 0),
		Temperature: temperature(s),
	})
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(m.Close))
	return m, nil
}

func openGPTJ(_ context.Context, k *kit, s *spec) (llm.Model, error) {
	m, err := gptj.New(gptj.Options{
		BaseURL:     s.text("url", ""),
		User:        s.text("user", ""),
		Agent:       s.text("agent", ""),
		Temperature: temperature(s),
	})
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(m.Close))
	return m, nil
}
