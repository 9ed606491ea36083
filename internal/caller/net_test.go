package caller

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/caller/callertest"
	"parley/internal/netsim"
	"parley/internal/wav"
	"parley/media"
	"parley/media/codec"
)

func TestCodecs(t *testing.T) {
	url := callertest.Agent{Answer: 600 * ms}.Start(t)
	for _, c := range []media.Codec{media.Opus, media.G722, media.PCMU, media.PCMA} {
		t.Run(string(c), func(t *testing.T) {
			var heard Recording
			err := Run(limited(t), url, Options{Codecs: []media.Codec{c}, Hear: heard.Hear}, func(ctx context.Context, call *Caller) error {
				if call.Codec() != c {
					t.Errorf("%s was chosen", call.Codec())
				}
				said, err := call.Say(ctx, callertest.Tone(400*ms))
				if err != nil {
					return err
				}
				answer, err := call.Answer(ctx, said.Last)
				if err != nil {
					return err
				}
				if err := call.Finished(ctx); err != nil {
					return err
				}
				between(t, "response", answer.At-said.Last, callertest.Wait-60*ms, callertest.Wait+400*ms)
				if l := wav.Level(heard.Between(answer.Place+60*ms, answer.Place+400*ms)); l < -23 || l > -17 {
					t.Errorf("the answer was placed at %.1f dBFS", l)
				}
				if s := call.Stats(); s.Invalid+s.Restarts != 0 {
					t.Errorf("%+v", s)
				}
				return press(ctx, t, call, '7', '#')
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// press presses keys and expects the agent to tell each once.
func press(ctx context.Context, t *testing.T, c *Caller, keys ...rune) error {
	for _, key := range keys {
		from := c.Now()
		if err := c.Press(ctx, key); err != nil {
			return err
		}
		m, err := c.Expect(ctx, "key", from)
		if err != nil {
			return err
		}
		var told struct{ Key string }
		if err := json.Unmarshal(m.Raw, &told); err != nil || told.Key != string(key) {
			t.Errorf("%q was told as %s", key, m.Raw)
		}
	}
	if n := len(c.Messages(0)); n > 0 {
		if err := c.Press(ctx, 'x'); err == nil {
			t.Error("there is no key x")
		}
	}
	return nil
}

func TestKeyPackets(t *testing.T) {
	v, err := newVoice(media.PCMU)
	if err != nil {
		t.Fatal(err)
	}
	m := &mouth{voice: v, key: &key{code: 11, pt: 126, done: make(chan struct{})}}
	done := m.key.done
	for n := range keyFrames + keyEnds {
		p := media.Packet{Seq: uint16(n), Time: 1000 + v.ticks(n), Payload: []byte{1}}
		m.dial(&p)
		if n == keyFrames+keyEnds-1 {
			if p.PT != 0 || p.Time != 1000+160*7 || len(p.Payload) != 1 {
				t.Errorf("after the key: %+v", p)
			}
			continue
		}
		e, err := codec.ParseEvent(p.Payload)
		k, _ := e.Key()
		if err != nil || k != '#' || p.PT != 126 || p.Time != 1000 || p.Marker != (n == 0) ||
			e.End != (n >= keyFrames-1) || int(e.Duration) != 160*min(n+1, keyFrames) {
			t.Errorf("packet %d: %+v, %+v, %v", n, p, e, err)
		}
	}
	<-done
}

// What is said at a lower rate and heard again has its level, its place and its end.
func TestVoiceAndWidener(t *testing.T) {
	for _, c := range []media.Codec{media.G722, media.PCMA} {
		v, err := newVoice(c)
		if err != nil {
			t.Fatal(err)
		}
		var r Recording
		ear, err := newEar(c, r.Hear)
		if err != nil {
			t.Fatal(err)
		}
		pcm := callertest.Tone(400 * ms)
		for n := range 20 {
			b, err := v.encode(pcm[n*frameSamples : (n+1)*frameSamples])
			if err != nil {
				t.Fatal(err)
			}
			at := time.Duration(n) * media.FrameDuration
			p := media.Packet{At: at, Seq: uint16(n), Time: v.ticks(n), Payload: b}
			if n == 10 {
				continue // lost
			}
			if n > 10 {
				p.At += 7 * ms // its place is not its arrival
			}
			ear.hear(p)
		}
		ear.wide.end()
		all := r.Between(0, time.Second)
		if len(all) != len(pcm) {
			t.Errorf("%s: %d samples heard of %d", c, len(all), len(pcm))
		}
		for _, part := range [][2]time.Duration{{60 * ms, 190 * ms}, {230 * ms, 390 * ms}} {
			if l := wav.Level(r.Between(part[0], part[1])); math.Abs(l+20) > 1.5 {
				t.Errorf("%s: %v at %.1f dBFS", c, part, l)
			}
		}
		if l := wav.Level(r.Between(204*ms, 216*ms)); l > -60 {
			t.Errorf("%s: a lost packet at %.1f dBFS", c, l)
		}
	}
}

func TestThroughANetwork(t *testing.T) {
	url := callertest.Agent{Answer: 600 * ms, After: 400 * ms}.Start(t)
	p, err := netsim.Named("lte-edge")
	if err != nil {
		t.Fatal(err)
	}
	lost := func(seed, packets uint64) (n int64) {
		for i := range int64(packets) {
			if p.Fate(seed, netsim.Up, i, 0).Lost {
				n++
			}
		}
		return n
	}
	seed := uint64(1)
	for lost(seed, 100) < 3 {
		seed++
	}
	err = Run(limited(t), url, Options{Net: &p, Seed: seed}, func(ctx context.Context, c *Caller) error {
		for range 2 {
			said, err := c.Say(ctx, callertest.Tone(800*ms))
			if err != nil {
				return err
			}
			answer, err := c.Answer(ctx, said.Last)
			if err != nil {
				return err
			}
			if err := c.Finished(ctx); err != nil {
				return err
			}
			between(t, "response", answer.At-said.Last, 200*ms, 1500*ms)
		}
		s := c.Relay().Stats()
		if s.Clients == 0 || s.Up.Audio < 100 || s.Down.Audio < 100 {
			t.Errorf("%+v", s)
		}
		if want := lost(seed, s.Up.Audio); int64(s.Up.AudioLost) != want {
			t.Errorf("%d of %d packets were lost, the profile says %d", s.Up.AudioLost, s.Up.Audio, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A goodbye passes a network although the network ends with the call.
func TestGoodbyeThroughANetwork(t *testing.T) {
	url := callertest.Agent{Answer: 600 * ms}.Start(t)
	p := netsim.Profile{Base: 100 * ms}
	if err := Run(limited(t), url, Options{Net: &p}, func(ctx context.Context, c *Caller) error {
		return c.Until(ctx, 200*ms)
	}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * ms) { // a vanished caller is given up after 15 s
		res, err := http.Get(url + "/sessions")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(b)) == "[]" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server does not know that the call is over")
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestNoNetwork(t *testing.T) {
	url := serve(t, 200, `{"type":"answer","sdp":"v=0"}`)
	err := Run(limited(t), url, Options{Net: &netsim.Profile{}}, func(context.Context, *Caller) error { return errors.New("the script ran") })
	if err == nil || err.Error() != "the answer has no UDP candidate to put a network in front of" {
		t.Errorf("%v", err)
	}
	if host("[::1]:80") != "::1" || host("https://agent.example/offer") != "agent.example" || host("ftp://x") != "" {
		t.Error("hosts of servers")
	}
}
