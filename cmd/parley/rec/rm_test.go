package rec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/media/record"
)

func TestRm(t *testing.T) {
	dir := t.TempDir()
	path := kept(t, dir, "c1", "")
	for _, name := range []string{"c9", "../x", dir} {
		if _, err := parley(t, "rm", "--dir", dir, name); err == nil {
			t.Errorf("%s was deleted", name)
		}
	}
	broken := filepath.Join(dir, "c2.conv")
	if err := os.Mkdir(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := parley(t, "rm", broken); !errors.Is(err, record.ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
	w, err := record.New(dir, record.Manifest{ID: "c3"}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, func() time.Duration { return 0 }, record.Taps{}) }()
	for deadline := time.Now().Add(5 * time.Second); w.Status().Bytes == 0 && time.Now().Before(deadline); {
		time.Sleep(ms)
	}
	if _, err := parley(t, "rm", "--dir", dir, "c3"); !errors.Is(err, record.ErrLive) {
		t.Errorf("one that is being written: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	out, err := parley(t, "rm", "--force", "--dir", dir, path, broken, "c3")
	if err != nil || strings.Count(out, ": deleted\n") != 3 {
		t.Errorf("%s %v", out, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
