package page_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"parley/internal/browser"
)

const (
	hello = `{type: "hello", session: "one", build: "test", stt: "moonshine base", llm: "qwen2.5 1.5b", tts: "piper joe", recorded: true}`
)

// TestConversation leads a whole conversation by keyboard and looks at what the page shows.
func TestConversation(t *testing.T) {
	p := open(t, start(t), serve(t, nil))
	p.look("light", 900)
	p.shot("idle")
	if got := p.seen("button.main"); got != "Talk" {
		t.Fatalf("the button says %q", got)
	}
	p.do(chromedp.KeyEvent(kb.Tab))
	if got := p.text(`document.activeElement.innerText`); got != "Talk" {
		t.Fatalf("the first stop of the Tab key is %q", got)
	}
	p.do(chromedp.KeyEvent(kb.Enter))
	p.wait(`parley.phase === "talking"`)
	p.say(hello)
	p.waitSeen(".recorded", "This conversation is recorded.")
	p.waitSeen(".engines", "moonshine base · qwen2.5 1.5b · piper joe")
	p.wait(`document.activeElement.innerText === "Hang up"`) // the focus has not moved
	p.waitSeen(".status", "Listening")
	p.wait(`document.querySelector("[role=status]").innerText === "Connected"`)
	p.wait(`parley.levels().you > 0.01 && parley.levels().agent > 0.01`)
	p.wait(`[...document.querySelectorAll(".lit")].every((e) => /inset\(.*(?<!100)%/.test(e.style.clipPath))`)
	p.shot("talking-empty")
	t.Run("words", func(t *testing.T) { words(t, p) })
	t.Run("typing", func(t *testing.T) { typing(t, p) })
	t.Run("recording", func(t *testing.T) { recording(t, p) })
	t.Run("figures", func(t *testing.T) { figures(t, p) })
	t.Run("playout", func(t *testing.T) { playout(t, p) })
	t.Run("end", func(t *testing.T) { end(t, p) })
}

// words checks the captions of both sides.
func words(t *testing.T, p *tab) {
	p.TB = t
	p.say(`{type: "agent", turn: 0, heard: "Hello. What can I do for you?", sent: "Hello. What can I do for you?", generated: "Hello. What can I do for you?", done: true, interrupted: false, atMs: 1200}`)
	p.say(`{type: "user", turn: 1, text: "Why is the sky", final: false, atMs: 4000}`)
	p.waitSeen(".line.you .partial", "Why is the sky")
	p.shot("listening")
	p.say(`{type: "user", turn: 1, text: "Why is the sky blue, and red in the evening?", final: true, atMs: 4000}`)
	p.say(`{type: "state", state: "thinking", atMs: 4000}`)
	p.waitSeen(".line.you", "Why is the sky blue, and red in the evening?")
	p.wait(`!document.querySelector(".line.you .partial") && document.querySelector(".dots")`)
	p.shot("thinking")
	p.say(`{type: "state", state: "speaking", atMs: 4800}`)
	p.say(`{type: "latency", turn: 1, totalMs: 823.4, endpointMs: 410, textMs: 452, tokenMs: 590, phraseMs: 655, audioMs: 790}`)
	p.say(`{type: "agent", turn: 1, heard: "Sunlight is scattered by the air, and blue light", sent: "Sunlight is scattered by the air, and blue light far more than red.", generated: "Sunlight is scattered by the air, and blue light far more than red. In the evening it comes a longer way.", done: false, interrupted: false, atMs: 65000}`)
	p.waitSeen(".latency summary", "answered in 0.82 s")
	p.waitSeen(".line:last-child .heard", "and blue light")
	p.waitSeen(".line:last-child .sent", "far more than red.")
	p.waitSeen(".line:last-child .rest", "In the evening it comes a longer way.")
	p.waitSeen(".line:last-child .who", "Agent 1:05")
	p.wait(`new Set(["heard", "sent", "rest"].map((c) => getComputedStyle(document.querySelector(".line:last-child ." + c)).color)).size === 3`)
	p.shot("speaking")
	p.do(chromedp.Click(chromedp.CSS(".latency summary")))
	p.waitSeen(".latency table", "First word written 0.59 s")
	p.shot("latency")
	p.do(chromedp.Click(chromedp.CSS(".latency summary")))
	p.say(`{type: "agent", turn: 1, heard: "Sunlight is scattered by the air, and blue light far", sent: "Sunlight is scattered by the air, and blue light far more than red.", generated: "Sunlight is scattered by the air, and blue light far more than red. In the evening it comes a longer way.", done: true, interrupted: true, atMs: 65000}`)
	p.say(`{type: "state", state: "listening", atMs: 9000}`)
	p.say(`{type: "user", turn: 2, text: "And on Mars?", final: true, atMs: 4000}`)
	p.waitSeen(".line.agent .cut", "interrupted")
	p.waitSeen(".line.agent s", "not heard: more than red. In the evening it comes a longer way.")
	p.wait(`getComputedStyle(document.querySelector("s")).textDecorationLine === "line-through"`)
	p.wait(`document.querySelector("s .sent").innerText === "more than red." && document.querySelector("s .rest").innerText.trim() === "In the evening it comes a longer way."`)
	p.shot("cut")
	for _, hostile := range []string{
		`"{"`, `"null"`, `"{\"type\":\"user\"}"`, `{type: "later", x: 1}`, `{type: "state", state: "dancing", atMs: 0}`,
		`{type: "user", turn: 3, text: "<img src=x onerror=alert(1)>", final: true, atMs: 4000}`,
	} {
		p.say(hostile)
	}
	p.waitSeen(".line:last-child", "<img src=x onerror=alert(1)>")
	p.waitSeen(".status", "Listening")
	p.say(`{type: "user", turn: 3, text: "", final: true, atMs: 4000}`)
	p.wait(`!document.querySelector("main").innerText.includes("<img")`)
}

