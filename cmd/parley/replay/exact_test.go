package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (c *ExactCmd) test(t testing.TB) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := c.Run(t.Context(), &out)
	return out.String(), err
}

// edit changes the first of a text in a file of a recording.
func edit(t testing.TB, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("%s: there is no %s", path, old)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestExactVerb(t *testing.T) {
	dir := asking(t)
	out, err := (&ExactCmd{Bundles: []string{"asking"}, Dir: dir, Times: 3, Models: true, VAD: "energy"}).test(t)
	if err != nil || !strings.HasPrefix(out, "asking: equal 3 times, ") || !strings.Contains(out, "voice: ") || !strings.Contains(out, "0 beyond 0.02, 0 missing") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = (&ExactCmd{Bundles: []string{filepath.Join(dir, "asking.conv")}, Times: 2, JSON: true}).test(t)
	var o outcome
	if bad := json.Unmarshal([]byte(out), &o); bad != nil || err != nil || o.Times != 2 || o.Events < 100 || o.Inputs == 0 || len(o.Hash) != 64 || o.Difference != nil || o.Error != "" {
		t.Errorf("%v, %v\n%s", err, bad, out)
	}

	// Two that cannot be run, one of them for what is in it, and one that is fine: the worst counts.
	empty := filepath.Join(dir, "empty.conv")
	if err := os.CopyFS(empty, os.DirFS(filepath.Join(dir, "asking.conv"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, "log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = (&ExactCmd{Bundles: []string{"none", "asking", "empty"}, Dir: dir, Times: 1}).test(t)
	if code(err) != 2 || !strings.Contains(err.Error(), "2 of 3") || strings.Count(out, "could not be run: ") != 2 || strings.Count(out, "equal 1 times") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err = (&ExactCmd{Bundles: []string{"asking"}, Dir: dir, Models: true, VAD: "ears"}).test(t); code(err) != 2 {
		t.Errorf("models that are not known: %v", err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := (&ExactCmd{Bundles: []string{"asking"}, Dir: dir, JSON: true}).Run(t.Context(), full); code(err) != 2 {
		t.Errorf("nowhere to write: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&ExactCmd{Bundles: []string{"asking"}, Dir: dir}).Run(ctx, new(bytes.Buffer)); code(err) != 2 {
		t.Errorf("broken off: %v", err)
	}

	// Another build would have greeted otherwise.
	edit(t, filepath.Join(dir, "asking.conv", "manifest.json"), `"Greeting": "Hello."`, `"Greeting": "Good day."`)
	out, err = (&ExactCmd{Bundles: []string{"asking"}, Dir: dir, Times: 3}).test(t)
	if code(err) != 1 || !strings.Contains(out, "DIFFERENT") || !strings.Contains(out, "Hello.") || !strings.Contains(out, "Good day.") || !strings.Contains(out, "    from 0s #1 ") {
		t.Errorf("%v\n%s", err, out)
	}
}
