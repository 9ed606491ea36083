package rec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"

	"parley/agent/archive"
	"parley/internal/wav"
	"parley/media"
	"parley/media/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// kept records three seconds in which both sides send silence, the caller from the first second on.
func kept(t *testing.T, dir, id string, codec media.Codec) string {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w, err := record.New(dir, record.Manifest{ID: id, Start: begin, Codec: codec, Build: record.Build{Version: "v1"}}, record.Options{Blobs: true})
		if err != nil {
			t.Fatal(err)
		}
		var up, down media.Relay[media.Packet]
		taps := record.Taps{Up: up.Tap(10, media.DropNewest), Down: down.Tap(10, media.DropNewest)}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { err = w.Run(ctx, func() time.Duration { return time.Since(begin) }, taps) })
		for i := range 150 {
			p := media.Packet{At: time.Since(begin), Seq: uint16(i), Time: uint32(i * codec.Clock() / 50), Payload: []byte{0xf8, 0xff, 0xfe}}
			if codec != "" {
				p.Payload = make([]byte, 160)
			}
			down.Send(p)
			if i >= 50 {
				up.Send(p)
			}
			w.Log(uint64(i), p.At, fmt.Appendf(nil, `{"seq":%d}`, i))
			time.Sleep(20 * ms)
		}
		w.Blob(3*time.Second, []byte("a response"))
		cancel()
		run.Wait()
		if err != nil {
			t.Fatal(err)
		}
	})
	return filepath.Join(dir, id+".conv")
}

// parley runs the verb as the command line does.
func parley(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var c Cmd
	var out bytes.Buffer
	parser, err := kong.New(&c, kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(&out, (*io.Writer)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	err = k.Run()
	return out.String(), err
}

func matches(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(`(?m)` + w).MatchString(got) {
			t.Errorf("not printed: %s\nin %s", w, got)
		}
	}
}

// killed makes of a recording one whose server was killed while it wrote.
func killed(t *testing.T, path string) {
	t.Helper()
	for _, name := range []string{"packets", "log"} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(path, name), info.Size()-100); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	path := kept(t, dir, "c1", "")
	kept(t, dir, "c2", media.PCMU)
	killed(t, filepath.Join(dir, "c2.conv"))
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "c3.conv"), 0o700), os.Mkdir(filepath.Join(dir, "other"), 0o700)); err != nil {
		t.Fatal(err)
	}
	out, err := parley(t, "ls", dir)
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out, `^ID +STARTED +LENGTH +SIZE +STATE$`, `^c1 .* 0:03.0 .* closed$`, `^c2 .* 0:0[23].\d .* killed$`, `^c3 .* no recording`)
	if strings.Contains(out, "other") {
		t.Error(out)
	}
	out, err = parley(t, "ls", "--json", dir)
	var first archive.Entry
	if err != nil || json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &first) != nil || first.Length != 3*time.Second {
		t.Errorf("%s %v", out, err)
	}
	for _, name := range [][]string{{"c1", "--dir", dir}, {path}} {
		out, err = parley(t, append([]string{"show"}, name...)...)
		if err != nil {
			t.Fatal(err)
		}
		matches(t, out, `^state +closed$`, `^length +0:03.0$`, `^codec +opus$`, `^caller +100 packets, clock .*, received 0:02.0, not captured 0:01.0$`,
			`^agent +150 packets, .*, received 0:03.0$`, `^log +150 lines, 0 scores, 1 blobs$`)
	}
	out, err = parley(t, "show", "--json", path)
	var s shown
	if err != nil || json.Unmarshal([]byte(out), &s) != nil || s.Manifest.ID != "c1" || s.Report.Up.Packets != 100 {
		t.Errorf("%s %v", out, err)
	}
	out, err = parley(t, "show", "--log", path)
	if n := strings.Count(out, "\n"); err != nil || n != 150 || !strings.HasPrefix(out, `{"seq":0}`) {
		t.Errorf("%d lines, %v", n, err)
	}
}

func TestVerifyAndRecover(t *testing.T) {
	path := kept(t, t.TempDir(), "c1", "")
	out, err := parley(t, "verify", path)
	if err != nil {
		t.Fatal(err)
	}
	matches(t, out, `^c1: closed, 0:03.0, all is well$`)
	killed(t, path)
	out, err = parley(t, "verify", path)
	if !errors.Is(err, errProblems) {
		t.Errorf("of a killed one: %v", err)
	}
	matches(t, out, `^read packets at byte \d+: the file ends within a chunk`, `^read log at byte \d+: it has no end`)
	if out, err = parley(t, "recover", path); err != nil {
		t.Fatal(err)
	}
	matches(t, out, `^c1: recovered, 0:0[23].\d; \d+ bytes`)
	// The content that the lost part of the log named lies there without a name; that is no problem.
	if out, err = parley(t, "verify", "--json", path); err != nil || !strings.Contains(out, `"state":"recovered"`) {
		t.Errorf("%s %v", out, err)
	}
}

func TestPlay(t *testing.T) {
	dir := t.TempDir()
	path := kept(t, dir, "c1", "")
	out, err := parley(t, "play", path)
	whole := filepath.Join(dir, "y.wav")
	if err := os.WriteFile(whole, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, bad := wav.ReadFile(whole, time.Minute); err != nil || bad != nil || a.Rate != 24000 || a.Duration() != 3*time.Second {
		t.Fatalf("%v, %v: %d Hz, %v", err, bad, a.Rate, a.Duration())
	}
	to := filepath.Join(dir, "x.wav")
	out, err = parley(t, "play", "--side", "caller", "--rate", "8000", "--to", to, path)
	if a, bad := wav.ReadFile(to, time.Minute); err != nil || bad != nil || a.Rate != 8000 || a.Duration() != 3*time.Second || out != to+"\n" {
		t.Fatalf("%v, %v: %d Hz, %v, %q", err, bad, a.Rate, a.Duration(), out)
	}
	if _, err := parley(t, "play", "--rate", "44100", "--to", to, path); err == nil {
		t.Error("44,100 Hz")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&PlayCmd{Where: Where{Bundle: path}, Rate: 24000}).Run(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestExport(t *testing.T) {
	for _, codec := range []media.Codec{"", media.G722} {
		path := kept(t, t.TempDir(), "c1", codec)
		to := filepath.Join(t.TempDir(), "a", "b")
		out, err := parley(t, "export", "--out", to, path)
		if err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(to)
		if want := map[media.Codec]int{"": 10, media.G722: 8}[codec]; err != nil || len(files) != want || strings.Count(out, "\n") != want {
			t.Errorf("%v, %v, %s", files, err, out)
		}
		classes, err := os.ReadFile(filepath.Join(to, "user.classes.jsonl"))
		if want := "{\"at\":0,\"duration\":1,\"class\":\"not captured\"}\n{\"at\":1,\"duration\":2,\"class\":\"received\"}\n"; err != nil || string(classes) != want {
			t.Errorf("%s, %v", classes, err)
		}
	}
}

func TestClock(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0:00.0", 61040 * ms: "1:01.0", time.Hour + 2*time.Minute + 3400*ms: "1:02:03.4"} {
		if got := Clock(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
