package page_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/internal/wav"
	"parley/web/page"
)

// policy is at least as strict as the server's.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"

// patience is how long a test waits for the page. Generous: the machine may be busy.
const patience = 12 * time.Second

// localPeers lets two peer connections of one page find each other.
var localPeers = chromedp.Flag("webrtc-ip-handling-policy", "default")

// tab is one tab with the page open in it.
type tab struct {
	testing.TB
	ctx context.Context
}

// serve serves the page, with offer as the server's POST /offer, and returns its address.
func serve(t testing.TB, offer http.HandlerFunc) string {
	t.Helper()
	if !page.Built() {
		t.Fatal("the page is not built: run make build, or npm ci && npm run build in web/page")
	}
	files := http.FileServerFS(page.FS())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		files.ServeHTTP(w, r)
	})
	if offer != nil {
		mux.HandleFunc("POST /offer", offer)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// open opens the page at url in a new tab of a browser. After the test it checks that the page broke no
// rule and threw nothing.
func open(t testing.TB, b context.Context, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b)
	t.Cleanup(cancel)
	script, err := os.ReadFile("testdata/peer.js")
	if err != nil {
		t.Fatal(err)
	}
	p := &tab{TB: t, ctx: ctx}
	p.allocate()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: string(script)})
		return err
	}))
	p.do(chromedp.EmulateViewport(900, 760), chromedp.Navigate(url))
	p.wait(`document.querySelector("h1")`)
	t.Cleanup(func() {
		if errs := p.text(`peer.errors.join("; ")`); errs != "" {
			t.Errorf("the page had errors: %s", errs)
		}
	})
	return p
}

// allocate makes the tab. It lives as long as the context of this first call: one without a deadline.
func (p *tab) allocate() {
	p.Helper()
	if err := chromedp.Do(p.ctx); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// run evaluates an expression, waits for a promise, and forgets the value.
func (p *tab) run(js string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](js, chromedp.EvalAwaitPromise)); err != nil {
		p.Fatalf("%s: %v", js, err)
	}
}

// text is the value of an expression as a string, blanks trimmed and joined.
func (p *tab) text(js string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string]("Promise.resolve("+js+").then((v) => String(v ?? \"\"))", chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", js, err)
	}
	return strings.Join(strings.Fields(s), " ")
}

// seen is the text of an element as it is shown.
func (p *tab) seen(selector string) string {
	p.Helper()
	return p.text(fmt.Sprintf("document.querySelector(%q)?.innerText", selector))
}

// wait waits until an expression is true.
func (p *tab) wait(js string) {
	p.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if p.text("Promise.resolve("+js+").then(Boolean)") == "true" {
			return
		}
	}
	p.shot("failed")
	p.Fatalf("this did not come true: %s\nthe page shows: %s", js, p.seen("body"))
}

// waitSeen waits until an element shows a text.
func (p *tab) waitSeen(selector, want string) {
	p.Helper()
	p.wait(fmt.Sprintf("document.querySelector(%q)?.innerText.replace(/\\s+/g, \" \").includes(%q)", selector, want))
}

// say has the server in the page send a message.
func (p *tab) say(message string) {
	p.Helper()
	p.run("peer.say(" + message + ")")
}

// talk presses the button and waits for the conversation.
func (p *tab) talk() {
	p.Helper()
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.phase === "talking"`)
}

// look emulates a scheme of colors and a width, without motion: no picture shows half of a transition.
func (p *tab) look(scheme string, width int64) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, 760), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		return err
	}))
}

// shot takes a picture into the folder that PARLEY_SHOTS names; without one it is only taken.
func (p *tab) shot(name string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	dir := os.Getenv("PARLEY_SHOTS")
	if dir == "" {
		dir = p.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.Fatal(err)
	}
}

// microphone writes a WAV of a tone, as loud as level (0 to 1), and returns its name.
func microphone(t testing.TB, level float64) string {
	t.Helper()
	const rate = 48000
	pcm := make([]int16, rate)
	for i := range pcm {
		pcm[i] = int16(level * math.MaxInt16 * math.Sin(2*math.Pi*220*float64(i)/rate))
	}
	name := filepath.Join(t.TempDir(), "microphone.wav")
	w, err := wav.Create(name, rate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(pcm), w.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// start starts a browser whose microphone has a voice.
func start(t testing.TB) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	return browser.Start(t, microphone(t, 0.3), localPeers)
}

// replaceHost is url with another host name and the same port.
func replaceHost(url, host string) string {
	return strings.Replace(url, "127.0.0.1", host, 1)
}
