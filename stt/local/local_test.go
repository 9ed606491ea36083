package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/corpus"
	"parley/internal/models"
	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recognizer is one on the fetched models, loaded once for all tests that need it.
func recognizer(t testing.TB) *Recognizer {
	t.Helper()
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	r, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var loaded = sync.OnceValues(func() (*Recognizer, error) {
	dir := models.Dir()
	r, err := New(Options{
		Library:  filepath.Join(dir, models.RuntimeFile),
		Base:     filepath.Join(dir, models.BaseInt8Dir),
		Tiny:     filepath.Join(dir, models.TinyDir),
		Partials: true,
	})
	if err != nil {
		return nil, err
	}
	return r, r.Warm(context.Background())
})

// speech is human speech of the given lengths, of at least 1 s.
func speech(t testing.TB, min, max time.Duration) []corpus.Utterance {
	t.Helper()
	all, err := human()
	if err != nil {
		t.Fatal(err)
	}
	var us []corpus.Utterance
	for _, u := range all {
		if d := u.Duration(); d >= min && d <= max {
			us = append(us, u)
		}
	}
	return us
}

var human = sync.OnceValues(func() ([]corpus.Utterance, error) { return corpus.Load(time.Second, 8*time.Second) })

// said is a stream of pcm as a call gives it: 400 ms of silence around it, a Flush 200 ms after it.
func said(pcm []int16) []stt.Audio {
	const frame = 320
	var in []stt.Audio
	add := func(pcm []int16, voice bool) {
		for part := range slices.Chunk(pcm, frame) {
			at := time.Duration(0)
			if n := len(in); n > 0 {
				at = in[n-1].At + in[n-1].Duration()
			}
			in = append(in, stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate, PCM: part}, Voice: voice})
		}
	}
	add(make([]int16, 20*frame), false)
	add(pcm, true)
	add(make([]int16, 10*frame), false)
	in[len(in)-1].Flush = true
	add(make([]int16, 10*frame), false)
	return in
}

// final is the text of the last Final of a call.
func final(ctx context.Context, r stt.Recognizer, in []stt.Audio) (text string, err error) {
	for got, err := range r.Recognize(ctx, media.Of(in...)) {
		if err != nil {
			return "", err
		}
		if got.Kind == stt.Final {
			text = got.Text
		}
	}
	return text, nil
}

func TestConformanceOnSpeech(t *testing.T) {
	r := recognizer(t)
	u := speech(t, 2*time.Second, 4*time.Second)[0]
	sttest.Run(t, sttest.Options{
		New:    func(testing.TB) stt.Recognizer { return r },
		Speech: u.PCM,
		Heard: func(text string) error {
			if errs, words := corpus.WER(u.Text, text); errs*5 > words {
				return fmt.Errorf("%q was heard as %q", u.Text, text)
			}
			return nil
		},
	})
}

func TestWordErrorRate(t *testing.T) {
	const bound = 0.06
	r := recognizer(t)
	errs, words := 0, 0
	for i, u := range speech(t, 1500*time.Millisecond, 8*time.Second) {
		if i > 20 && i%4 != 0 {
			continue
		}
		text, err := final(t.Context(), r, said(u.PCM))
		if err != nil {
			t.Fatal(err)
		}
		e, w := corpus.WER(u.Text, text)
		if errs, words = errs+e, words+w; e > 0 {
			t.Logf("%d of %d words: %q heard as %q", e, w, u.Text, text)
		}
	}
	rate := float64(errs) / float64(words)
	t.Logf("%d of %d words wrong: %.1f %%", errs, words, 100*rate)
	if rate > bound || words < 300 {
		t.Errorf("want ≤ %.0f %% of at least 300", 100*bound)
	}
}

func TestCallsAreApart(t *testing.T) {
	r := recognizer(t)
	us := speech(t, 2*time.Second, 4*time.Second)[:4]
	alone := make([]string, len(us))
	for i, u := range us {
		alone[i], _ = final(t.Context(), r, said(u.PCM))
	}
	var wg sync.WaitGroup
	for i, u := range us {
		wg.Go(func() {
			if text, err := final(t.Context(), r, said(u.PCM)); err != nil || text != alone[i] {
				t.Errorf("%q, %v among others, %q alone", text, err, alone[i])
			}
		})
	}
	wg.Wait()
}