// typing checks typed text and mute.
func typing(t *testing.T, p *tab) {
	p.TB = t
	p.do(chromedp.SendKeys(chromedp.CSS("input[name=text]"), "How far is it?"+kb.Enter))
	p.wait(`peer.sent.includes('{"type":"text","text":"How far is it?"}')`)
	p.wait(`document.querySelector("input[name=text]").value === ""`)
	p.do(chromedp.SendKeys(chromedp.CSS("input[name=text]"), "  "+kb.Enter))
	p.wait(`parley.key("5") && peer.sent.at(-1) === '{"type":"key","key":"5"}'`)
	p.wait(`!parley.key("E") && !parley.key("") && !parley.key("55")`)
	p.do(chromedp.Focus(chromedp.CSS(".mute")), chromedp.KeyEvent(" "))
	p.wait(`peer.sent.at(-1) === '{"type":"mute","on":true}'`)
	p.wait(`document.querySelector(".mute").getAttribute("aria-pressed") === "true" && !peer.tracks[0].enabled`)
	p.waitSeen(".status", "Muted")
	p.wait(`parley.levels().you < 0.001`)
	p.shot("muted")
	p.do(chromedp.Click(chromedp.CSS(".mute")))
	p.wait(`peer.sent.at(-1) === '{"type":"mute","on":false}' && peer.tracks[0].enabled`)
}

// recording checks that the caller can pause the record, by keyboard, and is told who has.
func recording(t *testing.T, p *tab) {
	p.TB = t
	p.waitSeen(".recording button", "Pause recording")
	p.do(chromedp.Focus(chromedp.CSS(".recording button")), chromedp.KeyEvent(kb.Enter))
	p.wait(`peer.sent.at(-1) === '{"type":"record","on":false}'`)
	p.waitSeen(".recorded", "This conversation is recorded.") // until the server says otherwise
	p.say(`{type: "recording", on: false, by: "caller"}`)
	p.waitSeen(".recorded", "Recording paused.")
	p.waitSeen(".recording button", "Resume recording")
	p.wait(`document.querySelector("[role=status]").innerText === "Connected. Recording paused."`)
	p.wait(`document.activeElement === document.querySelector(".recording button")`)
	p.shot("recording-paused")
	p.do(chromedp.KeyEvent(" "))
	p.wait(`peer.sent.at(-1) === '{"type":"record","on":true}'`)
	for _, hostile := range []string{`{type: "recording", on: "no", by: "caller"}`, `{type: "recording", on: true}`, `{type: "recording"}`} {
		p.say(hostile)
	}
	p.say(`{type: "recording", on: false, by: "operator"}`)
	p.waitSeen(".recorded", "Recording paused by the operator.")
	p.wait(`document.querySelector(".recording button").disabled`)
	p.say(`{type: "recording", on: true, by: "operator"}`)
	p.waitSeen(".recorded", "This conversation is recorded.")
	p.waitSeen(".recording button", "Pause recording")
	p.wait(`document.querySelector("[role=status]").innerText === "Connected"`)
}

