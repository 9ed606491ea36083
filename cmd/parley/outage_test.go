package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"parley/media"
)

// recorder runs in a page before its own scripts and keeps the agent's sound as it is played, lowered to 16 kHz.
const recorder = `(() => {
	const kept = window.kept = {blocks: [], problems: [], told: false};
	const record = async (track) => {
		const frames = new MediaStreamTrackProcessor({track, maxBufferSize: 500}).readable.getReader();
		for (let r; !(r = await frames.read()).done; r.value.close()) {
			const all = new Float32Array(r.value.numberOfFrames), n = r.value.sampleRate / 16000;
			r.value.copyTo(all, {planeIndex: 0, format: "f32-planar"});
			const block = new Int16Array(all.length / n);
			block.forEach((_, i) => { block[i] = 32767 * all.subarray(i * n, (i + 1) * n).reduce((sum, x) => sum + x, 0) / n; });
			kept.blocks.push(block);
		}
	};
	window.RTCPeerConnection = class extends RTCPeerConnection {
		constructor(...options) {
			super(...options);
			this.addEventListener("track", (e) => void record(e.track));
		}
	};
	kept.taken = () => {
		let text = "";
		for (const b of kept.blocks) text += String.fromCharCode(...new Uint8Array(b.buffer));
		return btoa(text);
	};
	addEventListener("error", (e) => kept.problems.push(e.message));
	addEventListener("unhandledrejection", (e) => kept.problems.push(String(e.reason)));
})()`

// recording makes a tab keep the agent's sound from its next page on.
func (p tab) recording() {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: recorder})
		return err
	}), chromedp.Reload())
	p.until(`window.kept && document.querySelector("button.main")`)
}

// recorded is the agent's sound so far, at [media.ListenRate].
func (p tab) recorded() []int16 {
	p.t.Helper()
	b, err := base64.StdEncoding.DecodeString(p.text("kept.taken()"))
	if err != nil {
		p.t.Fatal(err)
	}
	pcm := make([]int16, len(b)/2)
	if _, err := binary.Decode(b, binary.LittleEndian, pcm); err != nil {
		p.t.Fatal(err)
	}
	return pcm
}

// spell is a stretch of sound.
type spell struct{ from, to time.Duration }

// spells are the stretches that are louder than −46 dBFS, with pauses of less than 100 ms in them.
func spells(pcm []int16) (all []spell) {
	const n, pause = media.ListenRate / 100, 100 * time.Millisecond
	for i := 0; i+n <= len(pcm); i += n {
		sum := 0
		for _, x := range pcm[i : i+n] {
			sum += int(x) * int(x)
		}
		if sum < n*164*164 {
			continue
		}
		s := spell{media.Samples(i, media.ListenRate), media.Samples(i+n, media.ListenRate)}
		if last := len(all) - 1; last >= 0 && s.from-all[last].to < pause {
			all[last].to = s.to
		} else {
			all = append(all, s)
		}
	}
	return all
}

// The caller's network is dead for ten seconds in the middle of an answer, in a browser: the page says so and mends it,
// the answer is heard whole, and the captions and the conversation stay as they were.
func TestPathLostInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser")
	}
	const outage = 10 * time.Second
	text := "call home when rain ends bring both hats good tea warm milk some corn that pale blue lamp from next door then rest"
	answer := "You said: " + text
	length := time.Duration(len(answer)) * 65 * time.Millisecond // of its sound
	s := start(t, "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-")
	network := begin(t, "open ", "net", "--profile", "clean", "--server", s.url, "--listen", "127.0.0.1:0")
	url, _, _ := strings.Cut(network.url, "/ ")
	p := visit(t, url, microphone(t, nil))
	p.recording()
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "talking" && parley.hello`)
	session := p.text(`parley.hello.session`)
	p.text(`parley.send("` + text + `")`)
	p.until(`parley.levels().agent > 0.01`)
	time.Sleep(3 * time.Second)
	tell(t, url+"/-/cut")
	cut := time.Now()
	p.until(`!parley.steady && document.body.innerText.includes("Reconnecting …")`)
	noticed := time.Since(cut)
	p.shot("outage")
	time.Sleep(time.Until(cut.Add(outage)))
	p.text(`parley.addEventListener("message", () => { kept.told = true; })`)
	tell(t, url+"/-/join")
	joined := time.Now()
	p.until(`parley.steady && parley.levels().agent > 0.01`)
	back := time.Since(joined)
	p.until(`kept.told`)
	told := time.Since(joined)
	p.until(`parley.state === "listening"`)
	time.Sleep(time.Second) // what is on its way
	var sound time.Duration
	heard := spells(p.recorded())
	for _, s := range heard {
		sound += s.to - s.from
	}
	t.Logf("noticed after %v, sound back after %v, captions after %v; %v of sound for %v of answer: %v", noticed, back, told, sound, length, heard)
	if sound < length-100*time.Millisecond || sound > length+2500*time.Millisecond {
		t.Errorf("%v of the answer were heard, its length is %v", sound, length)
	}
	if back > 4*time.Second || told > 4*time.Second {
		t.Errorf("sound is back after %v, captions after %v", back, told)
	}
	const said = `parley.transcript.map((l) => l.who + ": " + l.text + l.rest + (l.interrupted ? " interrupted" : "")).join("\n")`
	want := "you: " + text + "\nagent: " + answer
	if got := p.text(said); got != want {
		t.Errorf("the page shows %q, want %q", got, want)
	}
	p.text(`parley.send("And again.")`)
	p.until(`parley.transcript.length === 4 && parley.transcript[3].done && parley.state === "listening"`)
	if got := p.text(said); got != want+"\nyou: And again.\nagent: You said: And again." {
		t.Errorf("the page shows %q", got)
	}
	if got := p.text(`parley.hello.session`); got != session || p.text(`parley.problem`) != "" || p.text(`kept.problems.join()`) != "" {
		t.Errorf("session %s became %s; the page's problem is %s, its errors are %s", session, got, p.text(`parley.problem?.title`), p.text(`kept.problems.join()`))
	}
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "ended"`)
}

// tell posts nothing to an address.
func tell(t *testing.T, url string) {
	t.Helper()
	res, err := http.Post(url, "", bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
}
