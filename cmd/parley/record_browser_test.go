package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"parley/agent/replay"
	"parley/agent/replay/edge"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/media"
	"parley/media/record"
)

// A conversation in a browser, with a human voice, an interruption, typed text and a mute, is recorded. The record is whole, its
// log decides as it did, and what it says of words and times is what the sound says.
func TestRecordedInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a browser and recorded speech")
	}
	dir := t.TempDir()
	s := start(t, "--stt", "script:lines=What time is it?|No\\, stop that.|Tell me about folders.", "--llm", "script:answers="+strings.Repeat("It is late. ", 20)+"|All right.|Well typed.",
		"--tts", "tone", "--vad", "energy", "--greeting", "Hello there.", "--record", dir)
	p := visit(t, s.url, microphone(t, twice(t)))
	p.do(chromedp.Click("button.main"))
	p.until(`document.querySelector(".recorded")?.innerText === "This conversation is recorded."`)
	p.shot("recorded")
	p.until(`parley.transcript.some((l) => l.interrupted) && parley.transcript.at(-1).who === "agent" && parley.transcript.at(-1).done && parley.state === "listening"`)
	time.Sleep(time.Second) // a pause, so that the answers are apart
	p.do(chromedp.SendKeys("input[name=text]", "And this is typed.\r"))
	p.until(`parley.transcript.some((l) => l.text === "And this is typed.")`)
	p.until(`parley.transcript.at(-1).who === "agent" && parley.transcript.at(-1).done && parley.state === "listening"`)
	p.do(chromedp.Click("button.mute"))
	time.Sleep(time.Second) // what is muted
	p.do(chromedp.Click("button.mute"))
	p.until(`!parley.muted`)
	time.Sleep(500 * time.Millisecond) // what is not again
	shown := p.text(`parley.transcript.map((l) => l.text).join("\n")`)
	p.do(chromedp.Click("button.main"))
	p.until(`parley.phase === "ended"`)
	path := recorded(t, dir)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	whole(t, path)
	equal(t, path)
	c := read(t, path)
	var heard []string
	for _, u := range c.Utterances() {
		heard = append(heard, u.Text)
	}
	if got := strings.Join(heard, "\n"); got != shown {
		t.Errorf("the record says\n%s\nthe page showed\n%s", got, shown)
	}
	sounds(t, path, c)
}

// twice is two sentences, the second in the midst of the answer to the first.
func twice(t *testing.T) []int16 {
	t.Helper()
	said, err := corpus.Named("vm-savefolder", "check-number-dial-again")
	if err != nil {
		t.Fatal(err)
	}
	return corpus.Join(5*time.Second, said["vm-savefolder"], said["check-number-dial-again"]).PCM
}

// whole verifies a record: nothing is missing, and the classes of its sound are as long as it is.
func whole(t *testing.T, path string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"rec", "verify", path, "--json"}, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	b, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := b.Verify()
	for name, d := range map[string]record.Direction{"caller": r.Up, "agent": r.Down} {
		if off := d.Classes.Sum() - r.Duration; off.Abs() > media.FrameDuration || d.Classes[record.Received] < time.Second || d.Classes[record.NotCaptured] > time.Second {
			t.Errorf("%s: %v, the record lasts %v", name, d.Classes, r.Duration)
		}
	}
	if r.State != record.Closed || r.Gaps != 0 || len(r.Problems) > 0 || r.Up.Classes[record.Muted] < 800*time.Millisecond {
		t.Errorf("%+v", r)
	}
}

// equal runs a record's inputs again, three times.
func equal(t *testing.T, path string) {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"replay", "exact", path, "--json"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	var r struct {
		Times, Events       int
		Difference, Stopped *struct{}
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Times != 3 || r.Events < 200 || r.Difference != nil || r.Stopped != nil {
		t.Errorf("%v: %s", err, &out)
	}
}

// sounds compares what a record tells of words and times with its sound, and with its captions.
func sounds(t *testing.T, path string, c *replay.Conversation) {
	t.Helper()
	const near = 100 * time.Millisecond
	dir := t.TempDir()
	if err := run(t.Context(), []string{"rec", "export", "--out", dir, path}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	begins := map[bool][]time.Duration{}
	for agent, name := range map[bool]string{true: "agent.wav", false: "user.wav"} {
		a, err := wav.ReadFile(filepath.Join(dir, name), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range edge.Detect(a.PCM, a.Rate) {
			begins[agent] = append(begins[agent], s.From)
		}
	}
	cues, err := os.ReadFile(filepath.Join(dir, "captions.vtt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range c.Utterances() {
		if len(u.Words) > 0 && !slices.ContainsFunc(begins[u.Agent], func(at time.Duration) bool { return (at - u.From).Abs() < near }) {
			t.Errorf("%q begins at %v, the sound at one of %v", u.Text, u.From, begins[u.Agent])
		}
		if first, _, _ := strings.Cut(u.Text, " "); !strings.Contains(string(cues), first) {
			t.Errorf("no %q in the captions:\n%s", first, cues)
		}
	}
}