const counters = `{type: "counters", atMs: 9000, codec: "opus", rttMs: 23.4, dropped: 0,
	up: {received: 440, lost: 6, late: 0, duplicated: 0, recovered: 3, concealedMs: 60, pausedMs: 0, depthMs: 40, loss: 0.0134},
	down: {sent: 450, loss: 0.002}}`

// figures checks the statistics.
func figures(t *testing.T, p *tab) {
	p.TB = t
	p.run(`parley.addEventListener("counters", () => { peer.counted = parley.counters.up.lost; })`)
	p.say(counters)
	p.wait(`peer.counted === 6`)
	p.do(chromedp.Click(chromedp.CSS(".latency summary")))
	p.waitSeen(".panel", "First sound sent 0.82 s The connection Round trip 23 ms Lost on the way there 1.3 % Lost on the way back 0.2 % Your sound filled in 0.06 s Codec opus")
	p.shot("connection")
	p.do(chromedp.Click(chromedp.CSS(".latency summary")))
	var s map[string]float64
	if err := json.Unmarshal([]byte(p.text(`parley.stats().then(JSON.stringify)`)), &s); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"packetsSent", "packetsReceived", "totalSamplesReceived", "totalAudioEnergy", "microphoneEnergy"} {
		if s[name] <= 0 {
			t.Errorf("%s is %v", name, s[name])
		}
	}
	for _, name := range []string{"concealedSamples", "silentConcealedSamples"} {
		if v, ok := s[name]; !ok || v < 0 {
			t.Errorf("%s is %v (present: %v)", name, v, ok)
		}
	}
}

// playout checks that the server is told how far the loudspeaker lags: once a second, and more often while the agent speaks.
func playout(t *testing.T, p *tab) {
	p.TB = t
	p.wait(`peer.lags.length > 0`)
	p.say(`{type: "state", state: "speaking", atMs: 20000}`)
	p.wait(`parley.state === "speaking"`)
	p.run(`peer.lags = []; peer.since = performance.now()`)
	p.wait(`peer.lags.length >= 8`)
	if took := p.text(`String(performance.now() - peer.since < 6000)`); took != "true" {
		t.Error("eight reports took more than six seconds: they come no more often than in silence")
	}
	p.say(`{type: "state", state: "listening", atMs: 23000}`)
	var told []struct {
		Type    string  `json:"type"`
		DelayMS float64 `json:"delayMs"`
	}
	if err := json.Unmarshal([]byte("["+p.text(`peer.lags.join(",")`)+"]"), &told); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", told)
	for _, m := range told {
		if m.DelayMS < 5 || m.DelayMS > 1000 || m.DelayMS != math.Trunc(m.DelayMS) {
			t.Errorf("a loudspeaker that lags %v ms", m.DelayMS)
		}
	}
}

// end checks hanging up, and what stays.
func end(t *testing.T, p *tab) {
	p.TB = t
	p.run(`peer.stale = parley.call.channel`)
	p.do(chromedp.Focus(chromedp.CSS("button.main")), chromedp.KeyEvent(kb.Enter))
	p.wait(`parley.phase === "ended" && peer.left.includes("/sessions/one")`)
	p.run(`peer.stale.dispatchEvent(new MessageEvent("message", {data: '{"type": "ended", "reason": "You hung up."}'}))`) // it was on its way
	p.wait(`peer.tracks.every((t) => t.readyState === "ended")`)
	p.waitSeen(".status", "Call ended")
	p.wait(`document.querySelector(".recorded") && !document.querySelector(".recording button")`)
	p.wait(`!parley.problem`)
	p.wait(`document.activeElement.innerText === "Talk"`)
	p.waitSeen("main", "And on Mars?")
	p.run(`navigator.clipboard.writeText = async (text) => { peer.copied = text; }`)
	p.do(chromedp.Click(chromedp.CSS(".copy")))
	p.wait(`peer.copied.includes("Agent: Sunlight is scattered by the air, and blue light far (interrupted)\nYou: And on Mars?")`)
	p.waitSeen("[role=status]", "Transcript copied")
	p.shot("ended")
	p.talk()
	p.wait(`!document.querySelector(".line") && !document.querySelector(".latency")`)
	p.do(chromedp.Focus(chromedp.CSS("input[name=text]")))
	p.say(`{type: "ended", reason: "The agent said goodbye."}`)
	p.waitSeen(".hint", "The agent said goodbye.")
	p.wait(`document.activeElement.innerText === "Talk"`)        // the field is gone, the focus is not lost
	p.wait(`parley.phase === "ended" && peer.left.length === 1`) // the server knows
}

