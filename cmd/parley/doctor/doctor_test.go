package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"parley/cmd/parley/serve"
	"parley/internal/models"
	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// without makes the files of a set missing.
func without(set models.Set) func(string, models.Set) []models.File {
	return func(_ string, want models.Set) (all []models.File) {
		for _, b := range models.Wanted(models.Table, want&set) {
			all = append(all, b.Files...)
			for _, m := range b.Made {
				all = append(all, models.File{Path: m})
			}
		}
		return all
	}
}

func taken(network string) func(string, string) error {
	return func(n, addr string) error {
		if n == network {
			return fmt.Errorf("listen %s %s: %w", n, addr, syscall.EADDRINUSE)
		}
		return nil
	}
}

func refuses(program string, err error) func(context.Context, string) (string, error) {
	return func(_ context.Context, path string) (string, error) {
		if strings.HasSuffix(path, program) {
			return "", err
		}
		return "version 1", nil
	}
}

// ailments are what can be wrong with a computer: what is found, and what mends it.
var ailments = []struct {
	name        string
	wrong       func(p *patient)
	check       string
	state       State
	found, mend string
}{
	{"unknown engine", func(p *patient) { p.engines.TTS = []string{"tenor"} }, "engines", Fail, `there is no "tenor"; known are local, espeak, google, aws, openai, tone`, "serve --help"},
	{"wrong option", func(p *patient) { p.engines.STT = []string{"local:fast"} }, "engines", Fail, `"fast" is not key=value`, "serve --help"},
	{"another system", func(p *patient) { p.system = "linux/arm64" }, "computer", Fail, "linux/arm64", "--stt, --llm, --tts and --vad"},
	{"no models folder", func(p *patient) { p.missing = without(models.Speech) }, "models", Fail, "5 of 5 models (0.2 GB to fetch) are missing in /models", "parley models fetch --llm none --dir /models"},
	{"no voice", func(p *patient) { p.missing = without(models.Voice) }, "models", Fail, "text to speech: Piper, the voice joe, English: missing in /models", "parley models fetch"},
	{"damaged model", func(p *patient) {
		p.verify = func(context.Context, string, models.Set) error {
			return fmt.Errorf("verify tts/x: %w", models.ErrCorrupt)
		}
	}, "models", Fail, "wrong content", "parley models fetch --llm none --dir /models"},
	{"full disk", func(p *patient) {
		p.missing = without(models.Speech)
		p.disk = func(string) (int64, error) { return 100e6, nil }
	}, "disk", Fail, "0.1 GB free for the models, 1.0 GB needed", "PARLEY_MODELS"},
	{"unknown disk", func(p *patient) {
		p.missing = without(models.Speech)
		p.disk = func(string) (int64, error) { return 0, errBroken }
	}, "disk", Warn, "it is broken", "PARLEY_MODELS"},
	{"library does not open", func(p *patient) { p.runtime = func(string) (string, error) { return "", errBroken } }, "onnx runtime", Fail, "it is broken", "parley models verify"},
	{"no espeak-ng", func(p *patient) {
		p.program = refuses("espeak-ng", &exec.Error{Name: "espeak-ng", Err: exec.ErrNotFound})
	}, "espeak-ng", Fail, "not on the PATH", "apt-get install espeak-ng"},
	{"espeak-ng fails", func(p *patient) { p.program = refuses("espeak-ng", errBroken) }, "espeak-ng", Fail, "it is broken", "--reinstall espeak-ng"},
	{"no libgomp", func(p *patient) {
		p.program = refuses("llama-server", errors.New("exit status 127: error while loading shared libraries: libgomp.so.1: cannot open"))
	}, "llama-server", Fail, "libgomp.so.1", "apt-get install libgomp1"},
	{"old system", func(p *patient) {
		p.program = refuses("llama-server", errors.New("exit status 1: version `GLIBC_2.35' not found"))
	}, "llama-server", Fail, "GLIBC_2.35", "put a llama-server made for this system on the PATH"},
	{"older processor", func(p *patient) {
		p.engines.LLM = []string{"local:model=/models/own.gguf"}
		p.program = refuses("llama-server", errors.New("signal: illegal instruction"))
	}, "llama-server", Warn, "newer processor", "built for this computer"},
	{"llama-server fails", func(p *patient) { p.program = refuses("llama-server", errBroken) }, "llama-server", Fail, "it is broken", "server=PATH"},
	{"little memory", func(p *patient) { p.memory = func() int64 { return 1e9 } }, "memory", Fail, "1.0 GB available, about 1.7 GB needed", "--llm openai:"},
	{"unknown memory", func(p *patient) { p.memory = func() int64 { return -1 } }, "memory", Warn, "1.7 GB is needed", "as much"},
	{"no such language model", func(p *patient) { p.size = func(string) (int64, error) { return 0, errBroken } }, "memory", Fail, "it is broken", "model=FILE"},
	{"no page", func(p *patient) { p.page = func() bool { return false } }, "page", Warn, "holds no page", "make build"},
	{"page's port taken", func(p *patient) { p.listen = taken("tcp") }, "page's port", Fail, "TCP 127.0.0.1:8321 is taken", "--listen HOST:PORT"},
	{"page's port not allowed", func(p *patient) {
		p.listen = func(string, string) error { return syscall.EACCES }
	}, "page's port", Fail, "special rights", "above 1023"},
	{"no such address", func(p *patient) {
		p.listen = func(string, string) error { return syscall.EADDRNOTAVAIL }
	}, "page's port", Fail, "cannot assign", "an address of this computer"},
	{"audio port taken", func(p *patient) { p.listen = taken("udp") }, "audio port", Warn, "UDP 127.0.0.1:7882 is taken; serve will use any free port", "--media HOST:PORT"},
	{"chosen audio port taken", func(p *patient) { p.listen, p.network.Media = taken("udp"), "127.0.0.1:9" }, "audio port", Fail, "UDP 127.0.0.1:9 is taken", "--media HOST:PORT"},
	{"no audio address", func(p *patient) { p.network.Listen = "nowhere" }, "audio port", Fail, "--listen nowhere", "--media HOST:PORT"},
	{"no UDP", func(p *patient) {
		p.echo = func(context.Context) (time.Duration, error) { return 0, errBroken }
	}, "loopback", Fail, "got lost", "firewall"},
	{"no HTTPS", func(p *patient) { p.network.Listen = "0.0.0.0:8321" }, "https", Warn, "no microphone over plain http", "--tls self"},
	{"no such certificate", func(p *patient) { p.network.TLS = "/no/cert.pem,/no/key.pem" }, "https", Fail, "/no/cert.pem", "PEM files"},
	{"more callers than can be", func(p *patient) { p.network.MaxSessions = 10000 }, "callers", Warn, "--max-sessions lets in 10000", "openai"},
	{"one core", func(p *patient) { p.cores = 1 }, "callers", Warn, "on one core", "two cores"},
}

func TestEachAilmentIsFoundAndItsMendNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no llama-server of this computer's own
	for _, a := range ailments {
		t.Run(a.name, func(t *testing.T) {
			p := healthy()
			a.wrong(p)
			expect(t, p, a.check, a.state, a.found, a.mend)
		})
	}
}

// expect examines p in a bubble and looks at one finding, at the verdict, and that every mend has its ill.
func expect(t *testing.T, p *patient, check string, state State, found, mend string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &report{out: io.Discard}
		err := examine(t.Context(), p, r)
		if bad := r.failed > 0; errors.Is(err, ErrUnfit) != bad || (state == Fail && !bad) {
			t.Errorf("%d checks failed, error %v", r.failed, err)
		}
		seen := false
		for _, f := range r.findings {
			if f.Check == check {
				seen = true
				if f.State != state || !strings.Contains(f.Found, found) || !strings.Contains(f.Mend, mend) {
					t.Errorf("%+v\nwant %s, found %q, mend %q", f, state, found, mend)
				}
			}
			if (f.State == OK) != (f.Mend == "") {
				t.Errorf("%+v: a mend belongs to what is wrong", f)
			}
		}
		if !seen {
			t.Errorf("no finding of %q in %+v", check, r.findings)
		}
	})
}

// slowness is what measuring finds.
var slowness = []struct {
	name        string
	parts       func(p *serve.Parts)
	check       string
	state       State
	found, mend string
}{
	{"voice fails", func(p *serve.Parts) { p.Voice = tts.VoiceFunc(brokenVoice) }, "voice", Fail, "it is broken", "--tts espeak"},
	{"voice is silent", func(p *serve.Parts) { p.Voice = voiceOf(0, 0) }, "voice", Fail, "it gave no sound", "--tts espeak"},
	{"voice is slow", func(p *serve.Parts) { p.Voice = voiceOf(400*ms, 2*time.Second) }, "voice", Warn, "five words after 400 ms", "other programs"},
	{"voice is slower than speech", func(p *serve.Parts) { p.Voice = voiceOf(3*time.Second, 2*time.Second) }, "voice", Fail, "gaps", "--tts espeak"},
	{"recognizer fails", func(p *serve.Parts) { p.Recognizer = stt.RecognizerFunc(brokenRecognizer) }, "recognizer", Fail, "it is broken", "verify"},
	{"recognizer is slow", func(p *serve.Parts) { p.Recognizer = recognizerOf(600*ms, spoken) }, "recognizer", Warn, "after 600 ms", "small=true"},
	{"recognizer is slower than speech", func(p *serve.Parts) { p.Recognizer = recognizerOf(4*time.Second, spoken) }, "recognizer", Fail, "keep up", "small=true"},
	{"recognizer mishears", func(p *serve.Parts) { p.Recognizer = recognizerOf(ms, "fleas smell the feather") }, "recognizer", Fail, "fleas smell the feather", "verify"},
	{"detector fails", func(p *serve.Parts) { p.Detector = detectorOf(0, errBroken) }, "voice activity", Fail, "it is broken", "--vad energy"},
	{"detector is slow", func(p *serve.Parts) { p.Detector = detectorOf(5*ms, nil) }, "voice activity", Warn, "5000 µs", "--vad energy"},
	{"finisher fails", func(p *serve.Parts) { p.Finisher = finisherOf{err: errBroken} }, "end of turn", Fail, "it is broken", "turns=false"},
	{"finisher is slow", func(p *serve.Parts) { p.Finisher = finisherOf{took: 300 * ms} }, "end of turn", Warn, "300 ms", "turns=false"},
	{"model is not there", func(p *serve.Parts) { p.Model = warm{p.Model, errBroken} }, "language model", Fail, "it is broken", "OPENAI_API_KEY"},
	{"model fails", func(p *serve.Parts) { p.Model = warm{modelFails, nil} }, "language model", Fail, "it is broken", "smaller model"},
	{"model is silent", func(p *serve.Parts) { p.Model = modelOf(0, 0, 0) }, "language model", Fail, "no answer", "smaller model"},
	{"model is slow", func(p *serve.Parts) { p.Model = modelOf(900*ms, 200*ms, 20) }, "language model", Warn, "first token after 900 ms, then 5 a second", "smaller model"},
	{"model is slower than speech", func(p *serve.Parts) { p.Model = modelOf(100*ms, 500*ms, 20) }, "language model", Fail, "slower than it is read aloud", "smaller model"},
}

