package failover

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/script"
	"parley/stt/sttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNoLinks(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a chain of nothing was made")
	}
}

// until is a recognizer that fails in each call in place of its result of that number.
func until(n int, r stt.Recognizer) stt.Recognizer {
	return stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
		return func(yield func(stt.Result, error) bool) {
			i := 0
			if n == 0 {
				yield(stt.Result{}, errDown)
				return
			}
			for res, err := range r.Recognize(ctx, in) {
				if i++; i > n && err == nil {
					err, res = errDown, stt.Result{}
				}
				if !yield(res, err) || err != nil {
					return
				}
			}
		}
	})
}

func TestTheContractOfARecognizer(t *testing.T) {
	stub := func() stt.Recognizer { return script.New(script.Options{Lines: []string{"one two three"}}) }
	for name, c := range map[string]*Chain{
		"one":                   newChain(t, Options{}, stub()),
		"the first fails":       newChain(t, Options{}, until(0, stub()), stub()),
		"after its onset":       newChain(t, Options{}, until(1, stub()), stub()),
		"in place of its Final": newChain(t, Options{}, until(2, stub()), stub()),
	} {
		t.Run(name, func(t *testing.T) {
			sttest.Run(t, sttest.Options{New: func(testing.TB) stt.Recognizer { return c }, Broken: func(t testing.TB) stt.Recognizer {
				return newChain(t, Options{}, until(1, stub()), until(0, stub()))
			}})
		})
	}
}

// Wherever the first recognizer breaks, and however, the text is the same, and every Flush has its Final.
func TestTheNextHearsItAgain(t *testing.T) {
	const said = "...abc..|..de.|f..|_._ghi...|."
	const want = "1 2 3 4 5 6 7 8 9"
	frames := line(said)
	for name, f := range map[string]fault{
		"it fails": {err: errDown}, "auth": {err: provider.ErrAuth}, "it ends": {}, "it reads no more": {deaf: true}, "it says no more": {mute: true},
	} {
		for _, shift := range []time.Duration{0, 30 * time.Millisecond} {
			for n := 0; n <= len(frames); n += 3 {
				t.Run(fmt.Sprint(name, " at ", n, " shift ", shift), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := f
						f.frame = n
						a, b := &ear{fault: &f}, &ear{shift: shift}
						began := time.Now()
						h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(frames), nil)
						if h.all() != want || h.err != nil {
							t.Errorf("heard %q, %v", h.all(), h.err)
						}
						h.answered(t, frames)
						if a.open+b.open != 0 || time.Since(began) > 15*time.Second {
							t.Errorf("%d calls are open after %v", a.open+b.open, time.Since(began))
						}
						if h.onsets > 3 {
							t.Errorf("%d onsets", h.onsets)
						}
						if a.given[0] == n && n < len(frames)-5 && !slices.Contains(h.notes, "A→B") {
							t.Errorf("notes %q", h.notes)
						}
					})
				})
			}
		}
	}
}

// quick answers every Flush at once.
func quick(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		for a := range in(own) {
			if a.Flush && !yield(stt.Result{Kind: stt.Final, Start: a.At, End: a.At}, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(stt.Result{}, context.Cause(ctx))
		}
	}
}
