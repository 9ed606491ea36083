package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/internal/corpus"
	"parley/internal/models"
	"parley/internal/wav"
	"parley/media"
	"parley/web/page"
)

// microphone writes what a browser's microphone plays over and over: silence, the words, a long silence.
func microphone(t *testing.T, words []int16) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "microphone.wav")
	w, err := wav.Create(file, media.ListenRate)
	if err != nil {
		t.Fatal(err)
	}
	for _, pcm := range [][]int16{make([]int16, 3*media.ListenRate), words, make([]int16, 25*media.ListenRate)} {
		if err := w.Write(pcm); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// tab is the page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func visit(t *testing.T, url, microphone string) tab {
	t.Helper()
	if !page.Built() {
		t.Fatal("the page is not built: run make build")
	}
	p := tab{t, browser.Start(t, microphone)}
	p.do(chromedp.EmulateViewport(900, 760), chromedp.Navigate(url))
	p.until(`document.querySelector("button.main")`)
	return p
}

func (p tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// text is the value of an expression, or of its promise, as a string.
func (p tab) text(js string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string]("Promise.resolve("+js+").then((v) => String(v ?? \"\"))", chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return s
}

// until waits for an expression to be true.
func (p tab) until(js string) {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); p.text("Boolean("+js+")") != "true"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.shot("stuck")
			p.t.Fatalf("waited for %s; the page shows %q", js, p.text("document.body.innerText"))
		}
	}
}

// shot keeps a picture of the page in the folder that PARLEY_SHOTS names.
func (p tab) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("PARLEY_SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Error(err)
	}
}

// listened is what the browser's own statistics say of the call.
type listened struct {
	ConcealedSamples, SilentConcealedSamples, TotalSamplesReceived float64
}

func (p tab) stats() (l listened) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.text(`parley.stats().then(JSON.stringify)`)), &l); err != nil {
		p.t.Fatal(err)
	}
	return l
}

// A spoken tone answer in a browser: stub engines, a real page, a real microphone's path.
func TestToneInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	s := start(t, "--stt", "script:lines=What time is it?", "--llm", "script:answers=It is late. "+strings.Repeat("And it gets later. ", 4), "--tts", "tone", "--vad", "energy", "--greeting=-")
	p := visit(t, s.url, microphone(t, corpus.PinkNoise(1500*time.Millisecond, -20, 1)))
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "talking"`)
	p.until(`parley.transcript.length >= 2 && parley.state === "listening"`)
	shown := p.text("document.body.innerText")
	for _, want := range []string{"What time is it?", "And it gets later."} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page does not show %q: %q", want, shown)
		}
	}
	time.Sleep(2 * time.Second) // a pause after the answer, to be heard without concealment
	l := p.stats()
	t.Logf("%+v", l)
	if share := (l.ConcealedSamples - l.SilentConcealedSamples) / l.TotalSamplesReceived; share > 0.01 || l.TotalSamplesReceived < 5*48000 {
		t.Errorf("%.2f %% of the sound was concealed: %+v", 100*share, l)
	}
	p.shot("tone")
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "ended" || parley.phase === "idle"`)
}

// A conversation in a browser: human speech on the microphone, local engines, both texts on the page.
func TestConversationInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser, models and recorded speech")
	}
	u := named(t, speech(t), "vm-enter-num-to-call")
	s := start(t, "--llm", "local:model="+models.Dir()+"/"+models.SmallFile)
	p := visit(t, s.url, microphone(t, u.PCM))
	p.shot("idle")
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "talking"`)
	p.until(`parley.state === "speaking"`)
	p.shot("greeting")
	p.until(`parley.transcript.some((l) => l.who === "you" && l.done)`)
	p.shot("thinking")
	p.until(`parley.state === "speaking"`)
	p.until(`parley.latency && parley.state === "listening"`)
	p.shot("answered")
	heard := p.text(`parley.transcript.filter((l) => l.who === "you").map((l) => l.text).join(" ")`)
	if errs, words := corpus.WER(u.Text, heard); errs*5 > words {
		t.Errorf("%d of %d words are wrong: said %q, the page shows %q", errs, words, u.Text, heard)
	}
	answer := p.text(`parley.transcript.filter((l) => l.who === "agent").at(-1).text`)
	if len(strings.Fields(answer)) < 2 || !strings.Contains(strings.Join(strings.Fields(p.text("document.body.innerText")), " "), answer) {
		t.Errorf("the answer on the page is %q", answer)
	}
	if l := p.stats(); (l.ConcealedSamples-l.SilentConcealedSamples)/l.TotalSamplesReceived > 0.01 {
		t.Errorf("too much was concealed: %+v", l)
	}
	t.Logf("you: %q, agent: %q", heard, answer)
}
