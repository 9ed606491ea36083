package netverb

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/internal/caller/callertest"
	"parley/internal/wav"
)

// dialing calls as a page does, and returns once audio is heard.
const dialing = `(async () => {
	const pc = new RTCPeerConnection();
	const voice = await navigator.mediaDevices.getUserMedia({audio: true});
	pc.addTrack(voice.getTracks()[0], voice);
	pc.createDataChannel("parley");
	await pc.setLocalDescription();
	while (pc.iceGatheringState !== "complete") await new Promise(r => setTimeout(r, 20));
	const res = await fetch("/offer", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(pc.localDescription)});
	await pc.setRemoteDescription(await res.json());
	for (;;) {
		let heard = 0;
		(await pc.getStats()).forEach(s => { if (s.type === "inbound-rtp") heard = s.packetsReceived; });
		if (heard > 150) return heard;
		await new Promise(r => setTimeout(r, 50));
	}
})()`

func TestBrowserThroughTheProxy(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	file := filepath.Join(t.TempDir(), "microphone.wav")
	w, err := wav.Create(file, 16000)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(callertest.Tone(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	page, end := start(t, Cmd{Profile: "burst5", Seed: 7, Server: realServer(t), Listen: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(browser.Start(t, file), 40*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(page+"/healthz")); err != nil {
		t.Fatal(err)
	}
	heard, err := chromedp.Run(ctx, chromedp.Evaluate[int](dialing, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	out := end()
	m := regexp.MustCompile(`to the server (\d+) packets of audio, (\d+) lost .*; from it (\d+) packets of audio, (\d+) lost`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal(out)
	}
	var n [5]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i]) // the expression says digits, but for the whole
	}
	if n[1] < 150 || n[2] == 0 || n[3] < heard || n[4] == 0 {
		t.Errorf("%d heard; %s", heard, out)
	}
}
