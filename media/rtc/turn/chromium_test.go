package turn

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	parley "parley/media"
	"parley/media/rtc"
)

// relayCall is a call of a page that may use TURN servers only. It resolves when 50 packets have come.
const relayCall = `(async () => {
  const began = performance.now();
  const pc = window.pc = new RTCPeerConnection({iceServers: await (await fetch("/servers")).json(), iceTransportPolicy: "relay"});
  pc.createDataChannel("parley");
  const audio = new AudioContext(), hum = audio.createOscillator(), out = audio.createMediaStreamDestination();
  hum.connect(out);
  hum.start();
  pc.addTrack(out.stream.getAudioTracks()[0], out.stream);
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete")
    await new Promise(ok => pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && ok());
  const gathered = performance.now() - began;
  const up = new Promise(ok => pc.onconnectionstatechange = () => pc.connectionState === "connected" && ok());
  const r = await fetch("/offer", {method: "POST", body: pc.localDescription.sdp});
  await pc.setRemoteDescription({type: "answer", sdp: await r.text()});
  await up;
  const connected = performance.now() - began;
  for (;;) {
    for (const s of (await pc.getStats()).values())
      if (s.type === "inbound-rtp" && s.packetsReceived >= 50) return {gathered, connected, packets: s.packetsReceived};
    await new Promise(ok => setTimeout(ok, 50));
  }
})()`

// A browser that may use nothing but the relay has its call, and leaves nothing behind.
func TestChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	for i, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			e, err := rtc.Listen(rtc.Options{Addr: "127.0.0.1:0", Loopback: true})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			s := server(t, Options{}, e.Addr())
			calls := make(chan *rtc.Call, 1)
			site := httptest.NewServer(page(t, e, calls, func() []rtc.ICEServer {
				all := s.Servers(time.Now())
				all[0].URLs = all[0].URLs[i : i+1]
				return all
			}))
			defer site.Close()
			tab, cancel := context.WithTimeout(browser.Start(t, ""), 30*time.Second)
			defer cancel()
			heard := make(chan int, 1)
			go func() { heard <- reflect(t, calls) }()
			if err := chromedp.Do(tab, chromedp.Navigate(site.URL)); err != nil {
				t.Fatal(err)
			}
			type figures struct{ Gathered, Connected, Packets float64 }
			got, err := chromedp.Run(tab, chromedp.Evaluate[figures](relayCall, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void]("pc.close()")); err != nil {
				t.Fatal(err)
			}
			t.Logf("gathered after %.0f ms, connected after %.0f ms", got.Gathered, got.Connected)
			if n := <-heard; n < 50 || got.Packets < 50 {
				t.Errorf("%d packets came, %.0f went", n, got.Packets)
			}
			if n := s.Stats(); n.Relayed < 100 || n.Excess+n.Refused+n.Denied != 0 {
				t.Errorf("%+v", n)
			}
			becomes(t, "allocations", 0, func() int { return s.Stats().Allocations })
		})
	}
}

// page serves an empty page, the servers and an answer.
func page(t *testing.T, e *rtc.Endpoint, calls chan<- *rtc.Call, servers func() []rtc.ICEServer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>call</title>")
	})
	mux.HandleFunc("GET /servers", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(servers()) })
	mux.HandleFunc("POST /offer", func(w http.ResponseWriter, r *http.Request) {
		offer, _ := io.ReadAll(r.Body)
		call, answer, err := e.Answer(r.Context(), string(offer))
		if err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		calls <- call
		_, _ = io.WriteString(w, answer)
	})
	return mux
}

// reflect lives a call whose packets are sent back, and says how many came.
func reflect(t *testing.T, calls <-chan *rtc.Call) (n int) {
	var call *rtc.Call
	select {
	case call = <-calls:
	case <-time.After(patience):
		t.Error("nobody calls")
		return 0
	}
	up := call.Up().Tap(100, parley.DropNewest)
	end := make(chan error, 1)
	go func() { end <- call.Run(t.Context()) }()
	for _, p := range up.All(t.Context()) {
		call.Send(p)
		n++
	}
	<-end
	return n
}
