package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/agent"
	"parley/agent/replay/cassette"
	"parley/agent/replay/fault"
	"parley/agent/replay/rerun"
	"parley/agent/vad"
	"parley/cmd/parley/verdict"
	"parley/llm/script"
	"parley/media"
	"parley/media/codec"
	"parley/media/record"
	sttscript "parley/stt/script"
	"parley/tts/tone"
)

// asking writes the record of a caller who asks twice, in 16 s, into a folder and returns that.
func asking(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := rerun.Stage{
			ID: "asking", Dir: dir, Up: asks(t, 16, 2, 3.5, 9, 10.5), Length: 16 * time.Second, Profile: agent.Profile{Greeting: "Hello."},
			Engines: rerun.Engines{
				Recognizer: sttscript.New(sttscript.Options{Lines: []string{"What is the time?", "And tomorrow?"}}),
				Model:      script.Echo(), Voice: tone.Voice{}, Detector: vad.Energy{},
			},
		}
		if _, err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return dir
}

// asks are packets with a sound from one of the places to the next, in seconds.
func asks(t testing.TB, length float64, places ...float64) (out []media.Packet) {
	t.Helper()
	enc, err := codec.NewEncoder(media.Opus, media.ListenRate, codec.EncoderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pcm, buf := make([]int16, media.ListenRate/50), make([]byte, codec.MaxPayload)
	for i := 0; i < int(length*50); i++ {
		n, _ := slices.BinarySearch(places, float64(i)/50+1e-6)
		for j := range pcm {
			pcm[j] = int16(float64(n%2) * 8000 * math.Sin(2*math.Pi*440*float64(i*len(pcm)+j)/media.ListenRate))
		}
		size, err := enc.Encode(pcm, buf)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, media.Packet{
			At: time.Duration(i)*media.FrameDuration + 23*time.Millisecond, Seq: uint16(i), Time: uint32(960 * i), SSRC: 7, PT: 111, Level: -1,
			Payload: slices.Clone(buf[:size]),
		})
	}
	return out
}

// run runs the verb and returns what it prints.
func (c *FaultCmd) test(t testing.TB) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := c.Run(t.Context(), &out)
	return out.String(), err
}

func code(err error) int {
	var v verdict.Verdict
	if errors.As(err, &v) {
		return v.Code
	}
	return -1
}

