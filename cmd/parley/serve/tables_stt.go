package serve

import (
	"context"

	"parley/internal/models"
	"parley/stt"
	sttaws "parley/stt/aws"
	sttgoogle "parley/stt/google"
	sttlocal "parley/stt/local"
	sttopenai "parley/stt/openai"
	sttrealtime "parley/stt/realtime"
	sttscript "parley/stt/script"
)

var recognizers = []engine[stt.Recognizer]{
	{"local", "Moonshine, English, on this computer", need(models.Runtime | models.Recognizer), 3, openMoonshine},
	{"google", "Google Cloud; language=, model=", nothing, light, func(_ context.Context, k *kit, s *spec) (stt.Recognizer, error) {
		return openGoogleEar(k, s, sttgoogle.Options{Version: 1})
	}},
	{"google-v2", "Google Cloud's version 2, Chirp; location=, language=, model=", nothing, light, openGoogleEar2},
	{"aws", "Amazon Transcribe; region=, language=", nothing, light, openAmazonEar},
	{"openai", "any compatible server; url=, model=, key from OPENAI_API_KEY", nothing, light, openOpenAIEar},
	{"openai-realtime", "OpenAI's Realtime transcription; language=, model=, key from OPENAI_API_KEY", nothing, light, openRealtimeEar},
	{"script", "a stub that hears lines=A|B|…", nothing, light, func(_ context.Context, _ *kit, s *spec) (stt.Recognizer, error) {
		return sttscript.New(sttscript.Options{Lines: s.lines("lines")}), nil
	}},
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

// openGoogleEar opens the version that o names.
func openGoogleEar(k *kit, s *spec, o sttgoogle.Options) (stt.Recognizer, error) {
	o.Language = s.text("language", "")
	o.Model = s.text("model", "")
	o.Words = s.flagged("words", false)
	o.Endpoint = s.text("endpoint", "")
	o.Credentials = s.text("credentials", "")
	o.Rotate = s.duration("rotate", 0)
	r, err := sttgoogle.New(o)
	if err != nil {
		return nil, err
	}
	k.onClose(r.Close)
	return r, nil
}

func openGoogleEar2(_ context.Context, k *kit, s *spec) (stt.Recognizer, error) {
	cloud := sttgoogle.Cloud{Project: s.text("project", ""), Location: s.text("location", ""), Recognizer: s.text("recognizer", "")}
	return openGoogleEar(k, s, sttgoogle.Options{Version: 2, Cloud: cloud})
}

func openAmazonEar(_ context.Context, k *kit, s *spec) (stt.Recognizer, error) {
	r, err := sttaws.New(sttaws.Options{
		Region:    s.text("region", ""),
		Endpoint:  s.text("endpoint", ""),
		Language:  s.text("language", ""),
		Stability: s.text("stability", ""),
		Sign:      s.flagged("sign", false),
		Times:     sttaws.Times{Rotate: s.duration("rotate", 0)},
		Logger:    k.log,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func openOpenAIEar(_ context.Context, k *kit, s *spec) (stt.Recognizer, error) {
	r, err := sttopenai.New(sttopenai.Options{
		BaseURL:  s.text("url", ""),
		Model:    s.text("model", ""),
		Language: s.text("language", ""),
		Prompt:   s.text("prompt", ""),
		Stream:   s.flagged("stream", false),
		Words:    s.flagged("words", false),
	})
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(r.Close))
	return r, nil
}

func openRealtimeEar(_ context.Context, k *kit, s *spec) (stt.Recognizer, error) {
	r, err := sttrealtime.New(sttrealtime.Options{
		BaseURL:  s.text("url", ""),
		Model:    s.text("model", ""),
		Language: s.text("language", ""),
		Prompt:   s.text("prompt", ""),
		Delay:    s.text("delay", ""),
		Noise:    s.text("noise", ""),
		Rotate:   s.duration("rotate", 0),
		Logger:   k.log,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
