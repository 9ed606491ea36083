package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/media"
	"parley/media/record"
)

// leave writes recordings of a second into a folder, as a server that records would. Torn ones lack their end.
func leave(t *testing.T, dir string, torn bool, ids ...string) {
	t.Helper()
	for _, id := range ids {
		w, err := record.New(dir, record.Manifest{ID: id}, record.Options{Blobs: true})
		if err != nil {
			t.Fatal(err)
		}
		var up media.Relay[media.Packet]
		taps := record.Taps{Up: up.Tap(100, media.DropNewest)}
		for n := range 50 {
			up.Send(media.Packet{At: time.Duration(n) * 20 * ms, Seq: uint16(n), Time: uint32(n) * 960, Payload: []byte{0xfc, 0xff, 0xfe}})
		}
		w.Blob(0, make([]byte, 100000))
		up.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Run(ctx, func() time.Duration { return time.Second }, taps); err != nil {
			t.Fatal(err)
		}
		if torn {
			if err := os.Truncate(filepath.Join(dir, id+".conv", "packets"), 60); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRecord: each pair has a run with a record and one without, by turns first; what they left is deleted.
func TestRecord(t *testing.T) {
	disk := t.TempDir()
	cmd := RecordCmd{Pairs: 3, Sessions: 2, Duration: 3 * time.Second, Disk: disk, With: []string{"--no-record-speech"}}
	var out bytes.Buffer
	var order string
	err := cmd.bench(&out, []string{"--llm", "echo"}, func(args []string, dir string) (recorded, error) {
		r := recorded{cpu: 0.01, late: 2 * ms, ticker: ms}
		if dir == "" {
			order += "-"
			return r, nil
		}
		order += "+"
		if got, want := strings.Join(args, " "), "--llm echo --record "+dir+" --no-record-speech"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		leave(t, dir, false, "a")
		r.cpu = 0.0105
		return r, r.read(dir)
	})
	t.Log(out.String())
	if err != nil || order != "-++--+" {
		t.Errorf("%s, %v", order, err)
	}
	matches(t, out.String(), `^bench record: 3 pairs, 2 callers for 3s each, without and with a record (on disk|in memory .*)$`,
		`^server:  parley serve --llm echo --record \S+parley-bench-record-\d+ --no-record-speech$`,
		`^ +2 +with +0\.0100 +0\.0105 +1\.050 +2\.0 ms +2\.0 ms +\+0\.0 ms +1\.0 ms +1\.0 ms`, `^CPU, server +median of 3: × 1\.050`)
	err = cmd.bench(&out, nil, func([]string, string) (recorded, error) { return recorded{}, errors.New("no server") })
	if err == nil || err.Error() != "pair 1: no server" {
		t.Error(err)
	}
	if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A run is measured; the recordings that are there after it are those of its server, which here were there before.
func TestRecordedRun(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, false, "a", "b")
	cmd := RecordCmd{Sessions: 1, Duration: 4 * time.Second, Server: Server{Waits: waits}}
	r, err := cmd.once(t.Context(), nil, tones("t", 500*ms), dir)
	if err != nil || r.cpu <= 0 || r.late <= 0 || r.ticker <= 0 || r.turns < 1 || r.bundles != 2 || len(r.failed) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := cmd.once(t.Context(), []string{"no-start"}, nil, dir); err == nil || !strings.Contains(err.Error(), "the models are missing") {
		t.Error(err)
	}
}

func TestRecordedIsRead(t *testing.T) {
	dir := t.TempDir()
	leave(t, dir, false, "a", "b")
	var r recorded
	if err := r.read(dir); err != nil || len(r.failed) > 0 {
		t.Fatal(err, r.failed)
	}
	if r.bundles != 2 || r.kept < 2*time.Second || r.bytes < 400 || r.blob < 100 || r.blob > 10000 {
		t.Errorf("%+v", r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := r.read(dir); err == nil || !strings.Contains(err.Error(), "recorded nothing") {
		t.Error(err)
	}
	leave(t, dir, true, "c")
	if err := r.read(dir); err != nil || len(r.failed) != 1 || !strings.Contains(r.failed[0].Error(), "recording c is") {
		t.Error(err, r.failed)
	}
}

func TestRecordSummary(t *testing.T) {
	run := func(cpu float64, late time.Duration) recorded {
		return recorded{cpu: cpu, late: late, bundles: 2, kept: 30 * time.Minute, bytes: 10e6, blob: 30e6}
	}
	without := []recorded{run(0.010, 2*ms), run(0.010, 3*ms), run(0.010, 2*ms), run(0.010, 2*ms)}
	var out bytes.Buffer
	summary(&out, without, []recorded{run(0.0102, 2*ms), run(0.0108, 13*ms), run(0.0103, 3*ms), run(0.0099, 2*ms)})
	matches(t, out.String(), `^CPU, server +median of 4: × 1\.025 \(0\.990 to 1\.080\); goal × 1\.05: met$`,
		`^lateness, p99 +median of 4: \+0\.5 ms \(\+0\.0 to \+10\.0\); goal \+1\.0 ms: met$`,
		`^packets, log +20\.0 MB a session-hour; goal 40 MB: met$`, `^blobs +60\.0 MB a session-hour$`, `^recordings +8 of 2\.00 session-hours`)
	out.Reset()
	dear := recorded{cpu: 0.0106, late: 4 * ms, bundles: 1, kept: time.Minute, bytes: 1e6}
	summary(&out, without[:1], []recorded{dear})
	if n := strings.Count(out.String(), "NOT met"); n != 3 {
		t.Errorf("%d goals not met\n%s", n, &out)
	}
	err := recordVerdict([]recorded{{unanswered: 2}, {failed: []error{errors.New("caller 3: hung up")}}, {unanswered: 1}})
	if !errors.Is(err, ErrUnanswered) || !strings.Contains(err.Error(), "3 turns") || !strings.Contains(err.Error(), "caller 3") {
		t.Error(err)
	}
	if err := recordVerdict(without); err != nil {
		t.Error(err)
	}
}

func TestRecordFlags(t *testing.T) {
	for _, c := range []RecordCmd{{}, {Pairs: 1, Sessions: 1}, {Pairs: 1, Duration: time.Minute}, {Sessions: 1, Duration: time.Minute}} {
		if err := c.Run(t.Context(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "give at least") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	c := RecordCmd{Pairs: 1, Sessions: 1, Duration: time.Minute, Server: Server{Waits: waits}, Disk: "/dev/null/none"}
	if err := c.bench(&bytes.Buffer{}, nil, nil); err == nil || !strings.Contains(err.Error(), "folder to record to") {
		t.Error(err)
	}
}