func TestFaultThroughNetworks(t *testing.T) {
	dir, keep := asking(t), t.TempDir()
	c := &FaultCmd{Bundle: "asking", Dir: dir, Net: []string{"all"}, Seed: 3, VAD: "energy", Out: keep}
	out, err := c.test(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"clean, seed 3: ", "wifi, seed 3: ", "lte-edge, seed 3: ", "burst5, seed 3: ", "blackout2s, seed 3: ",
		`#2 caller: "What is the time?" at `, `"You said: What is the time?"`, "packets of the caller lost", "all invariants hold (not checked: I7",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	for _, p := range netNames() {
		b, err := record.Open(filepath.Join(keep, "asking-"+p+"-3.conv"))
		if err != nil {
			t.Fatal(err)
		}
		if r := b.Verify(); len(r.Problems) > 0 {
			t.Error(r.Problems)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.test(t); code(err) != 2 || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("again into the same folder: %v", err)
	}
}

// Each fault strikes the second call of each engine, and the conversation outlives it if it can.
func TestFaults(t *testing.T) {
	c := &FaultCmd{Bundle: "asking", Dir: asking(t), Fault: []string{"all"}, Seed: 1, VAD: "energy", JSON: true}
	out, err := c.test(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := map[string]held{}
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var h held
		if err := dec.Decode(&h); err != nil {
			t.Fatal(err)
		}
		got[h.Fault] = h
	}
	for _, name := range fault.Names() {
		h, ok := got[name]
		if !ok {
			t.Errorf("%s was not tried", name)
			continue
		}
		if len(h.Turns) < 3 || len(h.Violations) != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if h := got["500"]; len(h.Recoveries) != 2 || !h.Recoveries[0].Spoke || h.Recoveries[0].Took > 100*time.Millisecond {
		t.Errorf("500: %+v", h.Recoveries)
	}
	if h := got["401"]; !strings.Contains(h.End, "not authorized") {
		t.Errorf("401 ended for %s", h.End)
	}
	if h := got["slow-first-byte"]; len(h.Recoveries) != 0 || h.Turns[1].Latency == nil || h.Turns[1].Latency.Sent < 3*time.Second {
		t.Errorf("slow-first-byte: %+v", h.Turns)
	}
	if h := got["stalled-stream"]; h.Engines.Behind < 9*time.Second {
		t.Errorf("stalled-stream: %+v", h.Engines)
	}
}

// One engine fails, through a network.
func TestFaultOfOneEngine(t *testing.T) {
	c := &FaultCmd{Bundle: "asking", Dir: asking(t), Fault: []string{"500"}, Engine: []string{"llm"}, Net: []string{"wifi"}, Seed: 1, VAD: "energy"}
	out, err := c.test(t)
	if err != nil || !strings.Contains(out, "500 through wifi, seed 1: ") {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(out, "trouble"); n != strings.Count(out, "llm: The language model failed") || n == 0 {
		t.Errorf("troubles:\n%s", out)
	}
}

func TestFaultAsJSON(t *testing.T) {
	c := &FaultCmd{Bundle: filepath.Join(asking(t), "asking.conv"), Net: []string{"burst5"}, Seed: 1, VAD: "energy", JSON: true}
	read := func() (h held) {
		out, err := c.test(t)
		if err == nil {
			err = json.Unmarshal([]byte(out), &h)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return h
	}
	a, b := read(), read()
	if len(a.Turns) < 3 || a.Counts.Lost == 0 || a.ID != "asking-burst5-1" || a.Bundle != "" {
		t.Errorf("%+v", a)
	}
	if a.Counts != b.Counts || a.Heard.Received != b.Heard.Received {
		t.Errorf("one seed lost %+v, then %+v", a.Counts, b.Counts)
	}
	if a.Took > a.Length/2 { // alone on a core it is 0.1 s
		t.Errorf("%v of conversation took %v", a.Length, a.Took)
	}
}

func TestFaultWrongUse(t *testing.T) {
	dir := asking(t)
	tests := []struct {
		name string
		cmd  FaultCmd
		want string
	}{
		{"nothing goes wrong", FaultCmd{Bundle: "asking"}, "say what is to go wrong"},
		{"fault", FaultCmd{Bundle: "asking", Fault: []string{"fire"}}, "--fault fire: there is none of that name; known are "},
		{"engine", FaultCmd{Bundle: "asking", Fault: []string{"500"}, Engine: []string{"ear"}}, "--engine ear: it is one of stt, llm, tts"},
		{"a fault of no such engine", FaultCmd{Bundle: "asking", Fault: []string{"late-final"}, Engine: []string{"llm"}}, "--fault late-final is about none of --engine llm"},
		{"network", FaultCmd{Bundle: "asking", Net: []string{"5g"}}, "--net 5g: there is none of that name; known are clean, wifi"},
		{"recording", FaultCmd{Bundle: "answering", Net: []string{"all"}}, "answering"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cmd.Dir = dir
			if _, err := tt.cmd.test(t); code(err) != 2 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What the child cannot do ends with 2.
func TestFaultOfTheChild(t *testing.T) {
	dir := asking(t)
	c := &FaultCmd{Bundle: "asking", Dir: dir, Net: []string{"clean"}, VAD: "ear"}
	if _, err := c.test(t); code(err) != 2 {
		t.Errorf("an unknown detector: %v", err)
	}
	if err := os.Truncate(filepath.Join(dir, "asking.conv", "packets"), 30); err != nil {
		t.Fatal(err)
	}
	c.VAD = "energy"
	if _, err := c.test(t); code(err) != 2 {
		t.Errorf("no packets: %v", err)
	}
}

func TestHeldIsPrinted(t *testing.T) {
	var out bytes.Buffer
	h := held{
		trial: trial{Fault: "500", Net: "wifi", Seed: 2}, Length: 2 * time.Second, Took: 30 * time.Millisecond, End: "hung up",
		Recoveries: []rerun.Recovery{
			{At: time.Second, Code: "llm", Text: "It failed.", Spoke: true, Silent: true, Took: 120 * time.Millisecond},
			{At: time.Second, Code: "tts", Text: "It failed.", Spoke: true, Took: 10 * time.Millisecond},
			{At: time.Second, Code: "stt", Text: "It failed.", Took: time.Second},
		},
		Engines:    rerun.Meters{Behind: 340 * time.Millisecond, Live: 2, Cancels: []rerun.Cancel{{Engine: "llm", Took: time.Millisecond}, {Engine: "tts"}}},
		Violations: []rerun.Violation{{Invariant: "I1", At: time.Second, Seq: 4, Text: "There is sound."}},
		Notes:      []string{"it is old"},
		Misses:     []cassette.Miss{{Engine: "llm", Asked: "And?", Used: "And tomorrow?", Why: "text"}},
	}
	if err := (&FaultCmd{}).print(&out, h); err != nil {
		t.Fatal(err)
	}
	want := `500 through wifi, seed 2: 2s in 30ms, ended: hung up
  note: it is old
  trouble at 1s: llm: It failed.; the agent spoke again after 120ms
  trouble at 1s: tts: It failed.; the agent spoke on
  trouble at 1s: stt: It failed.; the agent did not speak again in the 1s that were left
  network: 0 of 0 packets of the caller lost; the caller received 0 of 0 packets with speech, at most 0s of it missing in a row
  work: the recognizer was up to 340ms behind, the model wrote up to 2 answers at a time, canceled work took up to 1ms to end
  the recording does not tell all that was asked: 1 times the nearest was taken; first llm, asked "And?", given "And tomorrow?": text
  VIOLATED I1 at 1s, event 4: There is sound.
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTrialIDs(t *testing.T) {
	for _, tt := range []struct {
		trial trial
		of    string
		want  string
	}{
		{trial{"429", "", 1}, "call", "call-429-1"},
		{trial{"slow-first-byte", "lte-edge", 18446744073709551615}, strings.Repeat("x", 64), strings.Repeat("x", 18) + "-slow-first-byte-lte-edge-18446744073709551615"},
	} {
		got := tt.trial.id(tt.of)
		if _, err := record.Folder(got); got != tt.want || err != nil {
			t.Errorf("%v is %s, want %s (%v)", tt.trial, got, tt.want, err)
		}
	}
}
