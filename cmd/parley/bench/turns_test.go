package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/rerun"
	"parley/agent/replay/whatif"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/llm/script"
	"parley/media"
	"parley/media/codec"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

// humming is somebody who hums a text.
func humming(text string, long, hole time.Duration) corpus.Utterance {
	pcm := make([]int16, samplesOf(long))
	for i := range pcm {
		at := media.Samples(i, media.ListenRate)
		if at < long/2 || at > long/2+hole {
			pcm[i] = int16(6000 * math.Sin(2*math.Pi*300*at.Seconds()))
		}
	}
	return corpus.Utterance{Name: text, Text: text, Speaker: "nobody", Rate: media.ListenRate, PCM: pcm}
}

var hummed = []corpus.Utterance{
	humming("Bring it over, please.", 2*time.Second, 80*ms),
	humming("Where is the other house?", 3*time.Second, 80*ms),
}

func TestSentences(t *testing.T) {
	for text, want := range map[string]string{
		" he was not ill ": "he was not ill.", "Press one now.": "Press one now.", "Is it here?": "Is it here?",
		"To leave the conference...": "", "Please enter,": "", "Two words": "",
	} {
		got, ok := sentence(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
}

func TestHalvesShareNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the speech of Debian packages")
	}
	seen := map[string]string{}
	for _, half := range []string{"tune", "score"} {
		all, err := sentences(half)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) < 50 {
			t.Errorf("%s: only %d sentences", half, len(all))
		}
		for _, u := range all {
			for _, key := range []string{strings.ToLower(u.Text), u.Speaker} {
				if was, ok := seen[key]; ok && was != half && key != "Allison" {
					t.Errorf("%q is in both halves", key)
				}
				seen[key] = half
			}
		}
	}
	if _, err := sentences("third"); err == nil {
		t.Error("a third half")
	}
}

func TestEvents(t *testing.T) {
	all := events(hummed, 5, 1)
	if again := events(hummed, 5, 1); !slices.EqualFunc(all, again, func(a, b floorEvent) bool { return keyOf(a.pcm) == keyOf(b.pcm) }) {
		t.Error("other events each time")
	}
	n := map[string]int{}
	for _, e := range all {
		n[e.row]++
		if len(e.pcm)%(media.ListenRate/50) != 0 || e.begin <= 0 || e.end <= e.begin || e.end+rest > e.length() {
			t.Errorf("%s %s: from %v to %v of %v", e.row, e.name, e.begin, e.end, e.length())
		}
		if e.inner[1] > 0 && !e.loose && e.row == rowPause {
			t.Errorf("%s: no full stop in its pause", e.name)
		}
		if hole := e.pcm[samplesOf(e.inner[0])+160 : samplesOf(e.inner[1])+160]; e.row == rowPause && (wav.Level(hole[:len(hole)-320]) > -60 || e.inner[1]-e.inner[0] < 300*ms) {
			t.Errorf("%s: its pause is %v at %.0f dBFS", e.name, e.inner[1]-e.inner[0], wav.Level(hole))
		}
		for i, w := range e.words {
			if w.Start < e.begin || w.End > e.end || w.End <= w.Start || i > 0 && w.Start < e.words[i-1].End {
				t.Errorf("%s: %q from %v to %v", e.name, w.Text, w.Start, w.End)
			}
			if in := e.inner; w.Start < in[1] && w.End > in[0] {
				t.Errorf("%s: %q lies in the pause", e.name, w.Text)
			}
		}
	}
	want := map[string]int{rowWhole: 5, rowPause: 25, rowTwo: 5, rowInterrupt: 5, rowHum: 5, rowCough: 5, rowNoise: 5}
	for row, k := range want {
		if n[row] != k {
			t.Errorf("%s: %d events, want %d", row, n[row], k)
		}
	}
	if len(n) != len(want)+4 || n["finished sentence, noise at 5 dB"] != 5 || n["pause inside a sentence, noise at 15 dB"] != 5 {
		t.Errorf("rows %v", n)
	}
}

func TestWhatTheRecognizerKnows(t *testing.T) {
	var e floorEvent // with the longest pause
	for _, f := range events(hummed, 1, 1) {
		if f.row == rowPause && f.inner[1]-f.inner[0] > 1900*ms {
			e = f
		}
	}
	for _, c := range []struct {
		at   time.Duration
		want string
	}{
		{e.begin, ""}, {e.inner[0] + 100*ms, "Bring it."}, {e.inner[1] + 10*ms, ""}, {e.end + 100*ms, "over, please."},
	} {
		_, words := e.saidBy(c.at)
		if got := e.text(words); got != c.want {
			t.Errorf("at %v: %q, want %q", c.at, got, c.want)
		}
	}
}

