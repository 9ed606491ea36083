package local

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/models"
	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/ttstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func plain(t testing.TB) *Voice {
	t.Helper()
	v, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func joe(t testing.TB) *Voice {
	t.Helper()
	dir := models.Dir()
	v, err := New(Options{Library: filepath.Join(dir, models.RuntimeFile), Model: filepath.Join(dir, models.VoiceFile)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func broken(t testing.TB) tts.Voice {
	v := plain(t)
	v.espeak = program(t.(*testing.T), "cat >/dev/null; exit 3")
	return v
}

func TestPlainVoiceKeepsTheContract(t *testing.T) {
	ttstest.Run(t, ttstest.Options{New: func(t testing.TB) tts.Voice { return plain(t) }, Broken: broken})
}

func TestVoiceKeepsTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	v := joe(t)
	v.piper.scales = [3]float32{0, 1, 0} // the suite counts frames: no chance in how long they are
	ttstest.Run(t, ttstest.Options{
		New: func(testing.TB) tts.Voice { return v },
		Broken: func(t testing.TB) tts.Voice {
			return &Voice{espeak: program(t.(*testing.T), "cat >/dev/null; exit 3"), piper: v.piper}
		},
		Patience: 20 * time.Second,
	})
}

// speak collects what v says.
func speak(t *testing.T, v *Voice, phrases ...string) (pcm []int16, words []tts.Word) {
	t.Helper()
	for a, err := range v.Speak(t.Context(), media.Of(phrases...)) {
		if err != nil {
			t.Fatal(err)
		}
		if d := a.Duration(); d > frame {
			t.Errorf("a frame lasts %v", d)
		}
		for _, w := range a.Words {
			if w.Start >= a.At+a.Duration() {
				t.Errorf("%q at %v was told at %v", w.Text, w.Start, a.At)
			}
		}
		pcm, words = append(pcm, a.PCM...), append(words, a.Words...)
	}
	return pcm, words
}

// decibelsOf is the level of each 20 ms of pcm in dBFS.
func decibelsOf(pcm []int16, rate int) (out []float64) {
	n := rate / 50
	for ; len(pcm) >= n; pcm = pcm[n:] {
		var sum float64
		for _, s := range pcm[:n] {
			sum += float64(s) * float64(s) / (math.MaxInt16 * math.MaxInt16)
		}
		out = append(out, decibels(sum/float64(n)))
	}
	return out
}

func testSpeech(t *testing.T, v *Voice) {
	const text = "Good morning. The train to the coast leaves at 10:30, from platform four."
	pcm, words := speak(t, v, text, "**Thank** you, 😀", "", "bye!")
	rate := v.Rate()
	if d := media.Samples(len(pcm), rate); d < 4*time.Second || d > 9*time.Second {
		t.Errorf("it lasts %v", d)
	}
	var said []string
	for _, w := range words {
		said = append(said, w.Text)
	}
	if got := strings.Join(said, " "); got != "Good morning The train to the coast leaves at 10:30 from platform four Thank you bye" {
		t.Errorf("said %q", got)
	}
	levels := decibelsOf(pcm, rate)
	loud, still, most := 0, 0, 0
	for _, l := range levels {
		if l > -45 {
			loud++
			still = 0
			continue
		}
		still++
		most = max(most, still)
	}
	if levels[0] < -45 && levels[1] < -45 {
		t.Errorf("it begins with silence: %.0f dBFS", levels[:3])
	}
	if share := float64(loud) / float64(len(levels)); share < 0.6 {
		t.Errorf("only %.0f %% of it are loud", 100*share)
	}
	if gap := time.Duration(most) * 20 * time.Millisecond; gap > 300*time.Millisecond {
		t.Errorf("there is a silence of %v", gap)
	}
	if p := peak16(pcm); p > math.MaxInt16*95/100 {
		t.Errorf("the peak is %d", p)
	}
}

func TestPlainSpeech(t *testing.T) { testSpeech(t, plain(t)) }

func TestSpeech(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	v := joe(t)
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	testSpeech(t, v)
}

func TestNothingToSay(t *testing.T) {
	if pcm, _ := speak(t, plain(t), "", "  ", "...", "😀", "```x```", "\n"); len(pcm) != 0 {
		t.Errorf("nothing became %d samples", len(pcm))
	}
}

func TestHungProgram(t *testing.T) {
	v := plain(t)
	v.espeak = program(t, "exec sleep 60")
	gone := errors.New("gone")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, gone)
	defer cancel()
	began := time.Now()
	for _, err := range v.Speak(ctx, media.Of("hello")) {
		if !errors.Is(err, gone) {
			t.Errorf("error %v", err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to leave", took)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{Espeak: "/nowhere/espeak-ng"}); err == nil || !strings.Contains(err.Error(), "install the package espeak-ng") {
		t.Errorf("without espeak-ng: %v", err)
	}
	if _, err := New(Options{Model: "/nowhere/joe.onnx"}); err == nil {
		t.Error("without a model: no error")
	}
	for _, err := range broken(t).Speak(t.Context(), media.Of("hello")) {
		if !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("with a program that fails: %v", err)
		}
	}
}

// How long it takes from a phrase to its first frame, which is all of its synthesis.
func BenchmarkSpeak(b *testing.B) {
	if testing.Short() {
		b.Skip("needs fetched models")
	}
	v := joe(b)
	if err := v.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, phrase := range map[string]string{
		"5 words":  "I am here to help.",
		"15 words": "The weather in Lisbon is usually mild in spring, with light rain and some wind today.",
	} {
		b.Run(name, func(b *testing.B) {
			var took []float64
			for b.Loop() {
				given := time.Now()
				for _, err := range v.Speak(b.Context(), media.Of(phrase)) {
					if err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(given).Seconds()*1000)
					break
				}
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "p50-ms")
			b.ReportMetric(took[len(took)*95/100], "p95-ms")
		})
	}
}