// TestCancelStopsTheModel cancels in the middle of long decodings.
func TestCancelStopsTheModel(t *testing.T) {
	r := recognizer(t)
	var pcm []int16
	for _, u := range speech(t, 3*time.Second, 6*time.Second)[:3] {
		pcm = append(pcm, u.PCM...)
	}
	var late []time.Duration
	for i := range 20 {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("hung up")
		var canceled time.Time
		timer := time.AfterFunc(time.Duration(10+15*i)*time.Millisecond, func() {
			canceled = time.Now()
			cancel(why)
		})
		_, err := r.final(ctx, pcm)
		ended := time.Now()
		if timer.Stop() { // it was done before
			cancel(nil)
			continue
		}
		<-ctx.Done()
		if !errors.Is(err, why) {
			t.Errorf("error %v, want the cause", err)
		}
		late = append(late, ended.Sub(canceled))
	}
	slices.Sort(late)
	if len(late) < 5 {
		t.Fatalf("only %d of 20 were canceled in time", len(late))
	}
	t.Logf("the model stopped after %v (median), %v (longest)", late[len(late)/2], late[len(late)-1])
	if late[len(late)/2] > 50*time.Millisecond || late[len(late)-1] > 500*time.Millisecond {
		t.Error("want 50 ms and 500 ms")
	}
}

func TestSilenceAndScrapsOfSound(t *testing.T) {
	r := recognizer(t)
	for _, n := range []int{1, 160, 320, 1600} {
		if _, err := final(t.Context(), r, said(make([]int16, n))); err != nil {
			t.Errorf("%d samples: %v", n, err)
		}
	}
	noise := corpus.PinkNoise(3*time.Second, -35, 1)
	text, err := final(t.Context(), r, said(noise))
	t.Logf("noise that the detector took for speech: %q", text)
	if err != nil || len(text) > 60 {
		t.Errorf("%q, %v of noise", text, err)
	}
}

func TestPartialsGrowIntoTheFinal(t *testing.T) {
	r := recognizer(t)
	u := speech(t, 5*time.Second, 8*time.Second)[0]
	paced := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for _, a := range said(u.PCM) {
				select {
				case <-time.After(10 * time.Millisecond): // twice as fast as it was spoken
				case <-ctx.Done():
					return
				}
				if !yield(a) {
					return
				}
			}
		}
	}
	var kinds []stt.Kind
	var partial, last string
	for got, err := range r.Recognize(t.Context(), paced) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, got.Kind)
		switch got.Kind {
		case stt.Partial:
			partial = got.Text
		case stt.Final:
			last = got.Text
		}
	}
	if len(kinds) < 3 || kinds[0] != stt.Onset || kinds[1] != stt.Partial || kinds[len(kinds)-1] != stt.Final {
		t.Fatalf("results %v, want an onset, partials and a final", kinds)
	}
	if errs, words := corpus.WER(last, partial); errs*2 > words {
		t.Errorf("the last partial is %q, the final %q", partial, last)
	}
}

func TestNewNeedsWholeModels(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("opened without a model")
	}
	if _, err := New(Options{Base: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of an empty folder: %v", err)
	}
}

// BenchmarkFinal is the time from a Flush to its Final.
func BenchmarkFinal(b *testing.B) {
	r := recognizer(b)
	for _, length := range []time.Duration{1500 * time.Millisecond, 3500 * time.Millisecond, 6500 * time.Millisecond} {
		us := speech(b, length-500*time.Millisecond, length+500*time.Millisecond)
		for _, m := range []struct {
			name string
			f    transcriber
		}{{"base", r.final}, {"tiny", r.partial}} {
			b.Run(fmt.Sprintf("%s/%v", m.name, length), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if _, err := m.f(b.Context(), us[i%len(us)].PCM); err != nil {
						b.Fatal(err)
					}
					i++
				}
			})
		}
	}
}
