package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/rerun"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/corpus"
	llmscript "parley/llm/script"
	"parley/media"
	"parley/media/codec"
	"parley/media/record"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

const ms = time.Millisecond

// said are packets of a caller who makes a noise in each span, given in milliseconds, and is silent else.
func said(t testing.TB, length time.Duration, spans ...[2]int) (up []media.Packet) {
	t.Helper()
	enc, err := codec.NewOpusEncoder(media.ListenRate, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, media.ListenRate/1000*int(length/ms))
	for i, s := range spans {
		copy(pcm[s[0]*16:], corpus.PinkNoise(time.Duration(s[1]-s[0])*ms, -20, uint64(i)))
	}
	buf := make([]byte, 1500)
	for i := 0; (i+1)*320 <= len(pcm); i++ {
		n, err := enc.Encode(pcm[i*320:(i+1)*320], buf)
		if err != nil {
			t.Fatal(err)
		}
		late := time.Duration(i%5)*1300*time.Microsecond + 311*time.Microsecond
		up = append(up, media.Packet{At: 100*ms + time.Duration(i)*20*ms + late, Seq: uint16(i), Time: uint32(i * 960), SSRC: 7, PT: 111, Level: -1, Payload: bytes.Clone(buf[:n])})
	}
	return up
}

// recorded holds a conversation with a question, a cough while it is answered, an interruption and a typed line, and gives its
// bundle.
func recorded(t testing.TB) string {
	t.Helper()
	s := rerun.Stage{
		ID: "recorded", Length: 24 * time.Second, Dir: t.TempDir(),
		Up:     said(t, 24*time.Second, [2]int{1000, 2600}, [2]int{4400, 4700}, [2]int{9000, 10500}, [2]int{12500, 13900}),
		Inputs: []rerun.Timed{{At: 18 * time.Second, Input: agent.Input{Kind: agent.Typed, Text: "And in writing?"}}},
		Engines: rerun.Engines{
			Recognizer: sttscript.New(sttscript.Options{Lines: []string{"What is the weather like today?", "Tell me about the sea.", "No, wait."}}),
			Model:      llmscript.New(llmscript.Options{Answers: []string{"It is sunny and warm, and it will stay so for the next three days at the very least."}, First: 200 * ms, Gap: 30 * ms}),
			Voice:      tone.Voice{}, Detector: vad.Energy{}, Finisher: sumFinisher{},
		},
		Profile: agent.Profile{Greeting: "-"},
	}
	r, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.Bundle
}

// sumFinisher tells by a number that depends on every sample that it hears: 0.9 to 1.
type sumFinisher struct{}

func (sumFinisher) Finished(pcm []int16) (float32, error) {
	h := uint32(len(pcm))
	for _, s := range pcm {
		h = h*31 + uint32(uint16(s))
	}
	return 0.9 + float32(h%1000)/10000, nil
}

func open(t testing.TB, path string) *record.Bundle {
	t.Helper()
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// A recorded conversation comes out as it was, each time.
func TestExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, recorded(t))
		var first replay.Report
		for i := range 3 {
			r, err := replay.Exact(b)
			if err != nil || r.Difference != nil || r.Stopped != nil {
				t.Fatalf("%+v, %v", r, err)
			}
			if i > 0 && r != first {
				t.Errorf("run %d gives %+v, run 1 %+v", i+1, r, first)
			}
			first = r
		}
		if first.Inputs < 100 || first.Events < first.Inputs+20 || first.Length < 23*time.Second || len(first.Hash) != 64 {
			t.Errorf("%+v", first)
		}
		c, err := replay.Read(b)
		if err != nil || first.Events != len(c.Events) {
			t.Errorf("%d events of %d, %v", first.Events, len(c.Events), err)
		}
		kinds := map[turn.DecisionKind]int{}
		for _, e := range c.Events {
			if e.Step != nil {
				for _, d := range e.Step.Out {
					kinds[d.Kind]++
				}
			}
		}
		if kinds[turn.Commit] < 3 || kinds[turn.Interrupt] == 0 || kinds[turn.Hold] == 0 {
			t.Errorf("the conversation is too simple: %v", kinds)
		}
	})
}

// rewritten is a copy of a bundle whose configuration and log lines went through change.
func rewritten(t testing.TB, path string, config func(*agent.Profile), change func(e *agent.Event) bool) *record.Bundle {
	t.Helper()
	return open(t, rewrite(t, path, config, change))
}