func TestASlowOrBrokenEngineIsFound(t *testing.T) {
	for _, s := range slowness {
		t.Run(s.name, func(t *testing.T) {
			p, parts := healthy(), quickParts()
			s.parts(&parts)
			p.opens(parts)
			expect(t, p, s.check, s.state, s.found, s.mend)
		})
	}
}

func TestEnginesThatDoNotOpen(t *testing.T) {
	p := healthy()
	p.open = failsToOpen
	expect(t, p, "start", Fail, "it is broken", "parley models verify")
	p.open = func(context.Context, serve.Engines, *slog.Logger) (serve.Parts, func(), error) {
		return serve.Parts{}, nil, provider.ErrAuth
	}
	expect(t, p, "start", Fail, "not authorized", "OPENAI_API_KEY")
}

func TestHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := &report{out: &out}
		if err := examine(t.Context(), healthy(), r); err != nil {
			t.Error(err)
		}
		for _, f := range r.findings {
			if f.State != OK {
				t.Errorf("%+v", f)
			}
		}
		if want := "five words after 50 ms; 3.0 s of speech after 50 ms, 60 times as fast as it is heard"; !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwant %s", &out, want)
		}
		if want := "A conversation is possible here.\n"; !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s\nwant %s", &out, want)
		}
	})
}

