package page_test

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestLook checks each state, light and dark, wide and narrow: nothing is cut off, every text has contrast,
// every control a name and a size to touch. testdata/look.js says what is wrong.
func TestLook(t *testing.T) {
	script, err := os.ReadFile("testdata/look.js")
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, start(t), serve(t, nil))
	check := func(state string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			for name, width := range map[string]int64{"wide": 900, "narrow": 360} {
				p.look(scheme, width)
				p.wait(`innerWidth === ` + map[string]string{"wide": "900", "narrow": "360"}[name])
				if wrong := p.text(string(script)); wrong != "" {
					t.Errorf("%s, %s, %s: %s", state, scheme, name, wrong)
				}
				p.wait(`(() => { const m = document.querySelector("main"); return m.scrollHeight - m.scrollTop - m.clientHeight < 2; })()`)
				p.shot("look-" + state + "-" + scheme + "-" + name)
			}
		}
	}
	check("idle")
	p.wait(`getComputedStyle(document.querySelector("button.main")).transitionProperty === "none"`)
	p.run(`peer.mode = "deaf"; parley.timeouts.connect = 300`)
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.problem`)
	check("problem")
	p.run(`peer.mode = "answer"; parley.timeouts.connect = 15000`)
	p.talk()
	p.say(hello)
	check("empty")
	p.say(`{type: "agent", turn: 0, heard: "Hello. What can I", sent: "Hello. What can I do", generated: "Hello. What can I do for you?", done: true, interrupted: true, atMs: 1200}`)
	p.say(`{type: "user", turn: 1, text: "Spell a word that does not fit on a telephone.", final: true, atMs: 61000}`)
	p.say(`{type: "agent", turn: 1, heard: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, which", sent: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, which is longer than most.", generated: "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft, which is longer than most. It names a ship's company.", done: false, interrupted: false, atMs: 65000}`)
	p.say(`{type: "latency", turn: 1, totalMs: 823.4, endpointMs: 410, textMs: 452, tokenMs: 590, phraseMs: 655, audioMs: 790}`)
	p.say(`{type: "state", state: "speaking", atMs: 4800}`)
	p.say(`{type: "user", turn: 2, text: "and what is", final: false, atMs: 71000}`)
	p.say(`{type: "error", code: "llm", text: "the language model gave no answer in five seconds", fatal: false}`)
	p.wait(`parley.problem && parley.transcript.length === 4`)
	check("busy")
	p.say(counters)
	p.run(`parley.dismiss(); document.querySelector("details").open = true; parley.mute(true)`)
	check("latency")
	p.say(`{type: "recording", on: false, by: "operator"}`)
	p.waitSeen(".recorded", "paused by the operator")
	check("paused")
	p.say(`{type: "ended", reason: "The conversation ended because an engine failed. The server's log says why."}`)
	p.wait(`parley.phase === "ended"`)
	check("ended")
}
