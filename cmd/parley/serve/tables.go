package serve

import (
	"context"
	"fmt"
	"os/exec"

	"parley/agent/vad"
	fetch "parley/cmd/parley/models"
	"parley/internal/models"
	"parley/llm"
	llmlocal "parley/llm/local"
	"parley/llm/openai"
	llmscript "parley/llm/script"
	"parley/stt"
	sttlocal "parley/stt/local"
	sttscript "parley/stt/script"
	"parley/tts"
	ttslocal "parley/tts/local"
	"parley/tts/tone"
)

// How many callers a core carries: with engines that cost it next to nothing, and with those that compute
// on it.
const (
	light = 200
	heavy = 0.5 // a local language model: one conversation on two cores
)

var recognizers = []engine[stt.Recognizer]{
	{"local", "Moonshine, English, on this computer", need(models.Runtime | models.Recognizer), 3, openMoonshine},
	{"script", "a stub that hears lines=A|B|…", nothing, light, func(_ context.Context, _ *kit, s *spec) (stt.Recognizer, error) {
		return sttscript.New(sttscript.Options{Lines: s.lines("lines")}), nil
	}},
}

var languageModels = []engine[llm.Model]{
	{"local", "llama.cpp on this computer; model=FILE.gguf", localNeeds, heavy, openLlama},
	{"openai", "any compatible server; url=, model=, key from OPENAI_API_KEY", nothing, light, openOpenAI},
	{"echo", "a stub that repeats what it hears", nothing, light, func(context.Context, *kit, *spec) (llm.Model, error) { return llmscript.Echo(), nil }},
	{"script", "a stub that says answers=A|B|…", nothing, light, func(_ context.Context, _ *kit, s *spec) (llm.Model, error) {
		return llmscript.New(llmscript.Options{Answers: s.lines("answers"), First: s.duration("first", 0), Gap: s.duration("gap", 0)}), nil
	}},
}

var voices = []engine[tts.Voice]{
	{"local", "Piper, English, on this computer", need(models.Runtime | models.Voice), 2, func(_ context.Context, k *kit, s *spec) (tts.Voice, error) {
		return openVoice(k, ttslocal.Options{Library: k.path(models.RuntimeFile), Model: s.text("model", k.path(models.VoiceFile))})
	}},
	{"espeak", "espeak-ng's own voice, robotic", nothing, 20, func(_ context.Context, k *kit, _ *spec) (tts.Voice, error) {
		return openVoice(k, ttslocal.Options{})
	}},
	{"tone", "a stub that hums", nothing, light, func(context.Context, *kit, *spec) (tts.Voice, error) { return tone.Voice{}, nil }},
}

var detectors = []engine[ears]{
	{"neural", "Silero and Smart Turn; turns=false for the first alone", need(models.Runtime | models.Turns), 60, openNeural},
	{"energy", "loudness; threshold=DBFS", nothing, light, func(_ context.Context, _ *kit, s *spec) (ears, error) {
		return ears{detector: vad.Energy{Threshold: float32(s.float("threshold", 0))}}, nil
	}},
}

func openNeural(_ context.Context, k *kit, s *spec) (ears, error) {
	silero, err := vad.NewSilero(k.path(models.SileroFile))
	if err != nil {
		return ears{}, err
	}
	k.onClose(silero.Close)
	e := ears{detector: vad.Gate(silero)}
	if !s.flagged("turns", true) {
		return e, nil
	}
	smart, err := vad.NewSmartTurn(k.path(models.SmartTurnFile))
	if err != nil {
		return ears{}, err
	}
	k.onClose(smart.Close)
	e.finisher = smart
	return e, nil
}

func openMoonshine(ctx context.Context, k *kit, s *spec) (stt.Recognizer, error) {
	o := sttlocal.Options{Library: k.path(models.RuntimeFile), Base: k.path(models.BaseInt8Dir), Tiny: k.path(models.TinyDir), Partials: s.flagged("partials", true)}
	if s.flagged("small", false) {
		o.Base = ""
	}
	r, err := sttlocal.New(o)
	if err != nil {
		return nil, err
	}
	k.onClose(r.Close)
	return r, r.Warm(ctx)
}

func openVoice(k *kit, o ttslocal.Options) (tts.Voice, error) {
	v, err := ttslocal.New(o)
	if err != nil {
		return nil, err
	}
	k.onClose(v.Close)
	return v, nil
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

func openOpenAI(_ context.Context, _ *kit, s *spec) (llm.Model, error) {
	o := openai.Options{BaseURL: s.text("url", ""), Model: s.text("model", "")}
	if t := s.float("temperature", -1); t >= 0 {
		o.Temperature = &t
	}
	if o.Model == "" {
		return nil, fmt.Errorf("model=NAME is needed, as in --llm openai:model=gpt-4o-mini")
	}
	return openai.New(o)
}
