package rec

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"parley/agent"
	"parley/agent/turn"
	"parley/media/record"
	"parley/tts"
)

// talk records a log in which the caller asks something, says "mm-hm" into the answer and interrupts it then.
func talk(t *testing.T, dir string) string {
	t.Helper()
	w, err := record.New(dir, record.Manifest{ID: "t1", Start: time.Unix(0, 0)}, record.Options{Buffer: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	log := func(now time.Duration, e agent.Event) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		seq++
		w.Log(seq, now, line)
	}
	step := func(now time.Duration, in turn.Input, out ...turn.Decision) {
		log(now, agent.Event{Kind: agent.Step, Step: &turn.Entry{Now: now, In: in, Out: out}})
	}
	for at := time.Second; at <= 2*time.Second; at += 32 * ms {
		step(at, turn.Input{Kind: turn.Score, At: at, Voice: 0.9})
	}
	step(2100*ms, turn.Input{Kind: turn.Score, At: 2100 * ms})
	step(2200*ms, turn.Input{Kind: turn.Final, Start: time.Second, At: 2 * time.Second, Text: "How are\x1b[31m you & <yours>?"})
	step(3*time.Second, turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Commit, Turn: 1, Text: "How are\x1b[31m you & <yours>?", Reason: "finished"})
	text := strings.TrimSpace(strings.Repeat("It goes on and on without an end, ", 6))
	log(3*time.Second, agent.Event{Kind: agent.Ask, Turn: 1, Asked: &agent.Asked{Reply: 1}})
	words := strings.Fields(text)
	for i, v := range words {
		at := time.Duration(i) * 200 * ms
		log(3*time.Second, agent.Event{Kind: agent.Took, Took: &agent.Taken{Kind: agent.Sounded, Reply: 1, Long: 200 * ms,
			Words: []tts.Word{{Text: v, Start: at, End: at + 180*ms}}}})
	}
	step(4*time.Second, turn.Input{Kind: turn.Began, Turn: 1})
	step(6*time.Second, turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Hold, Turn: 1, Reason: "a voice"})
	step(7*time.Second, turn.Input{Kind: turn.Tick}, turn.Decision{Kind: turn.Resume, Turn: 1, Back: 300 * ms, Reason: "backchannel"})
	log(8*time.Second, agent.Event{Kind: agent.Trouble, Code: "stt", Text: "The speech recognizer failed."})
	step(10*time.Second, turn.Input{Kind: turn.Typed, Text: "Stop"}, turn.Decision{Kind: turn.Interrupt, Turn: 1, Reason: "told to stop"})
	log(10*time.Second, agent.Event{Kind: agent.Answer, Turn: 1, Said: &agent.Said{Sent: text, Heard: strings.Join(words[:23], " "), Done: true, Interrupted: true}})
	log(11*time.Second, agent.Event{Kind: agent.End, Text: "the caller hung up"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return 12 * time.Second }, record.Taps{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "t1.conv")
}

func TestShowWhatWasSaid(t *testing.T) {
	out, err := parley(t, "show", talk(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	want := `
   0:01.0  caller  How are [31m you & <yours>?
   0:04.0  agent   It goes on and on without an end, It goes on and on without an end, It goes on
                   and on without an —
   0:06.0          (a voice: the agent paused for 1.0 s; it went on: backchannel)
   0:08.0          (trouble, stt: The speech recognizer failed.)
   0:12.0          (the caller hung up)
`
	if !strings.HasSuffix(out, want) {
		t.Errorf("%s", out)
	}
	for line := range strings.Lines(out) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	out, err = parley(t, "show", "--json", filepath.Join(filepath.Dir(talk(t, t.TempDir())), "t1.conv"))
	var s shown
	if err != nil || json.Unmarshal([]byte(out), &s) != nil || len(s.Said) != 2 || s.Said[1].Who != "agent" || !s.Said[1].Cut {
		t.Errorf("%s %v", out, err)
	}
}

func TestExportWhatWasSaid(t *testing.T) {
	path, to := talk(t, t.TempDir()), t.TempDir()
	if _, err := parley(t, "export", "--out", to, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "transcript.json"))
	var got transcript
	if err != nil || json.Unmarshal(text, &got) != nil || got.ID != "t1" || got.Length != 12 || got.Ended != "the caller hung up" || len(got.Said) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	caller, answer := got.Said[0], got.Said[1]
	if caller.Who != "caller" || caller.From < 0.95 || caller.To > 2.05 || !caller.Words[0].Guessed {
		t.Errorf("%+v", caller)
	}
	// 2 s of the answer were said before the pause, the last 300 ms of them again after it.
	if w := answer.Words[5]; w.From != 5 || w.Guessed {
		t.Errorf("before the pause: %+v", w)
	}
	if w := answer.Words[12]; w.From < 7.69 || w.From > 7.71 {
		t.Errorf("after it: %+v", w)
	}
	captions, err := os.ReadFile(filepath.Join(to, "captions.vtt"))
	if err != nil || !strings.HasPrefix(string(captions), "WEBVTT\n") || !strings.Contains(string(captions), "<v Caller>How are\x1b[31m you &amp; &lt;yours&gt;?") {
		t.Errorf("%v: %s", err, captions)
	}
}

// What can be read of a broken log is exported; of a log that is none the rest of the recording.
func TestExportWhatIsLeft(t *testing.T) {
	path, to := talk(t, t.TempDir()), t.TempDir()
	// The log has one chunk and its end: the end is cut.
	info, err := os.Stat(filepath.Join(path, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(path, "log"), info.Size()-30); err != nil {
		t.Fatal(err)
	}
	out, err := parley(t, "export", "--out", to, path)
	if err == nil || !strings.Contains(out, "transcript.json") || strings.Contains(out, "log.jsonl") {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(path, "log"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = parley(t, "export", "--out", t.TempDir(), path)
	if err == nil || strings.Contains(out, "transcript.json") || !strings.Contains(out, "user.wav") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err = parley(t, "show", path); err != nil || !strings.Contains(out, "problem") || strings.Contains(out, "caller  How") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestReciteStops(t *testing.T) {
	b, err := Open(filepath.Dir(talk(t, t.TempDir())), "nothing")
	if b != nil || err == nil {
		t.Error("a recording that is not there was opened")
	}
	full := errors.New("no space left")
	b, err = Open("", talk(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := writeCaptions(b, writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := writeTranscript(b, writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
		t.Error(err)
	}
	if err := writeTranscript(b, io.Discard); err != nil {
		t.Error(err)
	}
}
