package calibrate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/cmd/parley/verdict"
	"parley/internal/corpus"
	"parley/media/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func none(time.Duration, time.Duration) ([]corpus.Utterance, error) {
	return nil, fmt.Errorf("%w: install it", corpus.ErrMissing)
}

// TestCalibrate makes a call and the one with the loss. What it asserts has room for a machine that does other things too; what
// was measured is printed.
func TestCalibrate(t *testing.T) {
	load := corpus.Load
	if testing.Short() {
		load = none
	}
	c := Cmd{Calls: 1, Length: 9 * time.Second, Seed: 7, Keep: t.TempDir()}
	r, err := c.measure(t.Context(), load)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if r.Human == testing.Short() || r.Ruler == "" || len(r.Calls) != 1 || r.CodecDelay < 2.4 || r.CodecDelay > 2.6 {
		t.Errorf("%+v", r)
	}
	one := r.Calls[0]
	for name, d := range map[string]direction{"down": one.Down, "up": one.Up} {
		if len(d.chirps) < 3 || len(d.edges) < 4 || d.Lost+d.Missed+d.Ghosts > 0 {
			t.Errorf("%s: %+v", name, d)
		}
		if p := percentile(50, d.chirps); p > 3*time.Millisecond {
			t.Errorf("%s: half of the chirps are off by more than %v", name, p)
		}
		if p := percentile(75, d.edges); p > 30*time.Millisecond {
			t.Errorf("%s: a quarter of the edges is off by more than %v", name, p)
		}
		if d.Track < 5 || d.Track > 15 { // the script ends up to a chirp, an utterance and their pauses before the call would
			t.Errorf("%s: the track lasts %v s", name, d.Track)
		}
	}
	if one.Down.Track != one.Up.Track {
		t.Errorf("the tracks last %v and %v s", one.Down.Track, one.Up.Track)
	}
	if l := r.Loss; l.Sent != 9.98 || l.NotSent != 2 || l.Kept < 9.9 || l.Kept > 10.06 || l.Concealed < 1.95 || l.Concealed > 2.05 || l.Lost {
		t.Errorf("%+v", l)
	}
	bundles, err := filepath.Glob(filepath.Join(c.Keep, "*.conv"))
	if err != nil || len(bundles) != 2+one.Repeated+r.Loss.Repeated {
		t.Fatalf("kept %v, %v", bundles, err)
	}
	for _, dir := range bundles {
		if b, err := record.Open(dir); err != nil {
			t.Error(err)
		} else if v := b.Verify(); len(v.Problems) > 0 || v.Controls == 0 || v.State != record.Closed {
			t.Errorf("%s: %+v", filepath.Base(dir), v)
		} else if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCouldNotRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		cmd  Cmd
		want string
	}{
		{t.Context(), Cmd{Calls: 0, Length: time.Minute}, "give 1 to 100"},
		{t.Context(), Cmd{Calls: 101, Length: time.Minute}, "give 1 to 100"},
		{t.Context(), Cmd{Calls: 1, Length: time.Second}, "of 5s to 1h0m0s"},
		{t.Context(), Cmd{Calls: 1, Length: 2 * time.Hour}, "of 5s to 1h0m0s"},
		{over, Cmd{Calls: 1, Length: time.Minute}, "broken off"},
	} {
		var out bytes.Buffer
		err := c.cmd.Run(c.ctx, &out)
		var v verdict.Verdict
		if !errors.As(err, &v) || v.ExitCode() != 2 || !strings.Contains(err.Error(), c.want) || errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v", c.cmd, err)
		}
		if out.Len() > 0 {
			t.Errorf("printed %s", &out)
		}
	}
}

func TestSpeech(t *testing.T) {
	voices, human, err := speech(none)
	if err != nil || human || len(voices) == 0 {
		t.Errorf("without human speech: %d, %v, %v", len(voices), human, err)
	}
	if _, _, err := speech(func(time.Duration, time.Duration) ([]corpus.Utterance, error) { return nil, fs.ErrPermission }); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

// good is a report in which all is as it should be.
func good() *report {
	d := direction{chirps: []time.Duration{100e3, -200e3, 0}, edges: []time.Duration{5e6, -9e6, 3e6}, Track: 20}
	return &report{Length: 20, Human: true, Calls: []call{{20, d, d, 0}, {20, d, d, 0}}, Loss: loss{9.98, 2, 9.98, 2, 9.28, 9.28, false, 0}}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(r *report)
		bad  string // the checks that fail
	}{
		{"all well", func(r *report) {}, ""},
		{"down late", func(r *report) { r.Calls[1].Down.chirps = []time.Duration{0, 1200e3} }, "agent's track, one direction"},
		{"up early", func(r *report) { r.Calls[0].Up.chirps = []time.Duration{-1200e3} }, "caller's track, one direction"},
		{"apart", func(r *report) {
			r.Calls[0].Up.chirps, r.Calls[0].Down.chirps = []time.Duration{-700e3}, []time.Duration{700e3}
		}, "one direction"},
		{"drift", func(r *report) { r.Calls[0].Up.Drift = -26 }, "drift"},
		{"edges", func(r *report) { r.Calls[0].Up.edges = []time.Duration{-21e6, 21e6, 0} }, "edges"},
		{"a chirp lost", func(r *report) { r.Calls[0].Up.Lost = 1 }, "chirps and"},
		{"an utterance lost", func(r *report) { r.Calls[0].Down.Missed = 1 }, "chirps and"},
		{"a ghost", func(r *report) { r.Calls[1].Down.Ghosts = 1 }, "chirps and"},
		{"lengths", func(r *report) { r.Calls[1].Down.Track = 20.021 }, "length of one, length of the"},
		{"shorter", func(r *report) { r.Loss.Kept = 7.98 }, "length of a call"},
		{"moved", func(r *report) { r.Loss.Apart = 7.28 }, "chirps before"},
		{"not there", func(r *report) { r.Loss.Lost = true }, "chirps before"},
	} {
		r := good()
		c.harm(r)
		r.judge()
		var bad []string
		for _, k := range r.Checks {
			if !k.OK {
				bad = append(bad, k.Name)
			}
		}
		wants := strings.Split(c.bad, ", ")
		if c.bad == "" {
			wants = nil
		}
		if len(bad) != len(wants) || r.Proven != (len(wants) == 0) {
			t.Errorf("%s: failed %q, proven: %v", c.name, bad, r.Proven)
			continue
		}
		for i, w := range wants {
			if !strings.HasPrefix(bad[i], w) {
				t.Errorf("%s: failed %q", c.name, bad)
			}
		}
		var out bytes.Buffer
		if err := r.print(&out); err != nil || strings.Contains(out.String(), "NOT") != (c.bad != "") {
			t.Errorf("%s: %v\n%s", c.name, err, &out)
		}
	}
	empty := &report{Length: 20, Loss: good().Loss}
	if empty.judge(); empty.Proven {
		t.Error("nothing measured, and proven")
	}
	text, err := json.Marshal(good())
	var again report
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || again.Loss != good().Loss {
		t.Errorf("%v: %s", err, text)
	}
}
