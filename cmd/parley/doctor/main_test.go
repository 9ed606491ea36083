package doctor

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/agent/vad"
	"parley/cmd/parley/serve"
	"parley/internal/models"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// healthy is a computer on which everything is as it should be, and quick to answer.
func healthy() *patient {
	p := &patient{
		network: serve.Network{Listen: "127.0.0.1:8321", Media: "auto"},
		engines: serve.Engines{STT: []string{"local"}, LLM: []string{"local:model=/models/own.gguf,server=/models/llama-server"}, TTS: []string{"local"}, VAD: "neural", Models: "/models"},
		world: world{
			system: "linux/amd64", cores: 2,
			memory:  func() int64 { return 8e9 },
			disk:    func(string) (int64, error) { return 20e9, nil },
			size:    func(string) (int64, error) { return 500e6, nil },
			missing: func(string, models.Set) []models.File { return nil },
			verify:  func(context.Context, string, models.Set) error { return nil },
			runtime: func(string) (string, error) { return "1.28.2", nil },
			program: func(context.Context, string) (string, error) { return "version 1.51", nil },
			listen:  func(string, string) error { return nil },
			echo:    func(context.Context) (time.Duration, error) { return ms, nil },
			page:    func() bool { return true },
		},
	}
	p.opens(quickParts())
	return p
}

func (p *patient) opens(parts serve.Parts) {
	p.open = func(context.Context, serve.Engines, *slog.Logger) (serve.Parts, func(), error) {
		return parts, func() {}, nil
	}
}

// quickParts are engines that work and take little of a bubble's time.
func quickParts() serve.Parts {
	return serve.Parts{
		Voice: voiceOf(50*ms, 3*time.Second), Recognizer: recognizerOf(100*ms, spoken), Model: modelOf(100*ms, 50*ms, 20),
		Detector: detectorOf(0, nil), Finisher: finisherOf{took: 50 * ms},
	}
}

// voiceOf takes a time for sound of a length.
func voiceOf(took, lasts time.Duration) tts.Voice {
	return tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			time.Sleep(took)
			pcm := make([]int16, lasts*media.ListenRate/time.Second)
			yield(tts.Audio{Frame: media.Frame{Rate: media.ListenRate, PCM: pcm}}, nil)
		}
	})
}

// recognizerOf takes a time after the flush.
func recognizerOf(took time.Duration, text string) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			for a := range in(ctx) {
				if a.Flush {
					time.Sleep(took)
					yield(stt.Result{Kind: stt.Final, Text: text}, nil)
					return
				}
			}
		}
	})
}

// modelOf gives n tokens.
func modelOf(first, gap time.Duration, n int) llm.Model {
	return llm.ModelFunc(func(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
		return func(yield func(llm.Delta, error) bool) {
			time.Sleep(first)
			for i := range n {
				if i > 0 {
					time.Sleep(gap)
				}
				if !yield(llm.Delta{Text: "word "}, nil) {
					return
				}
			}
			_ = yield(llm.Delta{Usage: &llm.Usage{Completion: n}}, nil) && yield(llm.Delta{End: llm.Stop}, nil)
		}
	})
}

// warm is a model that says whether it is there.
type warm struct {
	llm.Model
	err error
}

func (w warm) Warm(context.Context, llm.Request) error { return w.err }

type hops struct {
	took time.Duration
	err  error
}

func (h hops) Score(media.Frame) ([]vad.Score, error) {
	time.Sleep(h.took)
	return make([]vad.Score, 1), h.err
}

func detectorOf(took time.Duration, err error) vad.Detector {
	return vad.DetectorFunc(func() vad.Stream { return hops{took, err} })
}

type finisherOf struct {
	took time.Duration
	err  error
}

func (f finisherOf) Finished([]int16) (float32, error) {
	time.Sleep(f.took)
	return 1, f.err
}

var errBroken = errors.New("it is broken")

func brokenVoice(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) { yield(tts.Audio{}, errBroken) }
}

func brokenRecognizer(context.Context, media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) { yield(stt.Result{}, errBroken) }
}

func brokenModel(context.Context, llm.Request) iter.Seq2[llm.Delta, error] {
	return func(yield func(llm.Delta, error) bool) { yield(llm.Delta{}, errBroken) }
}

var modelFails = llm.ModelFunc(brokenModel)

func failsToOpen(context.Context, serve.Engines, *slog.Logger) (serve.Parts, func(), error) {
	return serve.Parts{}, nil, errBroken
}
