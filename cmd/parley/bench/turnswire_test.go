package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/llm"
	"parley/media"
	"parley/web"
)

// streamOf makes packets of 20 ms each: an audible one for each letter a, a silent one for each dot, and a place without a packet for each space. They
// come 3 ms after their place.
func streamOf(s string) (all []caller.Packet) {
	for i, r := range s {
		p := caller.Packet{Place: time.Duration(i) * media.FrameDuration, Long: media.FrameDuration, Level: -20}
		if p.At = p.Place + 3*ms; r == '.' {
			p.Level = -80
		}
		if r != ' ' {
			all = append(all, p)
		}
	}
	return all
}

func times(s string, n int) string { return strings.Repeat(s, n) }

func TestYield(t *testing.T) {
	sec := time.Second
	for _, c := range []struct {
		name  string
		heard string
		began time.Duration
		said  caller.Said
		next  time.Duration
		want  yielded
	}{
		{"it falls silent", times("a", 55) + times(".", 80) + times("a", 50), 0, caller.Said{First: sec, Last: 1500 * ms}, 2703 * ms,
			yielded{Spoke: true, Stop: 83 * ms, Honored: true, Played: 1100 * ms}},
		{"no packets while it is silent", times("a", 55) + times(" ", 80) + times("a", 50), 0, caller.Said{First: sec, Last: 1500 * ms}, 2703 * ms,
			yielded{Spoke: true, Stop: 83 * ms, Honored: true, Played: 1100 * ms}},
		{"it goes on", times("a", 200), 0, caller.Said{First: sec, Last: 1500 * ms}, -1, yielded{Spoke: true, Stop: -1}},
		{"it gives way late", times("a", 160) + times(".", 90) + "aaa", 0, caller.Said{First: sec, Last: 3 * sec}, 5003 * ms,
			yielded{Spoke: true, Stop: 2183 * ms, Played: 3200 * ms}},
		{"it had ended before", times("a", 30) + times(".", 80), 0, caller.Said{First: sec, Last: 1500 * ms}, -1, yielded{Stop: -1}},
		{"it begins only then", times(".", 60) + times("a", 80), 1200 * ms, caller.Said{First: sec, Last: 1500 * ms}, -1, yielded{Stop: -1}},
		{"it paused and went on", times("a", 20) + times(".", 20) + times("a", 20) + times(".", 80), 0, caller.Said{First: sec, Last: 1500 * ms}, -1,
			yielded{Spoke: true, Stop: 183 * ms, Honored: true, Paused: true, Played: 1200 * ms}},
		{"the next answer is soon", times("a", 55) + times(".", 5) + times("a", 100), 0, caller.Said{First: sec, Last: 1500 * ms}, 1203 * ms,
			yielded{Spoke: true, Stop: 83 * ms, Honored: true, Played: 1100 * ms}},
	} {
		if got := yield(streamOf(c.heard), c.began, c.said, c.next, speechGap); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestStand(t *testing.T) {
	for _, c := range []struct {
		name  string
		heard string
		told  bool
		want  stood
	}{
		{"nothing happens", times("a", 150), false, stood{Spoke: true}},
		{"a pause", times("a", 55) + times(".", 20) + times("a", 75), false, stood{Spoke: true, Pause: 400 * ms}},
		{"a pause without packets", times("a", 55) + times(" ", 20) + times("a", 75), false, stood{Spoke: true, Pause: 400 * ms}},
		{"it does not go on", times("a", 55) + times(".", 95), false, stood{Spoke: true, Stopped: true}},
		{"it says something else", times("a", 55) + times(".", 20) + times("a", 75), true, stood{Spoke: true, Stopped: true}},
		{"it did not speak", times(".", 55) + times("a", 95), false, stood{}},
	} {
		if got := stand(streamOf(c.heard), time.Second, 3*time.Second, humGap, c.told); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	late := streamOf(times("a", 150))
	for i := 60; i < 80; i++ {
		late[i].At = late[80].At // they come at once
	}
	if got := stand(late, time.Second, 3*time.Second, humGap, false); got.Pause != 0 {
		t.Errorf("packets that are late are taken for a pause: %+v", got)
	}
}

func TestOnset(t *testing.T) {
	all := streamOf(times("a", 50) + times(".", 40) + times("a", 50))
	for _, told := range []time.Duration{1790 * ms, 1805 * ms, 2000 * ms, 2150 * ms} {
		if p, ok := onset(all, told); !ok || p.Place != 1800*ms {
			t.Errorf("told at %v: %v, %v", told, p.Place, ok)
		}
	}
	if p, ok := onset(all, 5*time.Second); ok {
		t.Errorf("told long after: %v", p.Place)
	}
	if _, ok := onset(nil, 0); ok {
		t.Error("of nothing")
	}
}

// numerals is a vocabulary of tones: one, two, … of 100, 200, … ms.
func numerals() *vocabulary {
	v := &vocabulary{pcm: map[string][]int16{}, long: map[string]time.Duration{}}
	for i, w := range strings.Fields("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty") {
		d := time.Duration(1+i%4) * 100 * ms
		pcm := make([]int16, samplesOf(d)*media.SpeakRate/media.ListenRate)
		for k := range pcm {
			pcm[k] = int16(8000 * math.Sin(float64(k)*0.1))
		}
		v.words, v.pcm[w], v.long[w] = append(v.words, w), pcm, d
	}
	return v
}

func TestHeardError(t *testing.T) {
	v := numerals()
	all := "One two, three four. One" // 100 300 600 1000 1100 ms
	for _, c := range []struct {
		text   string
		played time.Duration
		words  int
		exact  float64
		ok     bool
	}{
		{"", 0, 0, 0, true},
		{"One", 100 * ms, 0, 0, true},
		{"One two,", 200 * ms, 0, 0.5, true},
		{"one two", 199 * ms, 1, 0.505, true},
		{"One", 600 * ms, -2, -2, true},
		{"One two, three four. One", 0, 5, 5, true},
		{"One two, three four. One", time.Minute, 0, 0, true},
		{"One three", time.Second, 0, 0, false},
		{"One two, three four. One two", time.Minute, 0, 0, false},
	} {
		n, exact, ok := v.heardError(all, c.text, c.played)
		if n != c.words || math.Abs(exact-c.exact) > 0.01 || ok != c.ok {
			t.Errorf("%q after %v: %d, %.3f, %v", c.text, c.played, n, exact, ok)
		}
	}
}

func TestRecordedVoice(t *testing.T) {
	v := numerals()
	if a, b := v.answer(40, 1), v.answer(40, 1); a != b || a == v.answer(40, 2) || len(strings.Fields(a)) != 40 || !strings.HasSuffix(a, ".") {
		t.Errorf("answers: %q and %q", a, b)
	}
	for _, told := range []bool{true, false} {
		var long time.Duration
		var words []string
		for a, err := range v.voice(told).Speak(t.Context(), media.Of("One two,", "three.")) {
			if err != nil {
				t.Fatal(err)
			}
			if a.At != long {
				t.Errorf("a frame at %v, not %v", a.At, long)
			}
			long += a.Duration()
			for _, w := range a.Words {
				words = append(words, fmt.Sprintf("%s %v", w.Text, w.End-w.Start))
			}
		}
		if long != 600*ms || told && !slices.Equal(words, []string{"One 100ms", "two, 200ms", "three. 300ms"}) || !told && words != nil {
			t.Errorf("told %v: %v, %q", told, long, words)
		}
	}
	var failed error
	for _, err := range v.voice(true).Speak(t.Context(), media.Of("One zebra")) {
		failed = err
	}
	if failed == nil || !strings.Contains(failed.Error(), `"zebra"`) {
		t.Errorf("an unknown word: %v", failed)
	}
}

func TestChosenWaits(t *testing.T) {
	step := func(in turn.Input, out ...turn.Decision) agent.Event {
		return agent.Event{Kind: agent.Step, Step: &turn.Entry{In: in, Out: out}}
	}
	commit := func(n int, reason string) agent.Event {
		return step(turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Commit, Turn: n, Reason: reason})
	}
	got := chosen(turn.Config{}, []agent.Event{
		commit(1, "finished"), commit(2, "probably unfinished"), commit(3, "spelled"), commit(4, "unfinished words"), commit(5, "perhaps finished"),
		commit(7, turn.Written), {Kind: agent.State},
	})
	want := map[int]time.Duration{1: 340 * ms, 2: 2100 * ms, 3: 2100 * ms, 4: 2500 * ms, 5: 850 * ms}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOverheadIsLessTheWait(t *testing.T) {
	r := answers{}
	answer := func(response time.Duration, number int, early bool) result {
		return result{Turn: caller.Turn{Response: response, Stop: -1}, early: early, account: &web.Latency{Turn: number, EndpointMS: 852, TotalMS: 864}}
	}
	r.calls.add("a", []result{answer(870*ms, 1, false), answer(880*ms, 2, false), answer(300*ms, 3, true)})
	w := r.sum(map[string]map[int]time.Duration{"a": {1: 850 * ms}})
	if w.Asked != 3 || w.Answered.K != 2 || w.Unknown != 1 || w.Beyond.N != 1 || w.Beyond.P50 != 20 || w.Decided.P50 != 2 || w.Made.P50 != 12 || w.Around.P50 != 6 {
		t.Errorf("%+v", w)
	}
}

func TestFading(t *testing.T) {
	sent := func(levels ...float64) (all []caller.Packet) {
		for i, l := range levels {
			all = append(all, caller.Packet{At: time.Second + time.Duration(i)*20*ms, Level: l})
		}
		return all
	}
	for _, c := range []struct {
		sent []caller.Packet
		want time.Duration
	}{
		{sent(-40, -120, -50), 0}, {sent(-40, -47, -54, -56), 40 * ms}, {sent(-40, -50, -50, -50, -50, -50, -50, -50), 100 * ms}, {nil, 0},
	} {
		if got := fading(c.sent, time.Second); got != c.want {
			t.Errorf("%v: %v, want %v", c.sent, got, c.want)
		}
	}
}

func TestRemembered(t *testing.T) {
	message := func(kind string, v any) caller.Message {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return caller.Message{Type: kind, Raw: raw}
	}
	h := remembered([]caller.Message{
		message("agent", web.Said{Turn: 1, Heard: "One", Generated: "One two."}),
		message("agent", web.Said{Turn: 1, Heard: "One two", Generated: "One two three.", Done: true}),
		message("agent", web.Said{Turn: 2, Heard: "Four", Done: true}),
		message("told", toldHistory{Turn: 2, Agent: "One two …"}),
		message("told", toldHistory{Turn: 3, Agent: "Four"}),
	}, 1, 2)
	if h != (history{"One two three.", "One two", true, "One two", true}) {
		t.Errorf("%+v", h)
	}
	if h := remembered(nil, 1, 0); h.ended || h.asked {
		t.Errorf("of nothing: %+v", h)
	}
	raw := told(agent.Event{Kind: agent.Ask, Turn: 2, Asked: &agent.Asked{Messages: []llm.Message{{Role: llm.Agent, Text: "One …"}, {Role: llm.User, Text: "No."}}}})
	if string(raw) != `{"type":"told","turn":2,"agent":"One …"}` || told(agent.Event{Kind: agent.State}) != nil {
		t.Errorf("%s", raw)
	}
}

func TestWireVerdict(t *testing.T) {
	all := shareOf(20, 20)
	good := wireReport{Overhead: &wireOverhead{Asked: 20, Beyond: wireTimes{N: 20}}, Interruption: &wireInterrupted{Happened: all},
		False: []wireFalse{{Row: rowCough, Happened: all}}, Heard: []wireHeard{{Voice: stubTold, Happened: all}}}
	if err := good.verdict(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(r *wireReport){
		"overhead":         func(r *wireReport) { r.Overhead = &wireOverhead{Asked: 20, Beyond: wireTimes{N: 15}} },
		"interruption":     func(r *wireReport) { r.Interruption = &wireInterrupted{} },
		rowCough:           func(r *wireReport) { r.False = []wireFalse{{Row: rowCough, Happened: shareOf(3, 20)}} },
		"was busy":         func(r *wireReport) { r.Load = []wireLoad{{Row: "overhead", Late: wireTimes{N: 9, P99: 300}}} },
		"paused before":    func(r *wireReport) { r.Heard = []wireHeard{{Voice: stubTold, Happened: all, Paused: 9}} },
		"heard text, told": func(r *wireReport) { r.Heard = []wireHeard{{Voice: stubTold, Happened: shareOf(10, 20)}} },
	} {
		r := good
		spoil(&r)
		if err := r.verdict(); !errors.Is(err, ErrNotMeasured) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := wireReport{Local: []wireLocal{localOf("small", []result{{Turn: caller.Turn{Response: 800 * ms}}, {step: step{pause: 400 * ms}, early: true},
		{Turn: caller.Turn{Response: -1}, unanswered: errLate}})}}
	var out bytes.Buffer
	r.print(&out)
	if err := r.verdict(); !errors.Is(err, ErrUnanswered) || !strings.Contains(out.String(), "small language model") || !strings.Contains(out.String(), "p50 800") ||
		!strings.Contains(out.String(), "cut off in a pause: 1 of 1") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestWireFlags(t *testing.T) {
	for _, w := range []TurnsWire{{Wire: true}, {Wire: true, Calls: 1}, {Wire: true, Calls: 1, Questions: 2, Stub: "nobody"}} {
		if err := (&TurnsCmd{TurnsWire: w}).Run(t.Context(), io.Discard); err == nil {
			t.Errorf("%+v: no error", w)
		}
	}
}

// wired serves one kind of stub in this process and gives its address.
func wired(t *testing.T, kind string, v *vocabulary) string {
	t.Helper()
	s, err := newWireServer(kind, v, &neural{detector: vad.Energy{}, finisher: sure{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, w) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var url string
	if _, err := fmt.Fscanf(r, "listening on %s\n", &url); err != nil {
		t.Fatal(err)
	}
	return url
}

func TestWire(t *testing.T) {
	if testing.Short() {
		t.Skip("makes calls in real time")
	}
	v := numerals()
	words := []corpus.Utterance{{Name: "tone", Rate: media.ListenRate, PCM: tones("t", 900*ms)[0].PCM}}
	t.Run("cuts", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{stubTold, stubUntold} {
			run := cuts{speech: words, gap: speechGap, all: make([]cut, 4)}
			if _, err := phones(t.Context(), wired(t, kind, v), 2, len(run.all), run.call); err != nil {
				t.Fatal(err)
			}
			// a computer that is busy makes pauses: what is judged must be right, and something must be judged
			if w := run.sum(); w.Happened.N != 4 || w.Happened.K < 1 || w.Stop.N < 1 {
				t.Errorf("%s: %+v", kind, w)
			}
			w := heardOf(kind, run.all, v)
			if w.Happened.N+w.Paused != 4 || w.Foreign > 0 || w.Differ.K > 0 || kind == stubTold && w.Close.K < w.Close.N {
				t.Errorf("%s: %+v", kind, w)
			}
		}
	})
	t.Run("sounds", func(t *testing.T) {
		t.Parallel()
		thrice(t, func() error {
			run := sounds{row: rowHum, all: make([]stood, 2)}
			if _, err := phones(t.Context(), wired(t, stubHum, v), 2, len(run.all), run.call); err != nil {
				return err
			}
			if w := falseOf(rowHum, run.all); w.Happened.N != 2 || w.Happened.K < 1 || w.Paused.K < 1 || w.Stopped.K > 0 {
				return fmt.Errorf("%+v", w)
			}
			return nil
		})
	})
	t.Run("echo", func(t *testing.T) {
		t.Parallel()
		thrice(t, func() error {
			run := echoes{all: make([]stood, 1), ear: &neural{detector: vad.Energy{}}}
			if _, err := run.run(t.Context(), wired(t, stubDeaf, v), 1); err != nil {
				return err
			}
			if w := falseOf(rowEcho, run.all); w.Happened.K != 1 || run.control.N != 1 || w.Stopped.K > 0 {
				return fmt.Errorf("%+v, control %+v", w, run.control)
			}
			return nil
		})
	})
}

// thrice fails if something goes wrong three times: once a computer that is busy may be the reason, whose silence looks like the agent's.
func thrice(t *testing.T, try func() error) {
	t.Helper()
	var errs []error
	for range 3 {
		err := try()
		if err == nil {
			return
		}
		errs = append(errs, err)
	}
	t.Error(errors.Join(errs...))
}
