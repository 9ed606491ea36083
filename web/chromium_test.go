package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/media"
	"parley/media/rtc"
)

// tone writes a second of 440 Hz, mono, 48 kHz.
func tone(t *testing.T) string {
	t.Helper()
	const rate = 48000
	var b bytes.Buffer
	b.WriteString("RIFF")
	for _, v := range []any{
		uint32(36 + 2*rate), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16),
		[]byte("data"), uint32(2 * rate),
	} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rate {
		_ = binary.Write(&b, binary.LittleEndian, int16(8000*math.Sin(2*math.Pi*440*float64(i)/rate)))
	}
	name := filepath.Join(t.TempDir(), "tone.wav")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const script = `
window.talk = async () => {
  const pc = window.pc = new RTCPeerConnection();
  const dc = pc.createDataChannel("parley");
  window.heard = [];
  dc.onmessage = e => window.heard.push(e.data);
  dc.onopen = () => dc.send("hello");
  const mic = await navigator.mediaDevices.getUserMedia({audio: true});
  pc.addTransceiver(mic.getAudioTracks()[0], {direction: "sendrecv", streams: [mic]});
  if (window.withVideo) pc.addTransceiver("video", {direction: "sendrecv"});
  pc.ontrack = e => { const a = new Audio(); a.srcObject = e.streams[0]; a.play(); };
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete")
    await new Promise(ok => pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && ok());
  const r = await fetch("/offer", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(pc.localDescription)});
  const answer = await r.json();
  if (!r.ok) throw new Error(answer.error);
  await pc.setRemoteDescription(answer);
  return answer.session;
};
window.count = async () => {
  let n = {packets: 0, lost: 0, energy: 0, heard: window.heard.length, state: pc.connectionState};
  (await pc.getStats()).forEach(s => {
    if (s.type === "inbound-rtp") { n.packets += s.packetsReceived; n.lost += s.packetsLost; n.energy += s.totalAudioEnergy || 0; }
  });
  return n;
};`

// TestChromium: a browser hears itself through a server that sends back what comes, says goodbye, and the
// server has learned of it at once. The second call offers video too.
func TestChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	h := open(t, 0)
	var level, loud atomic.Int64
	h.Converse = func(ctx context.Context, s *Session) error {
		call := s.Call
		up := call.Up().Tap(50, media.DropOldest)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, p := range up.All(ctx) {
				if p.Level >= 0 {
					level.Add(1)
				}
				if p.Level >= 0 && p.Level < 60 {
					loud.Add(1)
				}
				call.Send(p)
			}
		}()
		go func() {
			for range call.Messages()(ctx) {
				call.Post([]byte("welcome"))
			}
		}()
		err := call.Run(ctx)
		<-done
		t.Logf("%+v", call.Stats())
		h.ended <- err
		return err
	}
	h.Page = fstest.MapFS{
		"index.html": {Data: []byte(`<!doctype html><script src="talk.js"></script>`)},
		"talk.js":    {Data: []byte(script)},
	}
	h.http.Config.Handler = h.Handler()
	for _, video := range []string{"false", "true"} {
		t.Run("video "+video, func(t *testing.T) {
			tab := browser.Start(t, tone(t))
			type count struct {
				Packets, Lost, Heard, Energy float64
				State                        string
			}
			var n count
			begin := time.Now()
			if err := chromedp.Do(tab, chromedp.Navigate(h.http.URL)); err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Run(tab, chromedp.Evaluate[string]("window.withVideo = "+video+"; talk()", chromedp.EvalAwaitPromise)); err != nil {
				t.Fatal(err)
			}
			t.Logf("answered after %v", time.Since(begin))
			for end := time.Now().Add(20 * time.Second); n.Packets < 100 || n.Heard < 1; time.Sleep(100 * time.Millisecond) {
				var err error
				if n, err = chromedp.Run(tab, chromedp.Evaluate[count]("count()", chromedp.EvalAwaitPromise)); err != nil {
					t.Fatal(err)
				}
				if time.Now().After(end) {
					t.Fatalf("%+v", n)
				}
			}
			if n.State != "connected" || n.Energy == 0 || n.Lost > 5 {
				t.Errorf("browser: %+v", n)
			}
			if level.Load() == 0 || loud.Load() == 0 {
				t.Errorf("%d packets tell a level, %d are loud", level.Load(), loud.Load())
			}
			goodbye := time.Now()
			if _, err := chromedp.Run(tab, chromedp.Evaluate[bool]("pc.close(), true")); err != nil {
				t.Fatal(err)
			}
			h.wantEnd(t, rtc.ErrHangup)
			t.Logf("goodbye seen after %v", time.Since(goodbye))
		})
	}
}
