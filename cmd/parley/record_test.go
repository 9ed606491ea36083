package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"parley/agent/turn"
	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/media/record"
	"parley/web"
)

// A conversation is recorded: the caller is told, the record is whole, its log repeats, and its sound is what was said.
func TestRecordedConversation(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "--stt", "script:lines=What time is it?", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-", "--record", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var length time.Duration
	err := caller.Run(ctx, s.url, caller.Options{}, func(ctx context.Context, c *caller.Caller) error {
		if _, _, err := ask(ctx, c, corpus.PinkNoise(1500*time.Millisecond, -20, 1)); err != nil {
			return err
		}
		if got, _ := lastOf(c, "hello", func(h web.Hello) bool { return true }); !got.Recorded {
			t.Error("the caller is not told that the conversation is recorded")
		}
		length = c.Now()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	bundles, err := filepath.Glob(filepath.Join(dir, "*.conv"))
	if err != nil || len(bundles) != 1 {
		t.Fatalf("%v, %v", bundles, err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"rec", "verify", bundles[0]}, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	repeats(t, bundles[0])
	to := t.TempDir()
	if err := run(t.Context(), []string{"rec", "export", "--out", to, bundles[0]}, &out); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(to, "*", "*.wav"))
	if err != nil || len(files) == 0 {
		files, err = filepath.Glob(filepath.Join(to, "*.wav"))
	}
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		if strings.Contains(filepath.Base(f), "stereo") || strings.Contains(filepath.Base(f), "both") {
			continue
		}
		a, err := wav.ReadFile(f, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		d := time.Duration(len(a.PCM)) * time.Second / time.Duration(a.Rate)
		if d < length-500*time.Millisecond || d > length+2*time.Second {
			t.Errorf("%s lasts %v, the call %v", filepath.Base(f), d, length)
		}
	}
}

// repeats runs the inputs of a record's log through a new turn machine.
func repeats(t *testing.T, bundle string) {
	t.Helper()
	b, err := record.Open(bundle)
	if err != nil {
		t.Fatal(err)
		defer b.Close()
	}
	var log []turn.Entry
	for e, err := range b.Log() {
		if err != nil {
			t.Fatal(err)
		}
		var line struct {
			Step *turn.Entry `json:"step"`
		}
		if e.Kind == record.Line && json.Unmarshal(e.Raw, &line) == nil && line.Step != nil {
			log = append(log, *line.Step)
		}
	}
	if len(log) < 20 {
		t.Fatalf("the log has %d steps", len(log))
	}
	m, err := json.Marshal(b.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Config struct{ Turn turn.Config } `json:"config"`
	}
	if err := json.Unmarshal(m, &config); err != nil {
		t.Fatal(err)
	}
	if again := turn.Replay(config.Config.Turn, log); !reflect.DeepEqual(again, log) {
		t.Error("the recorded log does not repeat")
	}
}
