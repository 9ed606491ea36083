package failover

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/tone"
	"parley/tts/ttstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// until is a voice that fails in each call before its frame of that number.
func until(n int, v tts.Voice) tts.Voice {
	return tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			i := 0
			if n == 0 {
				yield(tts.Audio{}, errDown)
				return
			}
			for a, err := range v.Speak(ctx, text) {
				if i++; !yield(a, err) || err != nil {
					return
				}
				if i == n {
					yield(tts.Audio{}, errDown)
					return
				}
			}
		}
	})
}

func TestTheContractOfAVoice(t *testing.T) {
	for name, c := range map[string]*Chain{
		"one":                    newChain(t, Options{}, tone.Voice{}),
		"the first fails":        newChain(t, Options{}, until(0, tone.Voice{}), tone.Voice{}),
		"the first fails midway": newChain(t, Options{}, until(2, tone.Voice{}), tone.Voice{}),
		"with a hedge":           newChain(t, Options{Hedge: time.Millisecond}, tone.Voice{}, tone.Voice{}),
		"hedged by its own":      newChain(t, Options{Hedge: time.Millisecond}, tone.Voice{}),
	} {
		t.Run(name, func(t *testing.T) {
			ttstest.Run(t, ttstest.Options{New: func(testing.TB) tts.Voice { return c }, Broken: func(t testing.TB) tts.Voice {
				return newChain(t, Options{}, until(1, tone.Voice{}), until(0, tone.Voice{}))
			}})
		})
	}
}

// Wherever the first voice breaks, and however, the second one goes on with the word that was not whole. With the times of
// words no word is said twice; by the estimate none is lost.
func TestTheNextGoesOn(t *testing.T) {
	faults := map[string]fault{
		"it fails": {err: errDown}, "it is cut": {err: provider.ErrTruncated}, "it ends before its text": {},
		"quota": {err: provider.ErrQuota}, "it stalls": {wait: time.Hour},
	}
	const frames = 18 // of 100 ms, when all is well
	want := strings.Join(text(9, 9), " ")
	for name, f := range faults {
		for _, words := range []bool{true, false} {
			for n := range frames + 2 {
				t.Run(fmt.Sprint(name, " at ", n, " words ", words), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := f
						f.frame = n
						a, b := &voice{words: words, fault: &f}, &voice{words: words}
						began := time.Now()
						h := listen(t.Context(), t, newChain(t, Options{}, a, b), media.Of(text(9, 3)...), nil)
						got := h.whole()
						if !words {
							if n := len(strings.Fields(got)); n > 10 {
								t.Errorf("%d words were said of 9", n)
							}
							got = once(got)
						}
						if got != want || h.err != nil {
							t.Errorf("heard %q, %v; the second was given %q", h.whole(), h.err, b.heard())
						}
						well := n >= frames && name == "it ends before its text"
						if left := slices.Contains(h.notes, "A→B") || slices.Contains(h.notes, "A→"); left == well {
							t.Errorf("notes %q", h.notes)
						}
						if took := time.Since(began); took > 3*time.Second || a.open+b.open != 0 {
							t.Errorf("it took %v, %d calls are open", took, a.open+b.open)
						}
					})
				})
			}
		}
	}
}

// once is words without those that were said before, if the next one follows.
func once(words string) string {
	var out []string
	for _, w := range strings.Fields(words) {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}
