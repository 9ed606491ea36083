package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/media/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// kept records a conversation of some length with these lines.
func kept(t *testing.T, dir, id string, start time.Time, length time.Duration, lines ...string) {
	t.Helper()
	w, err := record.New(dir, record.Manifest{ID: id, Start: start}, record.Options{Blobs: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		w.Log(uint64(i+1), 0, []byte(l))
	}
	w.Blob(0, bytes.Repeat([]byte(id), 1000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return length }, record.Taps{}); err != nil {
		t.Fatal(err)
	}
}

// live begins to record and returns what ends it.
func live(t *testing.T, dir, id string) (stop func()) {
	t.Helper()
	w, err := record.New(dir, record.Manifest{ID: id, Start: time.Now()}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func() time.Duration { return 0 }, record.Taps{}) }()
	for deadline := time.Now().Add(5 * time.Second); w.Status().Bytes == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func ids(all []Entry) (ids string) {
	for _, e := range all {
		ids += e.ID + " "
	}
	return strings.TrimSpace(ids)
}

func listed(t *testing.T, a *Archive, f Filter) string {
	t.Helper()
	all, err := a.List(f)
	if err != nil {
		t.Fatal(err)
	}
	return ids(all)
}

func TestListAndFilter(t *testing.T) {
	dir := t.TempDir()
	kept(t, dir, "a", noon, time.Minute, `{"kind":"user","text":"I lost my  Umbrella"}`, `{"kind":"state","text":"listening"}`)
	kept(t, dir, "b", noon.Add(time.Hour), 5*time.Minute, `not JSON "user" umbrella`, `{"kind":"agent","said":{"Generated":"A green one","Heard":"A green"}}`)
	kept(t, dir, "c", noon.Add(2*time.Hour), 10*time.Minute, `{"kind":"user","text":["umbrella"]}`, `{"kind":"user","text":"Zürich"}`)
	if err := os.Truncate(filepath.Join(dir, "c.conv", "log"), 200); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.conv", "blobs", "stray"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := &Archive{Dir: dir}
	for _, c := range []struct {
		f    Filter
		want string
	}{
		{Filter{}, "c b a"},
		{Filter{Limit: 2}, "c b"},
		{Filter{Since: noon.Add(time.Hour)}, "c b"},
		{Filter{Until: noon.Add(time.Hour)}, "a"},
		{Filter{Min: 5 * time.Minute}, "c b"},
		{Filter{Max: 5 * time.Minute}, "b a"},
		{Filter{State: record.Killed}, "c"},
		{Filter{State: record.Closed, Limit: 1}, "b"},
		{Filter{Text: "umbrella"}, "a"},
		{Filter{Text: " my umbrella "}, "a"},
		{Filter{Text: "a GREEN"}, "b"},
		{Filter{Text: "green one"}, ""}, // it was not heard
		{Filter{Text: "listening"}, ""}, // nor this said
		{Filter{Text: "a", Limit: 1}, "b"},
	} {
		for range 2 { // the second time from memory
			if got := listed(t, a, c.f); got != c.want {
				t.Errorf("%+v: %s, want %s", c.f, got, c.want)
			}
		}
	}
	all, err := a.List(Filter{})
	if e := all[1]; err != nil || e.Length != 5*time.Minute || !e.Start.Equal(noon.Add(time.Hour)) || e.State != record.Closed || e.Codec != "opus" ||
		e.Bytes < 200 || e.Blobs < 10 || e.Path != filepath.Join(dir, "b.conv") || e.Trouble != "" {
		t.Errorf("%+v, %v", e, err)
	}
	if cut, err := record.Recover(filepath.Join(dir, "c.conv")); err != nil || listed(t, a, Filter{State: record.Rescued}) != "c" {
		t.Errorf("recovered meanwhile: %d bytes cut, %v, %s", cut, err, listed(t, a, Filter{State: record.Rescued}))
	}
}

// foul puts into a folder what may lie there by accident or malice.
func foul(t *testing.T, dir, outside string) {
	t.Helper()
	file := func(path, content string) error {
		return os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600)
	}
	errs := []error{
		os.Mkdir(filepath.Join(dir, "empty.conv"), 0o700),
		os.Mkdir(filepath.Join(dir, "newer.conv"), 0o700), file("newer.conv/manifest.json", `{"schema":99,"id":"newer"}`),
		os.Mkdir(filepath.Join(dir, "broken.conv"), 0o700), file("broken.conv/manifest.json", `{"schema":`), file("broken.conv/packets", "nothing"),
		os.Symlink(outside, filepath.Join(dir, "link.conv")),
		file("file.conv", "x"),
		os.Mkdir(filepath.Join(dir, "sp ace.conv"), 0o700), os.Mkdir(filepath.Join(dir, ".conv"), 0o700),
		os.Mkdir(filepath.Join(dir, strings.Repeat("x", 65)+".conv"), 0o700), os.Mkdir(filepath.Join(dir, "other"), 0o700),
		os.Symlink(outside, filepath.Join(dir, "empty.conv", "blobs")),
		os.Symlink(outside, filepath.Join(dir, "broken.conv", "log")),
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestWhatElseLiesThere(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	kept(t, outside, "far", noon, time.Minute, `{"kind":"user","text":"secret"}`)
	kept(t, dir, "good", noon, time.Minute, `{"kind":"user","text":"hello"}`)
	foul(t, dir, filepath.Join(outside, "far.conv"))
	a := &Archive{Dir: dir}
	all, err := a.List(Filter{})
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.ID, b.ID) })
	if err != nil || ids(all) != "broken empty good newer" {
		t.Fatalf("%s, %v", ids(all), err)
	}
	for _, e := range all {
		if bad := e.ID == "empty" || e.ID == "newer"; bad != (e.Trouble != "") || e.Blobs > 100 {
			t.Errorf("%+v", e)
		}
	}
	if got := listed(t, a, Filter{Text: "secret"}); got != "" {
		t.Errorf("found outside: %s", got)
	}
	for id, want := range map[string]error{"link": record.ErrNone, "file": record.ErrNone, "absent": fs.ErrNotExist, "empty": record.ErrNone, "newer": record.ErrVersion,
		"../" + filepath.Base(outside) + "/far": nil, "": nil, "a/b": nil, "good\x00": nil} {
		if b, err := a.Open(id); err == nil {
			t.Errorf("%q was opened", id)
			b.Close()
		} else if want != nil && !errors.Is(err, want) {
			t.Errorf("open %q: %v, want %v", id, err, want)
		}
		if want == record.ErrVersion || id == "empty" {
			continue
		}
		if err := a.Delete(id); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("delete %q: %v, want %v", id, err, want)
		}
	}
	for _, id := range []string{"empty", "newer", "broken", "good"} {
		if err := a.Delete(id); err != nil {
			t.Error(err)
		}
	}
	if got := listed(t, a, Filter{}); got != "" {
		t.Errorf("left: %s", got)
	}
	if b, err := record.Open(filepath.Join(outside, "far.conv")); err != nil || len(b.Verify().Problems) > 0 {
		t.Errorf("the recording outside: %v", err)
	} else {
		b.Close()
	}
	if _, err := (&Archive{Dir: filepath.Join(dir, "no")}).List(Filter{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestDelete(t *testing.T) {
	dir := t.TempDir()
	var said strings.Builder
	a := &Archive{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))}
	kept(t, dir, "one", noon, time.Minute)
	stop := live(t, dir, "two")
	if err := a.Delete("two"); !errors.Is(err, record.ErrLive) {
		t.Errorf("a live one: %v", err)
	}
	all, err := a.List(Filter{State: record.Live})
	if err != nil || ids(all) != "two" || all[0].Length > time.Minute {
		t.Errorf("%+v, %v", all, err)
	}
	stop()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, ".deleted-one.conv", "blobs", "x"), 0o700), a.Delete("one"), a.Delete("two")); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, want := range []string{"recording=one", "recording=two", "bytes=", "why="} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("not logged: %s, but %s", want, &said)
		}
	}
}

