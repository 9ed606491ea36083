package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/internal/caller"
	"parley/internal/corpus"
	"parley/internal/wav"
	"parley/media/record"
)

// Calls with turn-taking of their own: each record has the settings that the call really used, and with them it repeats
// exactly. With the usual ones it does not.
func TestTurnsOfACall(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "--stt", "script:lines=What time is it?", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--greeting=-", "--record", dir, "--patience", "1.1")
	speech := filepath.Join(t.TempDir(), "say.wav")
	w, err := wav.Create(speech, caller.Rate)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(corpus.PinkNoise(time.Second, -20, 1)), w.Close()); err != nil {
		t.Fatal(err)
	}
	phone := func(wish ...string) error {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"call", s.url, "--say", speech, "--greeting", "200ms"}, wish...), &out)
		t.Log(out.String(), err)
		return err
	}
	if err := phone("--turn", `{"end":{"short":"-1s"}}`); err == nil || !strings.Contains(err.Error(), "400 Bad Request") || !strings.Contains(err.Error(), "turn.end.short is a text with a duration") {
		t.Errorf("a negative wait: %v", err)
	}
	for _, wish := range [][]string{nil, {"--turn", `{"end":{"short":"300ms","ahead":"60ms"},"interrupt":{"words":2}}`, "--patience", "2"}} {
		if err := phone(wish...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "*.conv"))
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"replay", "exact"}, all...), &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	used := map[time.Duration]bool{}
	for _, path := range all {
		b, err := record.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var p agent.Profile
		if err := errors.Join(json.Unmarshal(b.Config, &p), b.Close()); err != nil {
			t.Fatal(err)
		}
		var log []turn.Entry
		for _, e := range read(t, path).Events {
			if e.Step != nil {
				log = append(log, *e.Step)
			}
		}
		if !reflect.DeepEqual(turn.Replay(p.Turn, log), log) {
			t.Error("with its own settings it does not repeat")
		}
		if reflect.DeepEqual(turn.Replay(turn.Config{}, log), log) {
			t.Error("it repeats with the usual settings too: its own were not used")
		}
		e := p.Turn.End
		used[e.Short] = true
		switch own := e.Short == 600*time.Millisecond; { // 300 ms, twice
		case own && (e.Ahead != 60*time.Millisecond || e.Middle != 1870*time.Millisecond || p.Turn.Interrupt.Words != 2):
			t.Errorf("%+v", p.Turn)
		case !own && (e.Ahead != 100*time.Millisecond || e.Middle != 935*time.Millisecond || p.Turn.Interrupt.Words != 1):
			t.Errorf("%+v", p.Turn)
		}
	}
	if !used[600*time.Millisecond] || !used[374*time.Millisecond] {
		t.Errorf("silences that end a turn: %v", used)
	}
}
