package dialogs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"parley/agent/replay/rerun"
	"parley/agent/vad"
	"parley/internal/corpus"
	"parley/internal/models"
	"parley/internal/onnx"
	"parley/tts/tone"
)

// shared is a folder that the tests of one run share.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dialogs")
	if err != nil {
		panic(err)
	}
	shared = dir
	code := m.Run()
	if err := errors.Join(os.RemoveAll(dir), goleak.Find()); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

var composed = sync.OnceValues(All)

// dialogs are all of the corpus.
func dialogs(t testing.TB) []Dialog {
	t.Helper()
	all, err := composed()
	if testing.Short() && errors.Is(err, corpus.ErrMissing) {
		t.Skip("needs the speech of Debian packages")
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ears are the detectors: those of a real call, or with -short one of loudness alone.
func ears(t testing.TB) rerun.Engines {
	t.Helper()
	e, err := neural()
	if testing.Short() {
		return rerun.Engines{Voice: tone.Voice{}, Detector: vad.Energy{}}
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var neural = sync.OnceValues(func() (e rerun.Engines, err error) {
	if testing.Short() {
		return e, nil
	}
	at := func(file string) string { return filepath.Join(models.Dir(), file) }
	if err := onnx.Open(at(models.RuntimeFile)); err != nil {
		return e, err
	}
	silero, err := vad.NewSilero(at(models.SileroFile))
	if err != nil {
		return e, err
	}
	smart, err := vad.NewSmartTurn(at(models.SmartTurnFile))
	return rerun.Engines{Voice: tone.Voice{}, Detector: vad.Gate(silero), Finisher: remembered(smart)}, err
})

// held is a conversation that was held once and is shared by the tests.
type held struct {
	Dialog
	got   rerun.Result
	stage rerun.Stage
}

// hold runs a stage in virtual time.
func hold(t *testing.T, s rerun.Stage) (r rerun.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = s.Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", s.ID, err)
		}
	})
	return r
}

var recordings struct {
	sync.Once
	all []held
}

// recorded are all dialogs, held and recorded: by whichever test asks first.
func recorded(t *testing.T) []held {
	t.Helper()
	all, e := dialogs(t), ears(t)
	recordings.Do(func() {
		list := make([]held, len(all))
		if t.Run("record", func(t *testing.T) {
			for i, d := range all {
				t.Run(d.Name, func(t *testing.T) {
					t.Parallel()
					s, err := d.Stage(e)
					if err != nil {
						t.Fatal(err)
					}
					s.Dir = shared
					list[i] = held{d, hold(t, s), s}
				})
			}
		}) {
			recordings.all = list
		}
	})
	if len(recordings.all) != len(all) {
		t.Fatal("not every dialog could be held")
	}
	return recordings.all
}

// remembered is a finisher that is asked the same often: each dialog is held again and again.
func remembered(f vad.Finisher) vad.Finisher {
	return &memory{Finisher: f, known: map[uint64]float32{}}
}

type memory struct {
	vad.Finisher
	mu    sync.Mutex
	known map[uint64]float32 // by the hash of what was heard
}

func (m *memory) Finished(pcm []int16) (float32, error) {
	h := uint64(14695981039346656037) // FNV-1a, a sample at a time
	for _, v := range pcm {
		h = (h ^ uint64(uint16(v))) * 1099511628211
	}
	m.mu.Lock()
	p, ok := m.known[h]
	m.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := m.Finisher.Finished(pcm)
	if err == nil {
		m.mu.Lock()
		m.known[h] = p
		m.mu.Unlock()
	}
	return p, err
}