// TestRefusals checks what the page says when no conversation begins.
func TestRefusals(t *testing.T) {
	answer := func(status int, header, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the page is what is tested
		}
	}
	b := start(t)
	for _, c := range []struct {
		name, before string
		offer        http.HandlerFunc
		title        string
		advice       string
		checks       string // of the steps, if shown
	}{
		{"denied", `peer.refuse = "NotAllowedError"`, nil, "The page may not use your microphone.", "address bar", ""},
		{"no-microphone", `peer.refuse = "NotFoundError"`, nil, "No microphone was found.", "Plug one in", ""},
		{"microphone-busy", `peer.refuse = "NotReadableError"`, nil, "The microphone cannot be opened.", "Another program", ""},
		{"unsupported", `delete window.RTCPeerConnection`, nil, "This browser cannot hold a call.", "current Firefox", ""},
		{"busy", `peer.mode = "server"`, answer(503, "Retry-After", "20", `{"error":"full"}`), "as many conversations as it can hold.", "Try again in 20 seconds.", "Microphone: works, Server: failed, Network path: not tried, Encryption: not tried, Captions: not tried"},
		{"refused", `peer.mode = "server"`, answer(400, "", "", `{"error":"the offer has no audio line"}`), "The server refused the call.", "The offer has no audio line.", "Server: failed"},
		{"no-parley", `peer.mode = "server"`, nil, "What answers at this address is not parley.", "POST /offer", "Server: failed"},
		{"not-json", `peer.mode = "server"`, answer(200, "", "", "<html>"), "What answers at this address is not parley.", "POST /offer", "Server: failed"},
		{"server-failed", `peer.mode = "server"`, answer(500, "", "", ""), "The server failed while taking the call.", "its log", "Server: failed"},
		{"bad-answer", `peer.mode = "server"`, answer(200, "", "", `{"sdp":"v=0","type":"answer","session":"x"}`), "does not suit this browser.", "another browser", "Server: failed"},
		{"slow", `peer.mode = "server"; parley.timeouts.answer = 300`, never, "The server does not answer.", "still runs", "Server: failed"},
		{"unreachable", `peer.mode = "server"`, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "The server does not answer.", "still runs", "Server: failed"},
		{"path", `peer.mode = "deaf"; parley.timeouts.connect = 1500`, nil, "no sound can travel to it.", "UDP", "Server: works, Network path: failed"},
		{"encryption", `peer.mode = "tampered"; parley.timeouts.connect = 6000`, nil, "could not be encrypted.", "another network", "Network path: works, Encryption: failed"},
		{"channel", `peer.mode = "silent"; parley.timeouts.connect = 2500`, nil, "sends no captions.", "Reload", "Encryption: works, Captions: failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, b, serve(t, c.offer))
			p.run(c.before)
			p.do(chromedp.Click(chromedp.CSS("button.main")))
			p.waitSeen("[role=alert]", c.title)
			p.waitSeen("[role=alert]", c.advice)
			p.wait(fmt.Sprintf(`%q === "" || [...document.querySelectorAll(".checks li")].map((e) => e.textContent).join(", ").includes(%q)`, c.checks, c.checks))
			p.wait(`parley.phase === "idle" && parley.problem.fatal && document.querySelector("button.main").innerText === "Talk"`)
			p.wait(`peer.tracks.every((t) => t.readyState === "ended")`)
			p.shot("problem-" + c.name)
		})
	}
}

