package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/internal/corpus"
	"parley/internal/models"
)

func TestPrepare(t *testing.T) {
	recognizer(t)
	dir := models.Dir()
	to := filepath.Join(t.TempDir(), "models", "made")
	if err := os.MkdirAll(filepath.Join(to, "older"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(t.Context(), filepath.Join(dir, models.RuntimeFile), filepath.Join(dir, models.BaseDir), to); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(to))
	if err != nil || len(left) != 1 {
		t.Errorf("left beside the model: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(to, "older")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was there before is still there: %v", err)
	}
	m, err := loadMoonshine(to, base)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	u := speech(t, 2*time.Second, 4*time.Second)[0]
	text, err := m.transcribe(t.Context(), u.PCM)
	if errs, words := corpus.WER(u.Text, text); err != nil || errs*5 > words {
		t.Errorf("%q, %v for %q", text, err, u.Text)
	}
}

func TestPrepareLeavesNothingWhenItFails(t *testing.T) {
	recognizer(t)
	library := filepath.Join(models.Dir(), models.RuntimeFile)
	parent, empty := t.TempDir(), t.TempDir()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx  context.Context
		from string
		want error
	}{
		"no model": {t.Context(), empty, nil},
		"canceled": {canceled, filepath.Join(models.Dir(), models.BaseDir), context.Canceled},
	} {
		err := Prepare(tt.ctx, library, tt.from, filepath.Join(parent, "made"))
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}
