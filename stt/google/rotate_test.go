package google

import (
	"slices"
	"sync"
	"testing"
	"time"

	"parley/stt"
)

// TestRotation is a stream of 12 s where Google's 305 s are 3.05 s, in its own time: no word is lost, none
// doubled, and no pause between partial texts is longer than the pauses of a stream that is not replaced.
func TestRotation(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for version, late := range []error{longV1, longV2} {
		for _, perText := range []int{3, 9, 1000} { // often settled, seldom, only in a pause
			f := &fake{perText: perText, plans: func(int) plan { return plan{life: 3050 * ms, late: late} }}
			r := f.client(t, Options{Version: version + 1, Rotate: 2400 * ms, Words: true})
			wg.Go(func() {
				pauses, final, err := paused(t, r)
				most, worst := pauses[len(pauses)*9/10], pauses[len(pauses)-1]
				if err != nil || final.Text != spoken(1, 58) || most > 500*ms || worst > 3*time.Second {
					t.Errorf("error %v, no text for %v and often for %v, heard %q", err, worst, most, final.Text)
				}
				if perText < 6 { // else what Google did not settle in half of Rotate stands without times
					checkWords(t, final)
				}
				t.Logf("v%d, %d words a text: %d streams, longest pause %v", version+1, perText, f.count(), worst)
			})
		}
	}
	wg.Wait()
}

// paused is how long no text came, from the shortest on, and the Final.
func paused(t *testing.T, r *Recognizer) (pauses []time.Duration, final stt.Result, err error) {
	in, last := talk().say(1, 30).hush(200*ms).say(31, 58).hush(200*ms).flush(), time.Now()
	for res, err := range r.Recognize(t.Context(), in.source(1)) {
		if err != nil {
			return append(pauses, 0), final, err
		}
		if res.Kind == stt.Partial || res.Kind == stt.Final {
			pauses = append(pauses, time.Since(last))
			last = time.Now()
		}
		if res.Kind == stt.Final {
			final = res
		}
	}
	slices.Sort(pauses)
	return pauses, final, nil
}

// checkWords holds each word's time against where it was said.
func checkWords(t *testing.T, r stt.Result) {
	t.Helper()
	for i, w := range r.Words {
		if (w.End-w.Start-wordLength).Abs() > 20*ms || i > 0 && w.Start < r.Words[i-1].End-20*ms {
			t.Errorf("word %q from %v to %v", w.Text, w.Start, w.End)
		}
	}
	if len(r.Words) != 58 {
		t.Errorf("%d words have times", len(r.Words))
	} else if first := r.Words[0].Start; (first - 10*time.Second).Abs() > 20*ms {
		t.Errorf("the first word starts at %v", first)
	}
}

// TestRotationFails has the next stream refused at first: the old one goes on meanwhile.
func TestRotationFails(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{perText: 3, plans: only(plan{life: 3050 * ms, late: longV1}, plan{refuse: down})}
		r := f.client(t, Options{Version: version, Rotate: 2 * time.Second})
		expect(t, r, talk().say(1, 15).hush(200*ms).flush().source(1), spoken(1, 15))
		if n := f.count(); n != 3 {
			t.Errorf("%d streams", n)
		}
	})
}

// TestMutedInMidWord has the input stop in the middle of a word: the provider is not asked for ever.
func TestMutedInMidWord(t *testing.T) {
	both(t, func(t *testing.T, version int) {
		f := &fake{plans: func(int) plan { return plan{idle: 100 * ms, late: []error{quietV1, quietV2}[version-1]} }}
		in := talk().say(1, 3)
		in.frames = in.frames[:len(in.frames)-4]
		in.wait(time.Second).hush(100 * ms).flush()
		out, err := all(t, f.client(t, Options{Version: version}), in.source(4))
		if got := finals(out); err != nil || !slices.Equal(got, []string{spoken(1, 2)}) || f.count() > 4 {
			t.Errorf("heard %q with %d streams, error %v", got, f.count(), err)
		}
	})
}