func TestRetain(t *testing.T) {
	var size int64
	fresh := func(t *testing.T) *Archive {
		a := &Archive{Dir: t.TempDir()}
		for i := range 5 { // the later, the shorter: 4 ends first but 0
			kept(t, a.Dir, fmt.Sprint(i), noon.Add(time.Duration(i)*time.Minute), time.Hour-time.Duration(10*i)*time.Minute)
		}
		all, err := a.List(Filter{})
		if err != nil {
			t.Fatal(err)
		}
		size = all[0].Bytes + all[0].Blobs
		return a
	}
	fresh(t)
	for name, c := range map[string]struct {
		k    Keep
		live string
		want string // deleted
	}{
		"all":            {Keep{}, "", ""},
		"by age":         {Keep{Age: 25 * time.Minute}, "", "4 3"},
		"old but live":   {Keep{Age: 25 * time.Minute}, "4", "3"},
		"by size":        {Keep{Bytes: 2*size + size/2}, "", "4 3 2"},
		"large but live": {Keep{Bytes: 2*size + size/2}, "3", "4 2 1"},
		"both":           {Keep{Age: 30 * time.Minute, Bytes: 3*size + size/2}, "", "4 3"},
		"nothing fits":   {Keep{Bytes: 1}, "0", "4 3 2 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a := fresh(t)
			deleted, err := a.Retain(noon.Add(time.Hour), c.k, func(id string) bool { return id == c.live })
			if err != nil || ids(deleted) != c.want {
				t.Errorf("deleted %s, %v, want %s", ids(deleted), err, c.want)
			}
			if left := listed(t, a, Filter{}); len(strings.Fields(left)) != 5-len(deleted) {
				t.Errorf("left: %s", left)
			}
		})
	}
}

