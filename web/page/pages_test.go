package page_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/internal/browser"
	"parley/media/rtc"
	"parley/media/rtc/turn"
)

// noUDP is a browser that sends no UDP, as behind a strict firewall.
var noUDP = chromedp.Flag("webrtc-ip-handling-policy", "disable_non_proxied_udp")

// withRelay gives a site a TURN server.
func (s *site) withRelay(t *testing.T) *turn.Server {
	t.Helper()
	r, err := turn.Listen(turn.Options{Addr: "127.0.0.1:0", Media: []netip.AddrPort{s.Endpoint.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	s.ICE = r.Servers
	return r
}

// TestRelayed: where no UDP goes out the page falls back to the server's relay by itself.
func TestRelayed(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{})
	r := s.withRelay(t)
	p := open(t, browser.Start(t, microphone(t, 0.3), noUDP), s.url)
	p.run(`peer.mode = "server"`)
	begin := time.Now()
	p.talk()
	t.Logf("connected after %v, with %d restarts answered", time.Since(begin), s.renews.Load())
	p.wait(`parley.levels().agent > 0.01`)
	p.send("by the relay")
	if n := r.Stats(); n.Relayed == 0 || s.offers.Load() != 1 || s.renews.Load() == 0 {
		t.Errorf("%+v; %d calls, %d restarts", n, s.offers.Load(), s.renews.Load())
	}
	p.run(`parley.hangup()`)
	s.wantEnd(t, 5*time.Second)
}

// TestCheck: the page that finds out what works says so, in an open network and behind a firewall.
func TestCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	for _, c := range []struct {
		name, verdict string
		flag          chromedp.ExecAllocatorOption
		found         map[string]string // by the step's name: how its finding begins
	}{
		{"open", "Everything works.", chromedp.Flag("mute-audio", true), map[string]string{
			"Browser": "It can hold a call.", "Microphone": "“", "Loudspeaker": "A short tone was played.", "Server": "It answers in ",
			"Direct, by UDP": "Connected in ", "Direct, by TCP": "Connected in ", "Relay, by UDP": "Connected in ", "Relay, by TCP": "Connected in ",
		}},
		{"strict", "Calls work by a detour.", noUDP, map[string]string{
			"Server": "It answers in ", "Direct, by UDP": "This browser offers no UDP address", "Relay, by UDP": "No connection after ", "Relay, by TCP": "Connected in ",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, rtc.Options{TCP: true})
			s.withRelay(t)
			p := open(t, browser.Start(t, microphone(t, 0.3), c.flag), s.url+"/check.html")
			p.run(`peer.mode = "server"`)
			p.look("light", 900)
			p.shot("check-" + c.name + "-idle")
			p.do(chromedp.Click(chromedp.CSS("button.main")))
			p.within(40*time.Second, `document.querySelector("button.main").innerText === "Check again"`)
			p.waitSeen("h2", c.verdict)
			for step, text := range c.found {
				p.wait(fmt.Sprintf(`[...document.querySelectorAll(".finding")].find((e) => e.querySelector(".who").innerText === %q)?.querySelector("p").textContent.replace(/^[a-z ]+: /, "").startsWith(%q)`, step, text))
			}
			p.looks("check-" + c.name)
			for range s.offers.Load() { // no call of it is left
				s.wantEnd(t, 5*time.Second)
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		s := newSite(t, rtc.Options{}).behind(t)
		s.relay.Cut(true)
		p := open(t, browser.Start(t, microphone(t, 0.3)), s.url+"/check.html")
		p.run(`peer.mode = "server"`)
		p.do(chromedp.Click(chromedp.CSS("button.main")))
		p.waitSeen(".finding:last-child", "Direct, by UDP")
		p.wait(`document.querySelector(".finding:last-child .dots")`)
		for end := time.Now().Add(patience); s.offers.Load() == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		}
		p.do(chromedp.Click(chromedp.CSS("button.main")))
		p.wait(`document.querySelector("button.main").innerText === "Check"`)
		s.wantEnd(t, 3*time.Second)
	})
	t.Run("no server", func(t *testing.T) {
		p := open(t, browser.Start(t, microphone(t, 0)), serve(t, nil)+"/check.html")
		p.do(chromedp.Click(chromedp.CSS("button.main")))
		p.waitSeen("h2", "No call is possible.")
		p.waitSeen(".findings", "No sound comes from your microphone.")
		p.waitSeen(".findings", "What answers at this address is not parley.")
	})
}

// TestListen: another tab hears both sides of a conversation, and nobody does when that is off.
func TestListen(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	s := newSite(t, rtc.Options{})
	s.Listeners = true
	b := browser.Start(t, microphone(t, 0.3))
	l := open(t, b, s.url+"/listen.html")
	l.run(`peer.mode = "server"`)
	l.waitSeen("main", "No conversation goes on now.")
	l.looks("listen-none")
	p := open(t, b, s.url)
	p.run(`peer.mode = "server"`)
	p.talk()
	l.waitSeen(".session", "connected, since")
	l.do(chromedp.Click(chromedp.CSS(".session button")))
	l.wait(`(() => { const v = document.querySelector("parley-listen").listener?.levels(); return v?.you > 0.01 && v.agent > 0.01; })()`)
	l.waitSeen(".session button", "Stop")
	l.looks("listen")
	l.do(chromedp.Click(chromedp.CSS(".session button")))
	l.wait(`peer.left.length === 1 && document.querySelector(".session button").innerText === "Listen"`)
	l.do(chromedp.Click(chromedp.CSS(".session button")))
	l.waitSeen(".status", "Listening in")
	p.run(`parley.hangup()`)
	s.wantEnd(t, 5*time.Second)
	l.waitSeen("main", "No conversation goes on now.")
	l.waitSeen(".status", "Ready")

	off := newSite(t, rtc.Options{})
	p = open(t, b, off.url)
	p.run(`peer.mode = "server"`)
	p.talk()
	l = open(t, b, off.url+"/listen.html")
	l.run(`peer.mode = "server"`)
	l.waitSeen(".session", "connected")
	l.do(chromedp.Click(chromedp.CSS(".session button")))
	l.waitSeen("[role=alert]", "Listening to a session is off")
	l.shot("listen-off")
	p.run(`parley.hangup()`)
	off.wantEnd(t, 5*time.Second)

	none := open(t, b, serve(t, func(http.ResponseWriter, *http.Request) {})+"/listen.html")
	none.waitSeen("[role=alert]", "The server refused: 404.")
}

// looks checks how the page looks as it is now, as TestLook does.
func (p *tab) looks(name string) {
	p.Helper()
	script, err := os.ReadFile("testdata/look.js")
	if err != nil {
		p.Fatal(err)
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{900, 360} {
			p.look(scheme, width)
			p.wait(fmt.Sprintf("innerWidth === %d", width))
			if wrong := p.text(string(script)); wrong != "" {
				p.Errorf("%s, %s, %d: %s", name, scheme, width, wrong)
			}
			p.shot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
		}
	}
}
