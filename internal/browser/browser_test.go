package browser_test

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/internal/wav"
)

// loudness opens the microphone and returns the RMS of half a second, or the name of the error.
const loudness = `navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false, noiseSuppression: false, autoGainControl: false}}).then(async (stream) => {
	const context = new AudioContext();
	const analyser = new AnalyserNode(context, {fftSize: 16384});
	context.createMediaStreamSource(stream).connect(analyser);
	await new Promise((done) => setTimeout(done, 1500));
	const samples = new Float32Array(analyser.fftSize);
	analyser.getFloatTimeDomainData(samples);
	return String(Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length) > 0.05 ? "loud" : "silent");
}).catch((e) => e.name)`

// TestStart checks that a browser hears its microphone, has none without a file, and is gone after the test.
func TestStart(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	for name, c := range map[string]struct{ file, want string }{
		"microphone": {tone(t, 16000), "loud"},
		"none":       {"", "NotFoundError"},
	} {
		var process int
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
			}))
			t.Cleanup(s.Close)
			ctx := browser.Start(t, c.file)
			process = chromedp.FromContext(ctx).Browser.Process().Pid
			if got := evaluate(t, ctx, s.URL); got != c.want {
				t.Errorf("the microphone is %s, want %s", got, c.want)
			}
		})
		if err := syscall.Kill(process, 0); err == nil {
			t.Errorf("%s: process %d is still there", name, process)
		}
	}
}

// TestStartRefuses checks that a file which Chromium would take for silence ends the test.
func TestStartRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "none.wav"),
		"empty":   tone(t, 0),
	} {
		fake := &failing{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			browser.Start(fake, file)
		}()
		<-ended
		if !strings.Contains(fake.said, "open the microphone's file") {
			t.Errorf("%s: the test ended with %q", name, fake.said)
		}
	}
}

// failing is a test that may fail without failing the one it is in.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, _ ...interface{}) {
	f.said = format
	runtime.Goexit()
}

func evaluate(t *testing.T, ctx context.Context, url string) string {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(limited, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(limited, chromedp.Evaluate[string](loudness, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// tone writes n samples of a loud tone at 16 kHz and returns the file's name.
func tone(t *testing.T, n int) string {
	t.Helper()
	const rate = 16000
	name := filepath.Join(t.TempDir(), "tone.wav")
	w, err := wav.Create(name, rate)
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(10000 * math.Sin(2*math.Pi*220*float64(i)/rate))
	}
	if err := w.Write(pcm); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}