// rewrite writes such a copy.
func rewrite(t testing.TB, path string, config func(*agent.Profile), change func(e *agent.Event) bool) string {
	t.Helper()
	b := open(t, path)
	m := b.Manifest
	var p agent.Profile
	if err := json.Unmarshal(m.Config, &p); err != nil {
		t.Fatal(err)
	}
	if config != nil {
		config(&p)
	}
	m.Config, _ = json.Marshal(p)
	dir := t.TempDir()
	w, err := record.New(dir, m, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := replay.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Events {
		if change == nil || change(&e) {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			w.Log(e.Seq, e.At, line)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return c.Length }, record.Taps{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(path))
}

// What is not as it was is found at its first place, with what led to it.
func TestDifferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := recorded(t)
		var commit, answer uint64
		for _, e := range must(replay.Read(open(t, path))).Events {
			if e.Step != nil && len(e.Step.Out) > 0 && e.Step.Out[0].Kind == turn.Commit && commit == 0 {
				commit = e.Seq
			}
			if e.Kind == agent.Answer && answer == 0 {
				answer = e.Seq
			}
		}
		check := func(name string, b *record.Bundle, is func(d *replay.Difference) bool) {
			t.Helper()
			r, err := replay.Exact(b)
			if err != nil || r.Difference == nil || !is(r.Difference) {
				t.Errorf("%s: %+v, %+v, %v", name, r, r.Difference, err)
			}
		}
		check("another decision", rewritten(t, path, func(p *agent.Profile) { p.Turn.End.Short += 300 * ms }, nil), func(d *replay.Difference) bool {
			return d.Was != nil && d.Is != nil && d.Was.Seq <= commit && d.Is.Step != nil && len(d.Causes) > 1
		})
		check("another answer", rewritten(t, path, nil, func(e *agent.Event) bool {
			if e.Seq == answer {
				e.Said.Heard += " never"
			}
			return true
		}), func(d *replay.Difference) bool {
			return d.Was.Seq == answer && strings.HasSuffix(d.Was.Said.Heard, "never") && d.Is.Seq == answer && d.Causes[0].Took.Kind == agent.Heard && d.Causes[1].Kind == agent.Ask &&
				d.Causes[2].Kind == agent.Step
		})
		check("an event too many", rewritten(t, path, nil, func(e *agent.Event) bool {
			if e.Kind == agent.Timing {
				e.Cause, e.Kind = 0, agent.State
			}
			return true
		}), func(d *replay.Difference) bool { return d.Is != nil && d.Is.Kind == agent.Timing })
	})
}

// A log with a hole is run up to it; one that does not begin is refused.
func TestHoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := recorded(t)
		if _, err := replay.Exact(rewritten(t, path, nil, func(e *agent.Event) bool { return e.Seq > 1 })); err == nil || !strings.Contains(err.Error(), "does not begin with the conversation's beginning") {
			t.Errorf("a log without its beginning: %v", err)
		}
		r, err := replay.Exact(rewritten(t, path, nil, func(e *agent.Event) bool { return e.At < 9*time.Second || e.At > 10*time.Second }))
		if err != nil || r.Difference == nil { // nobody told of a hole: it is a difference
			t.Errorf("lines are missing: %+v, %v", r, err)
		}
		log := filepath.Join(path, "log")
		raw, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)/2] ^= 0x55
		if err := os.WriteFile(log, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err = replay.Exact(open(t, path))
		if err != nil || r.Stopped == nil || r.Difference != nil || r.Length < time.Second || r.Length > 20*time.Second {
			t.Errorf("a damaged log: %+v, %v", r, err)
		}
	})
}

// Of a record that was cut off between an input and what came of it, that input is left out.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := rewrite(t, recorded(t), nil, func(e *agent.Event) bool { return e.Kind != agent.End })
		b := open(t, path)
		if r, err := replay.Exact(b); err != nil || r.Difference == nil || r.Stopped != nil {
			t.Errorf("a whole record that lacks its end: %+v, %v", r, err)
		}
		log := filepath.Join(path, "log")
		whole, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for n := len(whole) - 1; n > len(whole)-1000; n-- {
			if err := os.WriteFile(log, whole[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if c, err := replay.Read(b); err != nil || len(c.Holes) > 0 {
				continue // within a chunk
			}
			r, err := replay.Exact(b)
			if err != nil || r.Difference != nil || r.Stopped == nil || !r.Stopped.Lost || r.Events < 100 || r.Hash == "" {
				t.Errorf("cut after %d of %d bytes, %s: %+v, %v", n, len(whole), b.State(), r, err)
			}
			return
		}
		t.Error("no end of a chunk was found")
	})
}

// The caller's sound comes out of its packets again, and so do its scores.
func TestRescore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, recorded(t))
		all, err := replay.Rescore(b, vad.Energy{}, sumFinisher{})
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		if r := all[0]; r.Scores < 700 || r.Missing != 0 || r.Most != 0 || r.Beyond != 0 {
			t.Errorf("%+v", r)
		}
		if r := all[1]; r.Scores < 3 || r.Most > 1e-6 {
			t.Errorf("ends of turns: %+v", r)
		}
		all, err = replay.Rescore(b, vad.Energy{Threshold: -18}, nil) // deafer
		if err != nil || all[0].Beyond == 0 || all[0].Most < 0.5 || len(all[0].Different) == 0 {
			t.Errorf("a deafer detector: %+v, %v", all, err)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkExact(b *testing.B) {
	bundle := open(b, recorded(b))
	b.ResetTimer()
	var r replay.Report
	for b.Loop() {
		var err error
		if r, err = replay.Exact(bundle); err != nil || r.Difference != nil {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(r.Length.Seconds()*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
}
