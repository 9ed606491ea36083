package vad

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/internal/models"
	"parley/media"
)

func smartTurn(t testing.TB) *SmartTurn {
	t.Helper()
	d, err := NewSmartTurn(model(t, models.SmartTurnFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestSmartTurnTellsWholeFromCut: sentences of one clause, whole and cut at 60 % of their length, each with
// 100 ms of silence.
func TestSmartTurnTellsWholeFromCut(t *testing.T) {
	d := smartTurn(t)
	finished := func(pcm []int16) bool {
		p, err := d.Finished(append(slices.Clone(pcm), make([]int16, media.ListenRate/10)...))
		if err != nil || p < 0 || p > 1 {
			t.Fatalf("probability %v, %v", p, err)
		}
		return p > 0.5
	}
	whole, cut, n := 0, 0, 0
	for i, u := range speech(t, 2200*time.Millisecond, 7*time.Second) {
		words := strings.TrimRight(strings.TrimSpace(u.Text), ".!?")
		if i%2 == 1 || strings.ContainsAny(words, ".,;!?") {
			continue
		}
		if n++; finished(u.PCM) {
			whole++
		}
		if !finished(u.PCM[:len(u.PCM)*6/10]) {
			cut++
		}
	}
	t.Logf("of %d sentences: %d whole ones finished, %d cut ones unfinished", n, whole, cut)
	if n < 30 || whole*100 < 75*n || cut*100 < 65*n {
		t.Error("want 75 % and 65 % of at least 30")
	}
}

func BenchmarkSmartTurn(b *testing.B) {
	d := smartTurn(b)
	pcm := speech(b, 4*time.Second, 7*time.Second)[0].PCM
	b.ReportAllocs()
	before := processor(b)
	for b.Loop() {
		if _, err := d.Finished(pcm); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
}

// processor is the CPU time that the process has taken: on a busy machine it tells more than the clock.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
