package try

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"parley/cmd/parley/serve"
	"parley/cmd/parley/verdict"
	"parley/internal/provider"
	"parley/internal/wav"
	"parley/media"
	"parley/stt"
	"parley/tts/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// parley runs the verb as the command line does.
func parley(ctx context.Context, args ...string) (string, error) {
	var c Cmd
	var out bytes.Buffer
	parser, err := kong.New(&c, kong.Name("try"), kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)))
	if err != nil {
		return "", err
	}
	k, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	err = k.Run()
	return out.String(), err
}

// said compares a verb's output with text.
func said(t *testing.T, got, want string) {
	t.Helper()
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("printed:\n%s\nwant:\n%s", got, strings.TrimSpace(want))
	}
}

// recording is a WAV file of 16-bit sound: 440 Hz where loud says so, else silence.
func recording(t *testing.T, rate, channels int, lasts time.Duration, loud func(at time.Duration) bool) string {
	t.Helper()
	n := int(lasts * time.Duration(rate) / time.Second)
	var data []byte
	for i := range n {
		v := 0.0
		if loud(media.Samples(i, rate)) {
			v = 8000 * math.Sin(2*math.Pi*440*float64(i)/float64(rate))
		}
		for range channels {
			data = binary.LittleEndian.AppendUint16(data, uint16(int16(v)))
		}
	}
	le := binary.LittleEndian
	h := le.AppendUint32([]byte("RIFF"), uint32(36+len(data)))
	h = le.AppendUint32(append(h, "WAVEfmt "...), 16)
	h = le.AppendUint16(le.AppendUint16(h, 1), uint16(channels))
	h = le.AppendUint32(le.AppendUint32(h, uint32(rate)), uint32(rate*channels*2))
	h = le.AppendUint16(le.AppendUint16(h, uint16(channels*2)), 16)
	h = le.AppendUint32(append(h, "data"...), uint32(len(data)))
	path := filepath.Join(t.TempDir(), "a.wav")
	if err := os.WriteFile(path, append(h, data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func throughout(time.Duration) bool { return true }

// twice is sound, three seconds of silence, and sound.
func twice(at time.Duration) bool { return at < 2*time.Second || at >= 5*time.Second }

func TestSTT(t *testing.T) {
	file := recording(t, 48000, 2, 7*time.Second, twice)
	synctest.Test(t, func(t *testing.T) {
		out, err := parley(t.Context(), "stt", "script:lines=One|Two and three", file)
		if err != nil {
			t.Error(err)
		}
		said(t, out, `
ready after 0 ms
  0.020 s  onset       0.00–0.00 s
  0.600 s  partial     0.00–0.60 s  One
  3.000 s  final       0.00–3.00 s  One  (0 ms after it was asked for)
  4.720 s  onset       4.70–4.70 s
  5.300 s  partial     4.70–5.30 s  Two and
  7.000 s  final       4.70–7.00 s  Two and three  (0 ms after it was asked for)
first text after 600 ms, then 3 with gaps of 2.30 s, 2.40 s at most; 7.00 s of sound, 7.00 s in all; the last text 0 ms after it was asked for`)
	})
}

func TestSTTFast(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 44100, 48000} {
		file := recording(t, rate, 1, time.Second, throughout)
		synctest.Test(t, func(t *testing.T) {
			out, err := parley(t.Context(), "stt", "script", file, "--fast")
			if err != nil || !strings.Contains(out, "final       0.00–1.00 s  Hello.") || !strings.Contains(out, "1.00 s of sound, 0 ms in all") {
				t.Errorf("%d Hz: %v\n%s", rate, err, out)
			}
		})
	}
}

func TestSTTOfFilesThatAreWrong(t *testing.T) {
	whole := recording(t, 16000, 1, time.Second, throughout)
	data, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "b.wav")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for file, want := range map[string]string{
		"/no/such.wav":                                       "no such file",
		put([]byte("hello")):                                 "not a readable WAV file",
		put(data[:44]):                                       "unexpected EOF",
		recording(t, 16000, 1, 0, throughout):                "it holds no sound at all",
		recording(t, 2000, 1, time.Second, throughout):       "2000",
		recording(t, 191999, 1, 100*time.Millisecond, never): "191999",
	} {
		if out, err := parley(t.Context(), "stt", "script", file, "--fast"); err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%s: %v, want %s\n%s", file, err, want, out)
		}
	}
	out, err := parley(t.Context(), "stt", "script", put(data[:len(data)/2]), "--fast")
	if err != nil || !strings.Contains(out, "what there is of it is heard") || !strings.Contains(out, "Hello.") {
		t.Errorf("half a file: %v\n%s", err, out)
	}
}