func TestRetainGoesOn(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	kept(t, outside, "far", noon, time.Minute)
	kept(t, dir, "old", noon, time.Minute)
	foul(t, dir, filepath.Join(outside, "far.conv"))
	stop := live(t, dir, "live")
	defer stop()
	rest := filepath.Join(dir, ".deleted-rest.conv")
	if err := errors.Join(os.MkdirAll(filepath.Join(rest, "blobs"), 0o700), os.Symlink(outside, filepath.Join(rest, "blobs", "x")),
		os.Mkdir(filepath.Join(dir, ".deleted-other"), 0o700)); err != nil {
		t.Fatal(err)
	}
	a := &Archive{Dir: dir}
	if deleted, err := a.Retain(time.Now(), Keep{Age: time.Hour}, nil); err != nil || ids(deleted) != "broken old" && ids(deleted) != "old" {
		t.Errorf("deleted %s, %v", ids(deleted), err)
	}
	if deleted, err := a.Retain(time.Now().Add(2*time.Hour), Keep{Age: time.Hour, Bytes: 1}, nil); err != nil || strings.Contains(ids(deleted), "live") || !strings.Contains(ids(deleted), "empty") {
		t.Errorf("deleted %s, %v", ids(deleted), err)
	}
	if _, err := os.Lstat(rest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the rest is there: %v", err)
	}
	for _, path := range []string{filepath.Join(dir, ".deleted-other"), filepath.Join(dir, "other"), filepath.Join(dir, "link.conv"), filepath.Join(dir, "live.conv"), filepath.Join(outside, "far.conv", "manifest.json")} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := (&Archive{Dir: filepath.Join(dir, "no")}).Retain(noon, Keep{}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestRun(t *testing.T) {
	a := &Archive{Dir: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		kept(t, a.Dir, "old", time.Now().Add(-3*time.Hour), time.Hour)
		kept(t, a.Dir, "new", time.Now().Add(-time.Hour), 30*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() {
			defer close(ended)
			a.Run(ctx, Keep{Age: time.Hour}, nil)
		}()
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{0, "new"}, {31 * time.Minute, "new"}, {28 * time.Minute, "new"}, {2 * time.Minute, ""}} {
			time.Sleep(c.after)
			synctest.Wait()
			if got := listed(t, a, Filter{}); got != c.want {
				t.Errorf("%v later: %s, want %s", c.after, got, c.want)
			}
		}
		cancel()
		<-ended
	})
}

// An archive of a year lists in a moment.
func BenchmarkList(b *testing.B) {
	dir := b.TempDir()
	w, err := record.New(dir, record.Manifest{ID: "x", Start: noon}, record.Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if err := w.Run(ctx, func() time.Duration { return time.Minute }, record.Taps{}); err != nil {
		b.Fatal(err)
	}
	const many = 1000
	for i := range many {
		if err := os.CopyFS(filepath.Join(dir, fmt.Sprintf("c%d.conv", i)), os.DirFS(filepath.Join(dir, "x.conv"))); err != nil {
			b.Fatal(err)
		}
	}
	for name, a := range map[string]*Archive{"again": {Dir: dir}, "first": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				one := a
				if one == nil {
					one = &Archive{Dir: dir}
				}
				if all, err := one.List(Filter{}); err != nil || len(all) != many+1 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(many+1)), "ns/recording")
		})
	}
}
