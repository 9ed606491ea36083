package rec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/media/record"
)

// logged records a conversation of a second whose log has these lines.
func logged(t *testing.T, dir, id string, log ...string) string {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w, err := record.New(dir, record.Manifest{ID: id, Start: begin}, record.Options{Buffer: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var up, down media.Relay[media.Packet]
		taps := record.Taps{Up: up.Tap(1, media.DropNewest), Down: down.Tap(1, media.DropNewest)}
		var run sync.WaitGroup
		run.Go(func() { err = w.Run(ctx, func() time.Duration { return time.Since(begin) }, taps) })
		for i, s := range log {
			if w.Log(uint64(i+1), time.Second, []byte(s)); i%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Second)
		cancel()
		run.Wait()
		if err != nil {
			t.Fatal(err)
		}
	})
	return filepath.Join(dir, id+".conv")
}

// finals are results of a recognizer and, last, a turn of all their words.
func finals(text string, n int) (log []string) {
	for i := range n {
		log = append(log, fmt.Sprintf(`{"kind":"step","step":{"in":{"kind":"final","start":%d,"at":%d,"text":%q}}}`, i, i+9, text))
	}
	return append(log, fmt.Sprintf(`{"kind":"step","step":{"in":{"kind":"final","start":0,"at":9,"text":"x"},"out":[{"kind":"commit","turn":1,"text":%q}]}}`,
		strings.Repeat(text, n)+"x"))
}

// told are turns as a server tells of them.
func told(n int) (log []string) {
	for i := range n {
		log = append(log, fmt.Sprintf(`{"kind":"user","final":true,"turn":%d,"text":"hi"}`, i))
	}
	return log
}

// Whatever a log says, each verb ends soon, without a panic, and obeys no letter of it.
func TestHostileLogs(t *testing.T) {
	const most, least = 1<<63 - 1, -1 << 63
	for name, log := range map[string][]string{
		"deep":          {`{"kind":"user","text":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`},
		"long":          {`{"kind":"user","final":true,"turn":1,"text":"` + strings.Repeat("a ", 500000) + `"}`},
		"repetitive":    finals(strings.Repeat("a ", 10000), 5),
		"crowded":       told(10000),
		"no JSON":       {"{", "\x00\xff", "null", "[]", `""`, `{"kind":7}`, `{"kind":"step"}`, `{"kind":"took"}`},
		"late":          {fmt.Sprintf(`{"kind":"step","step":{"now":%d,"in":{"kind":"final","start":%d,"at":%d,"text":"a b"},"out":[{"kind":"commit","turn":1,"text":"a b"},{"kind":"hold","turn":1,"back":%[1]d}]}}`, most, least, most)},
		"early":         {fmt.Sprintf(`{"kind":"took","took":{"kind":"sounded","reply":1,"long":%d,"words":[{"text":"a","start":%[1]d,"end":%d}]}}`, least, most), `{"kind":"step","step":{"in":{"kind":"tick"}}}`},
		"for terminals": {`{"kind":"user","final":true,"turn":1,"text":"\u001b]0;x\u0007\u001b[2J\u009b\u202e"}`, `{"kind":"end","text":"\u001b[31m"}`},
	} {
		t.Run(name, func(t *testing.T) {
			path, began := logged(t, t.TempDir(), "c1", log...), time.Now()
			for _, verb := range []string{"show", "show --json", "verify", "play", "export --out " + t.TempDir(), "ls --text nothing " + filepath.Dir(path), "recover", "rm"} {
				args := strings.Fields(verb)
				if args[0] != "ls" {
					args = append(args, path)
				}
				out, err := parley(t, args...)
				if err != nil && args[0] != "verify" {
					t.Errorf("%s: %.300v", verb, err)
				}
				if args[0] != "play" && !strings.Contains(verb, "json") && strings.ContainsAny(out, "\x00\x07\x1b\u009b\u202e") {
					t.Errorf("%s obeys: %.300q", verb, out)
				}
			}
			if took := time.Since(began); took > 100*time.Second { // one second, where nothing else runs
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A manifest names no file and colors no terminal.
func TestHostileManifests(t *testing.T) {
	for _, id := range []string{"../x", "/etc/x", "a/b", "", "..", `\u001b[31m`, `a\u0000b`, strings.Repeat("x", 100000)} {
		path := logged(t, t.TempDir(), "c1")
		if err := os.WriteFile(filepath.Join(path, "manifest.json"), fmt.Appendf(nil, `{"schema":1,"id":"%s","build":{"version":"\u001b[2J"}}`, id), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Open("", path)
		if err != nil {
			t.Fatal(err)
		}
		if b.ID != "unnamed" { // rec play writes to ID.wav
			t.Errorf("%q is read as %q", id, b.ID)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		for _, verb := range []string{"show", "verify", "recover"} {
			out, err := parley(t, verb, path)
			if verb == "verify" && (err == nil || !strings.Contains(out, "manifest.json")) {
				t.Errorf("%q: %v: %.300s", id, err, out)
			}
			if text := out + fmt.Sprint(err); strings.ContainsAny(text, "\x00\x1b") || len(text) > 4000 {
				t.Errorf("%s of %.20q: %.300q", verb, id, text)
			}
		}
	}
}

// Links lead nowhere: what lies outside is neither read nor written.
func TestHostileLinks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"packets", "log", "manifest.json", "blobs", "packets.torn", "log.torn"} {
		path := kept(t, t.TempDir(), "c1", "")
		killed(t, path)
		if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(secret, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"show", "verify", "play", "export --out " + t.TempDir(), "recover", "rm --force"} {
			out, err := parley(t, append(strings.Fields(verb), path)...) // it may fail
			if strings.Contains(out+fmt.Sprint(err), "secret\n") {
				t.Errorf("%s shows what %s leads to: %v: %.300s", verb, name, err, out)
			}
		}
		if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
			t.Fatalf("what %s leads to is now %q: %v", name, got, err)
		}
	}
}