// never answers, and notices when the page gives up: for that the request must have been read.
func never(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// TestCancel checks that connecting can be given up, and that the page then is as before.
func TestCancel(t *testing.T) {
	p := open(t, start(t), serve(t, never))
	p.run(`peer.mode = "server"`)
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.phase === "connecting" && document.querySelector("button.main").innerText === "Cancel"`)
	p.shot("connecting")
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.wait(`parley.phase === "idle" && !parley.problem && peer.tracks[0].readyState === "ended"`)
	p.run(`peer.mode = "answer"`)
	// A browser never says how it went with an answer if the call is closed meanwhile.
	p.run(`(() => {
		const take = peer.take = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = function (d) {
			if (d.type !== "answer") return take.call(this, d);
			peer.taken = true;
			return new Promise(() => undefined);
		};
		parley.connect().then((up) => { peer.up = up; });
	})()`)
	p.wait(`peer.taken`)
	p.run(`parley.hangup()`)
	p.wait(`peer.up === false && parley.phase === "idle" && !parley.problem`)
	p.run(`RTCPeerConnection.prototype.setRemoteDescription = peer.take`)
	p.talk()
}

// TestTroubles checks what can go wrong in the middle of a conversation.
func TestTroubles(t *testing.T) {
	p := open(t, start(t), serve(t, nil))
	p.talk()
	p.say(`{type: "error", code: "llm", text: "the language model gave no answer", fatal: false}`)
	p.waitSeen("[role=alert]", "The language model gave no answer.")
	p.shot("trouble")
	p.do(chromedp.Click(chromedp.CSS("[role=alert] button")))
	p.wait(`document.querySelector("[role=alert]").innerText === ""`)
	p.say(`{type: "error", code: "stt", text: "the recognizer died", fatal: true}`)
	p.waitSeen("[role=alert]", "The recognizer died.")
	p.wait(`parley.phase === "ended" && parley.problem.fatal`)
	p.talk()
	p.wait(`!parley.problem`)
	p.run(`peer.pc.close()`)
	p.waitSeen("[role=alert]", "The connection to the server was lost.")
	p.wait(`parley.phase === "ended"`)
}

// TestDevices checks the choice of a microphone, and that the call survives its loss.
func TestDevices(t *testing.T) {
	p := open(t, start(t), serve(t, nil))
	p.talk()
	p.wait(`document.querySelector("select").options.length >= 2`)
	p.run(`{ const s = document.querySelector("select"); s.selectedIndex = 1; s.dispatchEvent(new Event("change")); }`)
	p.wait(`peer.tracks.length === 2 && peer.tracks[0].readyState === "ended" && parley.levels().you > 0.01`)
	p.run(`peer.tracks[1].dispatchEvent(new Event("ended"))`)
	p.waitSeen("[role=alert]", "Your microphone was taken away. The call goes on with “")
	p.wait(`peer.tracks.length === 3 && parley.levels().you > 0.01`)
	p.shot("microphone-changed")
	p.run(`peer.refuse = "NotFoundError"; peer.tracks[2].dispatchEvent(new Event("ended"))`)
	p.waitSeen("[role=alert]", "and there is no other")
	p.wait(`parley.phase === "talking" && parley.levels().you === 0`)
	p.run(`peer.refuse = ""; navigator.mediaDevices.dispatchEvent(new Event("devicechange"))`)
	p.wait(`peer.tracks.length === 4 && !parley.problem && parley.levels().you > 0.01`)
	before := p.text(`parley.stats().then((s) => s.packetsSent)`)
	p.wait(`parley.stats().then((s) => s.packetsSent > ` + before + `)`)
}

// TestSilentMicrophone checks that a microphone without sound is noticed.
func TestSilentMicrophone(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	p := open(t, browser.Start(t, microphone(t, 0), localPeers), serve(t, nil))
	p.talk()
	p.waitSeen("[role=alert]", "No sound comes from your microphone.")
	p.shot("microphone-silent")
	p.do(chromedp.Click(chromedp.CSS(".mute")))
	p.wait(`!parley.problem`)
}

// TestNoDevice checks a computer without a microphone: one can type and listen.
func TestNoDevice(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	p := open(t, browser.Start(t, "", localPeers), serve(t, nil))
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.waitSeen("[role=alert]", "No microphone was found.")
	voiceless(t, p)
}

// TestInsecure checks a page over HTTP from another computer.
func TestInsecure(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	b := browser.Start(t, microphone(t, 0.3), localPeers, chromedp.Flag("host-resolver-rules", "MAP parley.test 127.0.0.1"))
	p := open(t, b, replaceHost(serve(t, nil), "parley.test"))
	p.do(chromedp.Click(chromedp.CSS("button.main")))
	p.waitSeen("[role=alert]", "Browsers give a page the microphone only over HTTPS.")
	p.shot("problem-insecure")
	voiceless(t, p)
}

// voiceless goes on without a microphone from the problem that offers it.
func voiceless(t *testing.T, p *tab) {
	t.Helper()
	p.do(chromedp.Click(chromedp.CSS("[role=alert] button")))
	p.wait(`parley.phase === "talking" && !parley.problem`)
	p.do(chromedp.SendKeys(chromedp.CSS("input[name=text]"), "Hi"+kb.Enter))
	p.wait(`peer.sent.includes('{"type":"text","text":"Hi"}')`)
	p.wait(`document.querySelector(".mute").disabled`)
}
