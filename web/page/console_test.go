package page_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"parley/agent/archive"
	"parley/internal/browser"
	"parley/web/console"
	"parley/web/console/consoletest"
	"parley/web/page"
)

// shelf serves the page and the console of the recordings in dir.
func shelf(t testing.TB, dir string, change func(*console.Options)) string {
	t.Helper()
	if !page.Built() {
		t.Fatal("the page is not built: run make build, or npm ci && npm run build in web/page")
	}
	o := console.Options{Archive: &archive.Archive{Dir: dir}, Allow: func(*http.Request) bool { return true }, Cache: t.TempDir()}
	if change != nil {
		change(&o)
	}
	c := console.Handler(o)
	files := http.FileServerFS(page.FS())
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy+"; media-src 'self'")
		files.ServeHTTP(w, r)
	})
	mux.Handle("/console/", http.StripPrefix("/console", c))
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		c.Close()
	})
	return s.URL + "/console.html"
}

// position is the second that the page shows.
const position = `document.querySelector("parley-console").at`

// TestConsole leads through the recordings: the list, a conversation, its sound from a word, a link to a second, the keys,
// and a run of it.
func TestConsole(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	dir := t.TempDir()
	consoletest.Talk(t, dir, "talk", 1)
	consoletest.Talk(t, dir, "another-one", 2)
	p := open(t, browser.Start(t, ""), shelf(t, dir, nil))
	p.run(`peer.mode = "server"`)
	p.waitSeen(".recordings tbody tr", "Why is the sky blue, and red in the evening?")
	p.looks("console-list")
	p.look("light", 1200)
	p.run(`document.querySelector('.recordings a[href="#talk"]').focus()`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.waitSeen(".turns", "Wait, and what about Mars?")
	p.waitSeen(".facts", "concealed 60 ms")
	p.shot("console-wide")
	t.Run("sound", func(t *testing.T) { sounds(t, p) })
	t.Run("keys", func(t *testing.T) { keyboard(t, p) })
	t.Run("exact", func(t *testing.T) { exact(t, p) })
	p.TB = t
	p.looks("console-call")
}

func sounds(t *testing.T, p *tab) {
	p.TB = t
	p.run(`[...document.querySelectorAll(".w")].find((w) => w.innerText === "Mars?").click()`)
	p.wait(position + ` > 20 && !document.querySelector("parley-console").timeline.audio.paused`)
	p.wait(`document.querySelector(".turn.now .text").innerText.includes("Mars?")`)
	p.wait(`location.hash.startsWith("#talk&t=19.9")`)
	p.do(chromedp.Click(chromedp.CSS(".play")))
	p.wait(`document.querySelector("parley-console").timeline.audio.paused`)
	p.run(`location.hash = "#talk&t=30.5"`)
	p.wait(position + ` === 30.5`)
	p.waitSeen(".turn.now", "Sorry, something went wrong.")
}

func keyboard(t *testing.T, p *tab) {
	p.TB = t
	for _, step := range []struct{ key, want string }{
		{kb.Home, `=== 0`}, {"j", `>= 0.02`}, {"j", `> 2.9`}, {"j", `> 17.9`}, {"k", `< 3.1`}, {kb.ArrowRight, `> 7.9`}, {".", `> 8`}, {"n", `> 17`},
	} {
		p.do(chromedp.KeyEvent(step.key))
		p.wait(position + step.want)
	}
	p.do(chromedp.KeyEvent("d"))
	p.waitSeen(".turn details[open]", "took the turn as over")
	p.wait(position + ` > 17`)
	p.shot("console-decisions")
	p.do(chromedp.KeyEvent(" "))
	p.wait(`!document.querySelector("parley-console").timeline.audio.paused`)
	p.do(chromedp.KeyEvent(" "), chromedp.KeyEvent("2"))
	p.wait(`document.querySelector(".choice[aria-pressed=true]").innerText === "Caller" && document.querySelector("parley-console").timeline.audio.src.includes("side=caller")`)
	p.do(chromedp.KeyEvent("+"), chromedp.KeyEvent("+"))
	p.wait(`(() => { const v = document.querySelector("parley-console").timeline.view; return v.to - v.from < 20; })()`)
	p.shot("console-near")
	p.do(chromedp.KeyEvent("0"), chromedp.KeyEvent("?"))
	p.waitSeen("dialog", "the next interruption")
	p.shot("console-keys")
	p.do(chromedp.Click(chromedp.CSS("dialog button")))
	p.wait(`!document.querySelector("dialog")`)
}

func exact(t *testing.T, p *tab) {
	p.TB = t
	p.do(chromedp.KeyEvent("x"))
	p.waitSeen(".verdict", "Equal: every decision and event came out as it was recorded.")
	p.shot("console-exact")
}

// TestConsoleList: the list is filtered as one types, and the filter is in the address and comes back from a conversation.
func TestConsoleList(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	dir := t.TempDir()
	b := browser.Start(t, "")
	p := open(t, b, shelf(t, dir, nil))
	p.waitSeen("main", "There are no recordings yet.")
	p.looks("console-none")
	consoletest.Talk(t, dir, "talk", 1)
	p.waitSeen(".recordings", "Why is the sky blue") // it looks again by itself
	if err := os.WriteFile(filepath.Join(dir, "talk.conv", "log"), []byte("no log"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.waitSeen(".recordings", "Damaged")
	p.shot("console-damaged")
	consoletest.Talk(t, dir, "whole", 1)
	p.wait(`document.querySelectorAll(".recordings tbody tr").length === 2`)
	p.do(chromedp.KeyEvent("/"))
	p.wait(`document.activeElement.name === "text"`)
	p.do(chromedp.KeyEvent("about mars"))
	p.wait(`document.querySelectorAll(".recordings tbody tr").length === 1 && location.hash === "#?text=about+mars"`)
	p.run(`document.activeElement.blur()`)
	p.do(chromedp.KeyEvent("j"))
	p.wait(`document.activeElement.getAttribute("href") === "#whole"`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.waitSeen(".turns", "Wait, and what about Mars?")
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`location.hash === "#?text=about+mars" && document.querySelector("input[type=search]")?.value === "about mars"`)
	p.do(chromedp.SendKeys(chromedp.CSS("input[type=search]"), " and pigs"))
	p.waitSeen("main", "No recording is like that.")
	p.run(`location.hash = "#none"`)
	p.waitSeen("[role=alert]", "no such file")

	p = open(t, b, shelf(t, dir, func(o *console.Options) { o.Allow = nil }))
	p.waitSeen("[role=alert]", "Recordings are shown on the computer that the server runs on only")
	p.shot("console-refused")
	p = open(t, b, serve(t, nil)+"/console.html")
	p.waitSeen("[role=alert]", "This server has no console")
}

// TestConsoleLive: a conversation is in the list while it goes on, and its page grows with it.
func TestConsoleLive(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	from, dir := t.TempDir(), t.TempDir()
	l := consoletest.Record(t, consoletest.Talk(t, from, "talk", 1), dir, "now")
	l.Until(10 * time.Second)
	p := open(t, browser.Start(t, ""), shelf(t, dir, nil))
	p.run(`peer.mode = "server"`)
	p.waitSeen(".recordings", "Live")
	p.do(chromedp.Click(chromedp.CSS(".recordings a")))
	p.waitSeen(".turns", "Why is the sky blue, and red in the evening?")
	p.wait(`document.querySelector("parley-console").timeline.peaks.made > 900`)
	p.waitSeen("header", "Live")
	p.look("light", 1200)
	p.shot("console-live")
	l.Until(30 * time.Second)
	p.waitSeen(".turns", "Wait, and what about Mars?")
	p.wait(`document.querySelector("parley-console").timeline.peaks.made > 2900`)
	l.Until(time.Minute)
	l.End()
	p.wait(`!document.querySelector(".badge.live")`)
	p.waitSeen(".turns", "Then tell me the time.")
	p.do(chromedp.KeyEvent("x"))
	p.waitSeen(".verdict", "Equal")
}

// TestConsoleHour opens a conversation of an hour. What is in view is there in less than two seconds; the limit leaves
// room for a busy machine.
func TestConsoleHour(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	dir := t.TempDir()
	consoletest.Talk(t, dir, "hour", 80)
	url := shelf(t, dir, nil)
	b := browser.Start(t, "")
	for _, link := range []string{"#hour", "#hour&t=3480"} {
		p := open(t, b, url)
		p.run(`peer.mode = "server"`)
		p.waitSeen(".recordings tbody tr", "Why is the sky blue")
		p.run(`peer.begin = performance.now(); location.hash = ` + strconv.Quote(link))
		p.wait(`(() => { const t = document.querySelector("parley-console").timeline;
			if (!t || !document.querySelectorAll(".turn").length || t.peaks.bucket > 0.5 || t.peaks.made * t.peaks.bucket < t.view.to) return false;
			peer.seen ??= performance.now() - peer.begin; return true; })()`)
		p.wait(`document.querySelector("parley-console").timeline.peaks.made * 0.01 > 3600 && (peer.whole ??= performance.now() - peer.begin)`)
		seen, whole := p.text(`Math.round(peer.seen)`), p.text(`Math.round(peer.whole)`)
		t.Logf("%s: what is in view after %s ms, all peaks after %s ms", link, seen, whole)
		if ms, err := strconv.Atoi(seen); err != nil || ms > 5000 {
			t.Errorf("%s opens in %s ms", link, seen)
		}
		p.run(`(async () => { const c = document.querySelector("parley-console"), b = performance.now(); c.acts.play(3480);
			while (c.at < 3480.2) await new Promise((r) => setTimeout(r, 20));
			peer.played = performance.now() - b; c.acts.toggle(); })()`)
		t.Logf("%s: minute 58 plays after %s ms", link, p.text(`Math.round(peer.played)`))
		p.look("dark", 1200)
		p.shot("console-hour")
	}
}