func never(time.Duration) bool { return false }

func TestFrames(t *testing.T) {
	sound := func(n int, level int16) (pcm []int16) {
		for i := range n * size {
			pcm = append(pcm, level*int16(1-i%2*2))
		}
		return pcm
	}
	pcm := append(append(sound(100, 0), sound(50, 8000)...), sound(200, 20)...)
	all := frames(append(pcm, 1, 2, 3)) // and a piece of a frame
	if len(all) != 351 || len(all[350].PCM) != size {
		t.Fatalf("%d frames", len(all))
	}
	for i, a := range all {
		voice, flush := i >= 85 && i < 200, i == 199 || i == 350
		if a.Voice != voice || a.Flush != flush || a.At != time.Duration(i)*20*ms || a.Rate != media.ListenRate {
			t.Fatalf("frame %d: at %v, voice %v, flush %v", i, a.At, a.Voice, a.Flush)
		}
	}
	for _, a := range frames(make([]int16, 3*size)) { // of silence alone everything counts
		if !a.Voice {
			t.Error("silence is not heard")
		}
	}
	if f := (&feed{}); f.line(stt.Result{Kind: stt.Final, Text: "a\x1b[31m\nb"}, 0) != "final       0.00–0.00 s  a [31m b" {
		t.Errorf("%q", f.line(stt.Result{Kind: stt.Final, Text: "a\x1b[31m\nb"}, 0))
	}
}

func TestLLM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := parley(t.Context(), "llm", "script:answers=One two three four,first=200ms,gap=50ms", "Count.", "--max-tokens", "3")
		if err != nil {
			t.Error(err)
		}
		said(t, out, `
ready after 0 ms
  0.200 s  One
  0.250 s   two
  0.300 s   three
first text after 200 ms, then 2 with gaps of 50 ms, 50 ms at most; 300 ms in all; 3 tokens written; ended by: length`)
	})
	if _, err := parley(t.Context(), "llm", "echo", "Hello.", "--max-tokens", "0"); err == nil || !strings.Contains(err.Error(), "--max-tokens is 0") {
		t.Error(err)
	}
}

func TestTTS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "o.wav")
	out, err := parley(t.Context(), "tts", "tone", "Hello there.", "-o", file)
	if err != nil || !strings.Contains(out, "first sound, 24000 Hz\n") || !strings.Contains(out, "word at 0.39 s: there.\n") || !strings.Contains(out, "780 ms of sound in") {
		t.Errorf("%v\n%s", err, out)
	}
	a, err := wav.ReadFile(file, time.Minute)
	if err != nil || a.Rate != media.SpeakRate || a.Duration() != 780*ms || wav.Level(a.PCM) < -15 {
		t.Errorf("%v of %d Hz, %v", a.Duration(), a.Rate, err)
	}
	if out, err := parley(t.Context(), "tts", "tone", "Hello there."); err != nil || !strings.Contains(out, "780 ms of sound in") {
		t.Errorf("without a file: %v\n%s", err, out)
	}
	if _, err := parley(t.Context(), "tts", "tone", "Hello.", "-o", "/no/such/folder/o.wav"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	if _, err := parley(t.Context(), "tts", "tone", ""); err == nil || !strings.Contains(err.Error(), "no sound came") {
		t.Error(err)
	}
}

// Standard output gets the file alone.
func TestTTSToStandardOutput(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out, beside bytes.Buffer
	c := TTSCmd{Engine: Engine{Engine: "tone"}, Text: "Hello there.", Out: "-"}
	if err := c.run(t.Context(), &out, &beside); err != nil {
		t.Fatal(err)
	}
	if a, err := wav.Decode(&out, time.Minute); err != nil || a.Duration() != 780*ms {
		t.Errorf("%v, %v", a.Duration(), err)
	}
	if !strings.Contains(beside.String(), "first sound") {
		t.Errorf("%q", beside.String())
	}
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || len(left) > 0 {
		t.Errorf("%q is left, %v", left, err)
	}
}

