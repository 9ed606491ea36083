package doctor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"

	"parley/cmd/parley/serve"
	"parley/internal/models"
)

func TestTakenPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for network, addr := range map[string]string{"tcp": l.Addr().String(), "udp": c.LocalAddr().String()} {
		if err := listen(network, addr); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s %s, which is taken: %v", network, addr, err)
		}
		if err := listen(network, "127.0.0.1:0"); err != nil {
			t.Errorf("%s, any port: %v", network, err)
		}
		if err := listen(network, "nowhere"); err == nil {
			t.Errorf("%s took an address without a port", network)
		}
	}
}

func TestEcho(t *testing.T) {
	if took, err := echo(t.Context()); err != nil || took <= 0 {
		t.Errorf("%v, %v", took, err)
	}
}

// script is a program that does as it says.
func script(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVersion(t *testing.T) {
	good := script(t, `[ "$1" = --version ] && echo "version 7" >&2 && echo built today`)
	if v, err := version(t.Context(), good); err != nil || v != "version 7" {
		t.Errorf("%q, %v", v, err)
	}
	bad := script(t, "echo libgomp.so.1: cannot open shared object file >&2; exit 127")
	if _, err := version(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "libgomp.so.1") {
		t.Errorf("%v does not say what the program said", err)
	}
	if _, err := version(t.Context(), "no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Error(err)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	there, err1 := freeDisk(dir)
	notYet, err2 := freeDisk(filepath.Join(dir, "a", "b"))
	if err1 != nil || err2 != nil || there <= 0 || notYet <= 0 {
		t.Errorf("%d, %v; for a folder that is not there yet %d, %v", there, err1, notYet, err2)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, make([]byte, 12), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := fileSize(file); n != 12 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := fileSize(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestALibraryThatIsNone(t *testing.T) {
	if _, err := openRuntime(filepath.Join(t.TempDir(), "none.so")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// run is the verb with these flags.
func run(t *testing.T, out io.Writer, args ...string) error {
	t.Helper()
	var cmd Cmd
	k, err := kong.New(&cmd, serve.Vars(), kong.Writers(out, out), kong.BindTo(t.Context(), (*context.Context)(nil)), kong.BindTo(out, (*io.Writer)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
	return cmd.Run(t.Context(), out)
}

func TestVerb(t *testing.T) {
	var out bytes.Buffer
	if err := run(t, &out, "--quick", "--stt", "script", "--llm", "echo", "--tts", "tone", "--vad", "energy", "--listen", "127.0.0.1:0"); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	out.Reset()
	if err := run(t, &out, "--quick", "--models", t.TempDir(), "--listen", "127.0.0.1:0"); !errors.Is(err, ErrUnfit) || !strings.Contains(out.String(), "parley models fetch") {
		t.Errorf("without models: %v\n%s", err, &out)
	}
}

// On a computer that has passed "parley models fetch --llm small" a conversation is possible. It may be a
// slow one: tests share their processors.
func TestThisComputer(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	var out bytes.Buffer
	model := filepath.Join(models.Dir(), filepath.FromSlash(models.SmallFile))
	err := run(t, &out, "--listen", "127.0.0.1:0", "--media", "127.0.0.1:0", "--llm", "local:model="+model)
	t.Logf("\n%s", &out)
	if err != nil {
		t.Error(err)
	}
	for _, c := range append(checks, measures...) {
		name := c.name
		if name != "disk" && !strings.Contains(out.String(), "  "+name) {
			t.Errorf("nothing is said about %q", name)
		}
	}
}
