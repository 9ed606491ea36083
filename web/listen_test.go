package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"parley/media"
)

// listener is the offer of one who listens, and the number of voices that it hears.
func listener(t *testing.T) (*webrtc.PeerConnection, string, <-chan string) {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	heard := make(chan string, 2)
	pc.OnTrack(func(tr *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if _, _, err := tr.ReadRTP(); err == nil {
			heard <- tr.StreamID()
		}
	})
	for range 2 {
		if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return pc, pc.LocalDescription().SDP, heard
}

// talkative is a house whose agent sends back what it hears.
func talkative(t *testing.T) *house {
	t.Helper()
	h := open(t, 0)
	h.Listeners = true
	h.Converse = func(ctx context.Context, s *Session) error {
		up := s.Call.Up().Tap(50, media.DropOldest)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for _, p := range up.All(ctx) {
				s.Call.Send(p)
			}
		}()
		err := s.Call.Run(ctx)
		<-done
		h.ended <- err
		return err
	}
	return h
}

// talk connects a caller who sends a packet every 20 ms until the test, or the call, is over.
func (h *house) talk(t *testing.T) (session string) {
	t.Helper()
	c, _, answer := h.call(t)
	if err := c.Accept(answer.SDP); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	stop := make(chan struct{})
	sending := make(chan struct{})
	<-c.Connected()
	go func() {
		defer close(sending)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for p := (media.Packet{Payload: []byte{0xf8, 0xff, 0xfe}}); ; p.Seq, p.Time = p.Seq+1, p.Time+960 {
			select {
			case <-tick.C:
				c.Send(p)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-sending
		c.Close()
		<-done
	})
	return answer.Session
}

func TestListen(t *testing.T) {
	h := talkative(t)
	id := h.talk(t)
	pc, offer, heard := listener(t)
	res, answer := h.do(t, "POST", "/sessions/"+id+"/listen", offer, "Content-Type", sdpType)
	at := res.Header.Get("Location")
	if res.StatusCode != http.StatusCreated || !strings.HasPrefix(at, "/sessions/"+id+"/listeners/") || res.Header.Get("Content-Type") != sdpType {
		t.Fatalf("%s %v: %s", res.Status, res.Header, answer)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Fatal("a voice is not heard")
		}
	}
	if res, _ := h.do(t, "DELETE", at, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("leave: %s", res.Status)
	}
	if res, _ := h.do(t, "DELETE", at, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("leave twice: %s", res.Status)
	}
	if s := h.tell(t, id); s.State != "connected" {
		t.Errorf("the session after its listener left: %+v", s)
	}
	for range maxListeners {
		_, offer, _ := listener(t)
		if res, body := h.do(t, "POST", "/sessions/"+id+"/listen", offer, "Content-Type", sdpType); res.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", res.Status, body)
		}
	}
	if res, _ := h.do(t, "POST", "/sessions/"+id+"/listen", offer, "Content-Type", sdpType); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one listener too many: %s", res.Status)
	}
	// The listeners that never connected leave with their session.
	h.do(t, "DELETE", "/sessions/"+id, "")
	h.wantEnd(t, ErrDeleted)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.Drain(ctx); err != nil {
		t.Errorf("drained: %v", err)
	}
}

func TestListenStatus(t *testing.T) {
	h := talkative(t)
	_, _, answer := h.call(t)
	_, offer, _ := listener(t)
	at := "/sessions/" + answer.Session + "/listen"
	for _, c := range []struct {
		name, path, body string
		header           []string
		code             int
	}{
		{"by a proxy", at, offer, []string{"Content-Type", sdpType, "X-Forwarded-For", "192.0.2.1"}, 403},
		{"by another name", at, offer, []string{"Content-Type", sdpType, "Host", "evil.example"}, 403},
		{"other origin", at, offer, []string{"Content-Type", sdpType, "Origin", "http://evil.example"}, 403},
		{"no session", "/sessions/x/listen", offer, []string{"Content-Type", sdpType}, 404},
		{"no SDP", at, offer, []string{"Content-Type", jsonType}, 415},
		{"bad SDP", at, "hello", []string{"Content-Type", sdpType}, 400},
		{"huge", at, strings.Repeat("a", bodyLimit+1), []string{"Content-Type", sdpType}, 413},
	} {
		if res, body := h.do(t, "POST", c.path, c.body, c.header...); res.StatusCode != c.code {
			t.Errorf("%s: %s: %s; want %d", c.name, res.Status, body, c.code)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "http://127.0.0.1"+at, strings.NewReader(offer))
	r.RemoteAddr = "192.0.2.1:1"
	if h.Handler().ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("from another machine: %d", w.Code)
	}
	if n := len(h.sessions.find(answer.Session).listeners); n != 0 {
		t.Errorf("%d listeners are left", n)
	}
}

// TestListenerOfTheEnded: one who comes while the session ends does not stay.
func TestListenerOfTheEnded(t *testing.T) {
	var tab table
	s := &session{Session: &Session{ID: "x"}}
	if err := tab.start(s, func() {}); err != nil {
		t.Fatal(err)
	}
	tab.running.Wait()
	if err := tab.join(s, "l", func(error) {}); err != errUnknown {
		t.Errorf("join: %v", err)
	}
	if err := tab.hear(s, func() { t.Error("heard") }); err != errUnknown {
		t.Errorf("hear: %v", err)
	}
}
