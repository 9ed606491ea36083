package serve

import (
	"context"

	"parley/internal/models"
	"parley/tts"
	ttsaws "parley/tts/aws"
	ttsgoogle "parley/tts/google"
	ttslocal "parley/tts/local"
	ttsopenai "parley/tts/openai"
	"parley/tts/tone"
)

var voices = []engine[tts.Voice]{
	{"local", "Piper, English, on this computer", need(models.Runtime | models.Voice), 2, func(_ context.Context, k *kit, s *spec) (tts.Voice, error) {
		return openVoice(k, ttslocal.Options{Library: k.path(models.RuntimeFile), Model: s.text("model", k.path(models.VoiceFile))})
	}},
	{"espeak", "espeak-ng's own voice, robotic", nothing, 20, func(_ context.Context, k *kit, _ *spec) (tts.Voice, error) {
		return openVoice(k, ttslocal.Options{})
	}},
	{"google", "Google Cloud; voice=, language=", nothing, light, openGoogleVoice},
	{"aws", "Amazon Polly; voice=, region=", nothing, light, openAmazonVoice},
	{"openai", "any compatible server; url=, model=, voice=, key from OPENAI_API_KEY", nothing, light, openOpenAIVoice},
	{"tone", "a stub that hums", nothing, light, func(context.Context, *kit, *spec) (tts.Voice, error) { return tone.Voice{}, nil }},
}

func openVoice(k *kit, o ttslocal.Options) (tts.Voice, error) {
	v, err := ttslocal.New(o)
	if err != nil {
		return nil, err
	}
	k.onClose(v.Close)
	return v, nil
}

func openGoogleVoice(_ context.Context, k *kit, s *spec) (tts.Voice, error) {
	v, err := ttsgoogle.New(ttsgoogle.Options{
		Voice:       s.text("voice", ""),
		Language:    s.text("language", ""),
		Rate:        s.number("rate", 0),
		Speed:       s.float("speed", 0),
		Endpoint:    s.text("endpoint", ""),
		Credentials: s.text("credentials", ""),
	})
	if err != nil {
		return nil, err
	}
	k.onClose(v.Close)
	return v, nil
}

func openAmazonVoice(_ context.Context, k *kit, s *spec) (tts.Voice, error) {
	v, err := ttsaws.New(ttsaws.Options{
		Region:   s.text("region", ""),
		Endpoint: s.text("endpoint", ""),
		Name:     s.text("voice", ""),
		Engine:   s.text("model", ""),
		Language: s.text("language", ""),
		Rate:     s.number("rate", 0),
		Words:    s.flagged("words", false),
		Stream:   s.flagged("stream", false),
		Logger:   k.log,
	})
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(v.Close))
	return v, nil
}

func openOpenAIVoice(_ context.Context, k *kit, s *spec) (tts.Voice, error) {
	v, err := ttsopenai.New(ttsopenai.Options{
		BaseURL:      s.text("url", ""),
		Model:        s.text("model", ""),
		Voice:        s.text("voice", ""),
		Instructions: s.text("instructions", ""),
		Speed:        s.float("speed", 0),
		Rate:         s.number("rate", 0),
		Events:       s.flagged("events", false),
	})
	if err != nil {
		return nil, err
	}
	k.onClose(quiet(v.Close))
	return v, nil
}