// With stubs nothing local is needed, and nothing of it is told.
func TestStubsNeedNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := healthy()
		p.engines = serve.Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: "energy"}
		p.missing, p.memory = without(^models.Set(0)), func() int64 { return 500e6 }
		p.program = refuses("", errBroken)
		r := &report{out: io.Discard}
		if err := examine(t.Context(), p, r); err != nil {
			t.Error(err)
		}
		for _, f := range r.findings {
			if f.State != OK {
				t.Errorf("%+v", f)
			}
			if slices.Contains([]string{"models", "disk", "onnx runtime", "espeak-ng", "llama-server"}, f.Check) {
				t.Errorf("%+v: stubs do not need it", f)
			}
		}
	})
}

func TestAnEngineElsewhereIsOnlyAskedWhetherItIsThere(t *testing.T) {
	p, parts := healthy(), quickParts()
	p.engines.LLM = []string{"openai:model=some"}
	parts.Model = warm{modelFails, nil}
	p.opens(parts)
	expect(t, p, "language model", OK, "may cost money", "")
}

func TestQuickOpensNothing(t *testing.T) {
	p := healthy()
	p.quick = true
	p.open = failsToOpen
	p.verify = func(context.Context, string, models.Set) error { return errBroken }
	expect(t, p, "models", OK, "not read", "")
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out}
	checks := []check{
		{"one", func(context.Context, *patient) Finding { return fine("all is well") }},
		{"two", func(context.Context, *patient) Finding { return Finding{} }},
		{"three", func(context.Context, *patient) Finding { return warn("it is late", "hurry") }},
		{"four", func(context.Context, *patient) Finding { return fail("it is gone", "find it") }},
	}
	if err := r.all(t.Context(), healthy(), checks); err != nil {
		t.Fatal(err)
	}
	if err := r.end("", ErrUnfit); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
	want := `ok    one             all is well
warn  three           it is late
                      → hurry
FAIL  four            it is gone
                      → find it
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestJSONSaysTheSame(t *testing.T) {
	p := healthy()
	p.listen = taken("tcp")
	var out bytes.Buffer
	r := &report{out: &out, json: true}
	if err := examine(t.Context(), p, r); !errors.Is(err, ErrUnfit) {
		t.Error(err)
	}
	var got struct {
		Possible *bool
		Findings []Finding
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if got.Possible == nil || *got.Possible || len(got.Findings) != len(r.findings) || got.Findings[0] != r.findings[0] {
		t.Errorf("got %+v of %+v", got, r.findings)
	}
}

func TestTheEndOfTheContextEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	p := healthy()
	p.echo = func(context.Context) (time.Duration, error) { cancel(errBroken); return 0, nil }
	if err := examine(ctx, p, &report{out: io.Discard}); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

func TestFramesHoldEverySample(t *testing.T) {
	pcm, n := make([]int16, 1000), 0
	for f := range frames(pcm) {
		if f.At != media.Samples(n, media.ListenRate) {
			t.Errorf("a frame at %v, %d samples came before", f.At, n)
		}
		n += len(f.PCM)
	}
	if n != len(pcm) {
		t.Errorf("%d of %d samples", n, len(pcm))
	}
}
