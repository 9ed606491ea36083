package rerun

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/internal/netsim"
	"parley/llm"
	"parley/media"
	"parley/stt"
	"parley/tts"
)

// An engine that does not let go is found in a real conversation.
func TestSlowToCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := barged(t)
		voice := s.Engines.Voice
		s.Engines.Voice = tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
			return func(yield func(tts.Audio, error) bool) {
				voice.Speak(ctx, text)(yield)
				if ctx.Err() != nil {
					time.Sleep(60 * ms)
				}
			}
		})
		r := run(t, s)
		bad := Check(r)
		if len(bad) == 0 || bad[0].Invariant != "I5" || bad[0].Text != "the voice takes 60ms to end after it was canceled" {
			t.Errorf("found %v", bad)
		}
	})
}

func TestMeterCountsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meter{now: (&clock{time.Now()}).now}
		waiting := m.model(llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
			return func(yield func(llm.Delta, error) bool) { <-ctx.Done() }
		}))
		begin := func() context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for range waiting.Generate(ctx, llm.Request{}) {
				}
			}()
			time.Sleep(time.Second)
			return cancel
		}
		one := begin()
		two := begin()
		one()
		three := begin() // the first is over
		two()
		three()
		synctest.Wait()
		got := m.done()
		for i := range got.Cancels {
			got.Cancels[i].At = 0
		}
		if want := (Meters{Answers: 3, Live: 2, LiveAt: time.Second, Cancels: slices.Repeat([]Cancel{{Engine: "llm"}}, 3)}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

type warmed struct{ llm.Model }

func (warmed) Warm(context.Context, llm.Request) error { return errors.New("cold") }

func TestMeterKeepsAbilities(t *testing.T) {
	m := meter{now: (&clock{}).now}
	if _, ok := m.model(asked(t).Engines.Model).(llm.Warmer); ok {
		t.Error("a model warms that cannot")
	}
	if w, ok := m.model(warmed{}).(llm.Warmer); !ok || w.Warm(t.Context(), llm.Request{}) == nil {
		t.Error("a model does not warm that can")
	}
}

func TestMeterOfTheRecognizer(t *testing.T) {
	var now time.Duration
	m := meter{now: func() time.Duration { return now }}
	frame := func(at time.Duration) stt.Audio {
		return stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: make([]int16, 320)}}
	}
	for _, f := range []struct{ now, at time.Duration }{{100 * ms, 60 * ms}, {120 * ms, 80 * ms}, {500 * ms, 140 * ms}} {
		now = f.now
		m.fed(frame(f.at))
	}
	m.fed(stt.Audio{Frame: media.Frame{At: at(5)}, Flush: true})
	if got := m.done(); got.Behind != 340*ms || got.Skipped != 40*ms {
		t.Errorf("%+v", got)
	}
}

// The oldest audio waits in a bounded queue: a recognizer that hangs for long gets the newest ten seconds.
func TestStuckRecognizer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := asked(t)
		s.Up, s.Length = caller(t, "", at(30), span{at(1), at(2.5)}), at(30)
		ears := s.Engines.Recognizer
		s.Engines.Recognizer = stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
			return func(yield func(stt.Result, error) bool) {
				select {
				case <-time.After(at(20)):
				case <-ctx.Done():
				}
				ears.Recognize(ctx, in)(yield)
			}
		})
		r := run(t, s)
		holds(t, r)
		if m := r.Engines; m.Behind < 9*time.Second || m.Skipped > 0 {
			t.Errorf("%+v", m)
		}
	})
}

func TestNetworkNumbers(t *testing.T) {
	p := netsim.Profile{Base: 10 * ms, Loss: netsim.Loss{Share: 0.2, Burst: 2}}
	var up []media.Packet
	for i := range 500 {
		up = append(up, media.Packet{At: time.Duration(i) * 20 * ms, Seq: uint16(65300 + i), SSRC: 7})
	}
	n := &Network{Profile: p, Seed: 5}
	whole := n.carry(up)
	if len(whole) == len(up) || len(whole) < 350 {
		t.Fatalf("%d of %d arrive", len(whole), len(up))
	}
	// What is sent beside, sent twice or in another order changes nothing for the others.
	arrives := map[uint16]bool{}
	for _, p := range whole {
		arrives[p.Seq] = true
	}
	mixed := slices.Clone(up)
	mixed[100], mixed[101] = mixed[101], mixed[100]
	mixed = slices.Insert(mixed, 200, media.Packet{At: mixed[200].At, Seq: 1, SSRC: 8})
	count := 0
	for _, p := range n.carry(mixed) {
		if p.SSRC == 7 {
			count++
			if !arrives[p.Seq] {
				t.Errorf("packet %d arrives", p.Seq)
			}
		}
	}
	if count != len(whole) {
		t.Errorf("%d arrive, of the same %d", count, len(whole))
	}
	var none *Network
	if got := none.carry(up); len(got) != len(up) {
		t.Error("no network loses packets")
	}
	if !slices.IsSortedFunc(whole, func(a, b media.Packet) int { return int(a.At - b.At) }) || whole[0].At < 10*ms {
		t.Error("packets do not arrive in time")
	}
}

// The rule is the server's: see TestGaps of cmd/parley/serve.
func TestPathIsTold(t *testing.T) {
	var told []agent.Input
	room := true
	p := path{tell: func(in agent.Input) bool {
		if room {
			told = append(told, in)
		}
		return room
	}}
	frame := func(i int, lost bool) {
		p.look(media.Frame{At: time.Duration(i) * media.FrameDuration, Rate: media.ListenRate, PCM: make([]int16, 320), Lost: lost})
	}
	for i := range 100 { // lost from 400 ms to 1 s
		room = i != 34 // told by the next frame
		frame(i, i >= 20 && i < 50)
	}
	want := []agent.Input{{Kind: agent.PathLost, At: 400 * ms}, {Kind: agent.PathBack}}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v, want %+v", told, want)
	}
	for i := 100; i < 1000; i++ { // a caller who stopped sending is suspected once, for as long as a connection needs
		frame(i, true)
	}
	if len(told) != 4 || told[3].Kind != agent.PathBack {
		t.Errorf("told %+v", told)
	}
}