func stepped(at time.Duration, kinds ...turn.DecisionKind) whatif.Step {
	s := whatif.Step{Entry: turn.Entry{Now: at}}
	for _, k := range kinds {
		s.Out = append(s.Out, turn.Decision{Kind: k})
	}
	return s
}

func TestJudge(t *testing.T) {
	caller := floorEvent{begin: time.Second, end: 4 * time.Second}
	agent := caller
	agent.agent = true
	for _, c := range []struct {
		name  string
		e     floorEvent
		steps []whatif.Step
		want  verdict
	}{
		{"never taken", caller, nil, verdict{delay: -1, stop: -1}},
		{"taken after it", caller, []whatif.Step{stepped(4200*ms, turn.Think), stepped(4500*ms, turn.Commit), stepped(6000*ms, turn.Commit)}, verdict{delay: 500 * ms, stop: -1, prepared: 1}},
		{"cut off", caller, []whatif.Step{stepped(2000*ms, turn.Commit), stepped(3000*ms, turn.Hold), stepped(4900*ms, turn.Commit)}, verdict{delay: 900 * ms, stop: -1, cut: true}},
		{"gave way", agent, []whatif.Step{stepped(1090*ms, turn.Hold), stepped(1800*ms, turn.Interrupt), stepped(5000*ms, turn.Commit)}, verdict{delay: -1, stop: 90 * ms, gaveWay: true, honored: true}},
		{"too late", agent, []whatif.Step{stepped(1090*ms, turn.Hold), stepped(3100*ms, turn.Interrupt)}, verdict{delay: -1, stop: 90 * ms, gaveWay: true}},
		{"went on twice", agent, []whatif.Step{stepped(1100*ms, turn.Hold), stepped(1500*ms, turn.Resume), stepped(2000*ms, turn.Hold), stepped(2100*ms, turn.Resume)}, verdict{delay: -1, stop: 100 * ms, paused: 500 * ms}},
		{"never went on", agent, []whatif.Step{stepped(1100*ms, turn.Hold)}, verdict{delay: -1, stop: 100 * ms, paused: 4900 * ms}},
	} {
		h := heardEvent{floorEvent: &c.e}
		if got := h.judge(c.steps); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestPareto(t *testing.T) {
	mk := func(name string, cut int, p50, p95 float64) tally {
		return tally{Name: name, Cut: shareOf(cut, 100), Delay: quantiles{100, p50, p95, p95}}
	}
	var got []string
	for _, b := range pareto([]tally{mk("slow", 2, 900, 1200), mk("fast", 10, 300, 900), mk("worse", 10, 400, 900), mk("again", 2, 901, 1200), mk("tail", 12, 400, 600)}) {
		got = append(got, b.Name)
	}
	if want := []string{"slow", "fast", "tail"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := len(grid()); n < 100 || n > 1000 {
		t.Errorf("a grid of %d", n)
	}
	for _, s := range append(grid(), published()...) {
		if e := s.c.End; e.Short > e.Middle || e.Middle > e.Long || e.Long > e.Dangling || e.Open > e.Done {
			t.Errorf("%s: %+v", s.name, e)
		}
	}
}

// sure takes everything for finished.
type sure struct{}

func (sure) Finished([]int16) (float32, error) { return 0.99, nil }

// broken is a model that fails.
type broken struct{}

func (broken) Finished([]int16) (float32, error) { return 0, errors.New("out of memory") }

func TestBenchTurns(t *testing.T) {
	var opened atomic.Int64
	n := &neural{detector: vad.DetectorFunc(func() vad.Stream { opened.Add(1); return vad.Energy{}.Open() }), finisher: sure{}}
	cmd := TurnsCmd{Events: 3, Half: "score", Takes: 100 * ms, Scores: filepath.Join(t.TempDir(), "scores"), JSON: true}
	var out bytes.Buffer
	all := events(hummed, 3, 0)
	if err := cmd.bench(t.Context(), &out, n, all, []setting{{name: "quick", c: turn.Config{End: turn.End{Short: 400 * ms, Long: 1500 * ms, Dangling: 1500 * ms, Spelled: 1500 * ms}}}}); err != nil {
		t.Fatal(err)
	}
	var r turnsReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	q := r.Settings[0]
	if len(r.Settings) != 1 || q.Delay.N != 3 || q.Delay.P50 < 390 || q.Delay.P50 > 480 {
		t.Errorf("the end of a turn: %+v", q.Delay)
	}
	if q.Cut.N != 15 || q.Pauses[0].K != 0 || q.Pauses[4].K != 3 || q.Honored.K != 3 || len(q.False) != 3 {
		t.Errorf("cut off %+v by pause %+v, honored %+v, false %+v", q.Cut, q.Pauses, q.Honored, q.False)
	}
	first := opened.Load()
	cmd.JSON, cmd.Others = false, true
	out.Reset()
	if err := cmd.bench(t.Context(), &out, n, all, []setting{today}); err != nil {
		t.Fatal(err)
	}
	if n := opened.Load(); n != first {
		t.Errorf("%d sounds were scored again", n-first)
	}
	for _, want := range []string{"parley, defaults", "Pipecat's thresholds", "LiveKit's thresholds", "stopped falsely: cough (synthesized)", "of 300ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	cmd.Scores = ""
	if err := cmd.bench(t.Context(), &out, &neural{vad.Energy{}, broken{}, nil}, all[:2], []setting{today}); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("a broken model: %v", err)
	}
}

func TestScoresThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scores")
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openScores(path); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("rubbish: %v", err)
	}
	if err := saveScores(filepath.Join(path, "in a file"), nil, nil); err == nil {
		t.Error("saved below a file")
	}
}

func TestTurnsFlags(t *testing.T) {
	for _, cmd := range []TurnsCmd{{Events: 0}, {Events: 1, Dots: 2}, {Events: 1, With: []string{"{"}}, {Events: 1, Log: []string{t.TempDir()}}} {
		if err := cmd.Run(t.Context(), &bytes.Buffer{}); err == nil {
			t.Errorf("%+v: no error", cmd)
		}
	}
}

func TestALogWithAHole(t *testing.T) {
	c := &replay.Conversation{Holes: []replay.Hole{{Span: replay.Span{From: 9 * time.Second}}, {Span: replay.Span{From: 3 * time.Second, To: 4 * time.Second}, Why: "the caller"}}}
	for _, at := range []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second} {
		c.Events = append(c.Events, agent.Event{At: at, Kind: agent.Step, Step: &turn.Entry{Now: at}}, agent.Event{At: at, Kind: agent.State})
	}
	log, hole := decided(c)
	if len(log) != 2 || hole == nil || hole.Why != "the caller" {
		t.Errorf("%d steps, hole %+v", len(log), hole)
	}
	var out bytes.Buffer
	loggedCall{Hole: hole}.print(&out)
	if !strings.Contains(out.String(), "a hole from 3.000 s to 4.000 s (the caller)") {
		t.Errorf("it does not tell of the hole:\n%s", out.String())
	}
}