func TestListenerWaits(t *testing.T) {
	var s sound
	for _, since := range []time.Duration{0, 10 * ms, 250 * ms, 300 * ms} { // 100 ms each
		if err := s.take(media.Frame{Rate: 8000, PCM: make([]int16, 800)}, since); err != nil {
			t.Fatal(err)
		}
	}
	if s.long != 400*ms || s.wait != 50*ms {
		t.Errorf("%v of sound, a wait of %v", s.long, s.wait)
	}
	if err := s.take(media.Frame{Rate: 16000, PCM: make([]int16, 1)}, 0); err == nil || !strings.Contains(err.Error(), "from 8000 to 16000 Hz") {
		t.Error(err)
	}
}

func TestEndsWhenAsked(t *testing.T) {
	file := recording(t, 16000, 1, time.Minute, throughout)
	for _, args := range [][]string{{"llm", "script:first=1h", "Hello."}, {"stt", "script", file}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, context.Canceled)
			defer cancel()
			began := time.Now()
			out, err := parley(ctx, args...)
			if took := time.Since(began); !errors.Is(err, context.Canceled) || took > time.Second+50*ms || !strings.Contains(out, "in all") {
				t.Errorf("%s: %v after %v\n%s", args[0], err, took, out)
			}
		})
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	const key = "sk-hidden-0123456789"
	t.Setenv("OPENAI_API_KEY", key)
	file := recording(t, 16000, 1, 200*ms, throughout)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, `{"error":{"message":"your key `+key+` is wrong"}}`, http.StatusUnauthorized)
	}))
	defer server.Close()
	for _, args := range [][]string{{"stt", "openai:url=", file}, {"llm", "openai:model=m,url=", "Hello."}, {"tts", "openai:url=", "Hello."}} {
		args[1] += server.URL + "/v1"
		out, err := parley(t.Context(), args...)
		v, ok := errors.AsType[verdict.Verdict](err)
		if !ok || v.Code != 1 || !strings.HasPrefix(v.Text, "auth after ") || !strings.Contains(v.Text, "\n→ the credentials that were found are refused") {
			t.Errorf("%s: %v", args[0], err)
		}
		if err != nil && strings.Contains(err.Error()+out, "hidden") {
			t.Errorf("%s prints a secret: %v\n%s", args[0], err, out)
		}
	}
	t.Setenv("OPENAI_API_KEY", "")
	for _, c := range []struct{ kind, value, want string }{
		{"llm", "openai:model=m", "OPENAI_API_KEY is not set\n→ set OPENAI_API_KEY, or name another server"},
		{"llm", "brain", `--llm: there is no "brain"; known are local`},
		{"tts", "tone:loud=true", "--tts tone has no option loud: it has no options"},
	} {
		if out, err := parley(t.Context(), c.kind, c.value, "Hello."); err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
			t.Errorf("%s %s: %v\n%s", c.kind, c.value, err, out)
		}
	}
}

// cold is a voice that must be connected first.
type cold struct {
	tone.Voice
	takes time.Duration
	err   error
}

func (c cold) Warm(ctx context.Context) error {
	select {
	case <-time.After(c.takes):
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// An engine is connected before its time begins to count.
func TestWarm(t *testing.T) {
	for _, c := range []struct {
		voice     cold
		out, fail string
	}{
		{cold{takes: 300 * ms}, "ready after 300 ms\n  0.000 s  first sound", ""},
		{cold{takes: 300 * ms, err: fmt.Errorf("connect: %w", provider.ErrUnavailable)}, "", "unavailable after 300 ms: connect: unavailable\n→ is the network there"},
		{cold{takes: time.Hour}, "", "error after 20.00 s: context deadline exceeded\n→ is the network there"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			closed := 0
			tr := trial{one: serve.One{Kind: "tts", Value: "tone"}, out: &out, open: func(context.Context, serve.One, io.Writer) (serve.Parts, func(), error) {
				return serve.Parts{Voice: c.voice}, func() { closed++ }, nil
			}}
			err := tr.run(t.Context(), (&TTSCmd{Text: "Hi."}).speak(&out, ""))
			if closed != 1 {
				t.Errorf("it was closed %d times", closed)
			}
			if (err == nil) != (c.fail == "") || err != nil && !strings.HasPrefix(err.Error(), c.fail) || !strings.HasPrefix(out.String(), c.out) || c.out == "" && out.Len() > 0 {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
