package page_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPatience checks that the choice goes with the next offer, is kept by the browser, and looks right.
func TestPatience(t *testing.T) {
	look, err := os.ReadFile("testdata/look.js")
	if err != nil {
		t.Fatal(err)
	}
	b := start(t) // first: it skips the test where there is to be no browser
	url := serve(t, nil)
	p := open(t, b, url)
	check := func(state string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{390, 1200} {
				p.look(scheme, width)
				p.wait(`innerWidth === ` + strconv.FormatInt(width, 10))
				if wrong := p.text(string(look)); wrong != "" {
					t.Errorf("%s, %s, %d: %s", state, scheme, width, wrong)
				}
				p.shot(fmt.Sprintf("patience-%s-%s-%d", state, scheme, width))
			}
		}
	}
	listen := func() {
		t.Helper()
		p.run(`(() => {
			const post = window.fetch;
			peer.offers = [];
			window.fetch = (url, options) => {
				if (options?.method === "POST") peer.offers.push(JSON.parse(options.body));
				return post(url, options);
			};
		})()`)
	}
	choose := func(name string) {
		t.Helper()
		p.run(fmt.Sprintf(`{ const s = document.querySelector(".patience select"); s.value = %q; s.dispatchEvent(new Event("change")); }`, name))
	}
	listen()
	p.waitSeen(".patience", "Patience")
	p.wait(`document.querySelector(".patience select").value === "normal"`)
	p.wait(`[...document.querySelectorAll(".patience option")].map((o) => o.text.trim()).join("; ") ===
		"Quick: answers sooner; Normal: after a short pause; Patient: time to think"`)
	check("idle")
	p.talk()
	p.wait(`peer.offers.length === 1 && !("patience" in peer.offers[0])`)
	p.wait(`!document.querySelector(".later")`)
	p.do(chromedp.Focus(chromedp.CSS(".patience select")), chromedp.KeyEvent("P")) // by keyboard
	p.waitSeen(".patience .later", "from the next call on")
	p.wait(`document.activeElement === document.querySelector(".patience select") && localStorage.getItem("parley.patience") === "patient"`)
	p.say(hello)
	p.waitSeen(".recorded", "This conversation is recorded.")
	check("talking")
	p.look("light", 390) // where the words need the room
	p.wait(`innerWidth === 390 && !document.querySelector(".patience").checkVisibility()`)
	p.look("light", 900)
	p.wait(`innerWidth === 900 && document.querySelector(".patience").checkVisibility()`)
	p.waitSeen(".patience .later", "from the next call on")
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.phase === "ended" && !document.querySelector(".later")`)
	p.talk()
	p.wait(`peer.offers.length === 2 && peer.offers[1].patience === 1.8`)
	choose("quick")
	p.waitSeen(".patience .later", "from the next call on")
	p.do(chromedp.Click(chromedp.CSS("button.main")), chromedp.Navigate(url))
	p.wait(`document.querySelector(".patience select")?.value === "quick"`)
	listen()
	p.talk()
	p.wait(`peer.offers.length === 1 && peer.offers[0].patience === 0.6`)
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.phase === "ended"`)
	choose("normal")
	p.wait(`localStorage.getItem("parley.patience") === null`)
	p.talk()
	p.wait(`peer.offers.length === 2 && !("patience" in peer.offers[1])`)
}

// TestPatienceRefused checks that the page says what to do where the server lets nobody choose.
func TestPatienceRefused(t *testing.T) {
	p := open(t, start(t), serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":"this server chooses turn-taking itself: set Patience to Normal on the page, or send neither turn nor patience"}`))
	}))
	p.run(`peer.mode = "server"`)
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.waitSeen("[role=alert]", "The server refused the call. This server chooses turn-taking itself: set Patience to Normal")
}

// TestWordsDoNotJump checks that words keep their place while they are written, given to the voice, and heard.
func TestWordsDoNotJump(t *testing.T) {
	p := open(t, start(t), serve(t, nil))
	p.look("light", 390)
	p.talk()
	const all = "One two three four five six seven eight nine ten, and so on until a line of this width is full twice over."
	say := func(heard, sent int) {
		p.say(fmt.Sprintf(`{type: "agent", turn: 1, heard: %q, sent: %q, generated: %q, done: false, interrupted: false, atMs: 1000}`, all[:heard], all[:sent], all))
	}
	// Where each word of the answer is.
	const places = `(() => {
		const out = [], walk = document.createTreeWalker(document.querySelector(".words"), NodeFilter.SHOW_TEXT);
		for (let n; (n = walk.nextNode()); ) {
			for (const m of n.data.matchAll(/\S+/g)) {
				const r = document.createRange();
				r.setStart(n, m.index);
				r.setEnd(n, m.index + m[0].length);
				const b = r.getBoundingClientRect();
				out.push(m[0] + " " + b.left.toFixed(0) + " " + b.top.toFixed(0));
			}
		}
		return out.join("; ");
	})()`
	want := ""
	for _, n := range [][2]int{{0, 3}, {3, 18}, {7, 18}, {18, 49}, {49, len(all)}, {len(all), len(all)}} {
		say(n[0], n[1])
		p.wait(fmt.Sprintf(`document.querySelector(".heard")?.textContent === %q`, all[:n[0]]))
		got := p.text(places)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%d heard, %d sent:\n%s\nbefore:\n%s", n[0], n[1], got, want)
		}
		p.shot(fmt.Sprintf("words-%d", n[0]))
	}
}