// asked is the bundle of a call with one question.
func asked(t *testing.T) (path string) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		enc, err := codec.NewOpusEncoder(media.ListenRate, codec.EncoderOptions{Voice: true})
		if err != nil {
			t.Fatal(err)
		}
		s := rerun.Stage{ID: "asked", Dir: dir, Length: 8 * time.Second, Profile: agent.Profile{Greeting: "-"}, Engines: rerun.Engines{
			Recognizer: sttscript.New(sttscript.Options{Lines: []string{"What is the time?"}}), Model: script.Echo(), Voice: tone.Voice{}, Detector: vad.Energy{}}}
		pcm := append(make([]int16, media.ListenRate), humming("", 1500*ms, 0).PCM...)
		pcm = append(pcm, make([]int16, 6*media.ListenRate)...)
		buf := make([]byte, codec.MaxPayload)
		for i := range len(pcm) / 320 {
			n, err := enc.Encode(pcm[i*320:(i+1)*320], buf)
			if err != nil {
				t.Fatal(err)
			}
			s.Up = append(s.Up, media.Packet{At: time.Duration(i)*media.FrameDuration + 23*ms, Seq: uint16(i), Time: uint32(i * 960), SSRC: 7, PT: 111, Level: -1, Payload: slices.Clone(buf[:n])})
		}
		r, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path = r.Bundle
	})
	return path
}

func TestTurnsOfALog(t *testing.T) {
	path := asked(t)
	for _, c := range []struct {
		with []string
		want []string
	}{
		{nil, []string{"what follows is exact", "1 turns: 1 the same"}},
		{[]string{`{"end":{"short":300000000,"middle":300000000,"long":300000000,"dangling":300000000}}`}, []string{"Exact up to ", "From there on modeled", "earlier by ", `"What is the time?"`, "1 earlier"}},
	} {
		var out bytes.Buffer
		if err := (&TurnsCmd{Log: []string{path}, With: c.with}).Run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("with %v it lacks %q:\n%s", c.with, want, out.String())
			}
		}
	}
	var out bytes.Buffer
	if err := (&TurnsCmd{Log: []string{path}, JSON: true}).Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	var all []loggedCall
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 || len(all[0].Turns) != 1 || all[0].Turns[0].Verdict != whatif.Same {
		t.Errorf("%v: %s", err, out.String())
	}
}
