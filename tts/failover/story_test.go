package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
	"parley/tts/cache"
	"parley/tts/tone"
)

const ms = time.Millisecond

// late is a text whose phrases come at times of their own.
func late(phrases []string, before ...time.Duration) media.Source[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			for i, p := range phrases {
				select {
				case <-time.After(before[min(i, len(before)-1)]):
				case <-ctx.Done():
					return
				}
				if !yield(p) {
					return
				}
			}
		}
	}
}

// A voice that waits for its next phrase, or whose consumer holds the loop, is not late; one that does not give sound is.
func TestLimits(t *testing.T) {
	const s = time.Second
	phrases := text(6, 3)
	for _, tt := range []struct {
		name string
		a    *voice
		text media.Source[string]
		hold func(int)
		left bool
		took time.Duration
	}{
		{"the text takes its time", &voice{}, late(phrases, 20*s), nil, false, 40 * s},
		{"it asks ahead, and the text takes its time", &voice{ahead: true}, late(phrases, 20*s), nil, false, 40 * s},
		{"the consumer takes its time", &voice{}, media.Of(phrases...), func(int) { time.Sleep(4 * s) }, false, 48 * s},
		{"its first sound is slow", &voice{late: 2900 * ms}, media.Of(phrases...), nil, false, 5800 * ms},
		{"its first sound is too slow", &voice{late: 3100 * ms}, media.Of(phrases...), nil, true, 3 * s},
		{"of the second phrase", &voice{fault: &fault{frame: 6, wait: time.Hour}}, late(phrases, 20*s), nil, true, 43 * s},
		{"it does not even ask", &voice{deaf: true}, late(phrases, 20*s), nil, true, 43 * s},
		{"it does not end", &voice{words: true, fault: &fault{frame: 99, wait: time.Hour}}, media.Of(phrases...), nil, true, 3 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &voice{words: true}
				began := time.Now()
				h := listen(t.Context(), t, newChain(t, Options{}, tt.a, b), tt.text, tt.hold)
				if once(h.whole()) != "w0 w1 w2 w3 w4 w5" || h.err != nil {
					t.Errorf("heard %q, %v", h.whole(), h.err)
				}
				if left := slices.Contains(h.notes, "A→B") || slices.Contains(h.notes, "A→"); left != tt.left {
					t.Errorf("notes %q", h.notes)
				}
				if took := time.Since(began); (took-tt.took).Abs() > 2*ms || tt.a.open+b.open != 0 {
					t.Errorf("it took %v, %d calls are open", took, tt.a.open+b.open)
				}
			})
		})
	}
}

// A phrase without a sound is no failure: the voice asks for the next one, or ends well.
func TestPhrasesWithoutSound(t *testing.T) {
	for _, phrases := range [][]string{{"…"}, {"*", "w0", "…", "w1"}, {"w0", " "}, {"", "w0"}, {}} {
		synctest.Test(t, func(t *testing.T) {
			h := listen(t.Context(), t, newChain(t, Options{}, &voice{}, &voice{}), late(phrases, 10*time.Second), nil)
			if got, want := h.whole(), strings.Fields(strings.Trim(strings.Join(phrases, " "), "…* ")); strings.Join(strings.Fields(strings.NewReplacer("…", "", "*", "").Replace(strings.Join(want, " "))), " ") != got || h.err != nil {
				t.Errorf("%q: heard %q, %v", phrases, got, h.err)
			}
			if slices.Contains(h.notes, "A→B") {
				t.Errorf("%q: notes %q", phrases, h.notes)
			}
		})
	}
}

// A voice that asks for all its phrases at once has not spoken them.
func TestAVoiceThatAsksAhead(t *testing.T) {
	for _, words := range []bool{true, false} {
		for n := range 18 {
			synctest.Test(t, func(t *testing.T) {
				a, b := &voice{ahead: true, words: words, fault: &fault{frame: n, err: errDown}}, &voice{ahead: true, words: words}
				h := listen(t.Context(), t, newChain(t, Options{}, a, b), media.Of(text(9, 3)...), nil)
				got := h.whole()
				if !words {
					got = once(got)
				}
				if got != "w0 w1 w2 w3 w4 w5 w6 w7 w8" || h.err != nil {
					t.Errorf("at %d: heard %q, %v, the second was given %q", n, h.whole(), h.err, b.heard())
				}
			})
		}
	}
}

// The length of a letter is learned: a voice of another pace loses no word either, and repeats few.
func TestPace(t *testing.T) {
	for _, pace := range []int{60, 80, 130, 180} {
		for n := 12; n < 30; n++ {
			synctest.Test(t, func(t *testing.T) {
				a, b := &voice{slower: pace, fault: &fault{frame: n, err: errDown}}, &voice{}
				_ = listen(t.Context(), t, newChain(t, Options{}, a, b), media.Of(text(18, 3)...), nil)
				said := strings.Fields(strings.ReplaceAll(a.heard(), "|", " "))
				told := int(float64(n) * 800 * 100 / float64(pace) / perRune) // letters
				words := 0
				for words < len(said) && told >= len(said[words])+1 {
					told -= len(said[words]) + 1
					words++
				}
				if words == 18 {
					return // all was said before the fault
				}
				var next int
				if _, err := fmt.Sscanf(b.heard(), "w%d", &next); err != nil || next > words || next < words-2 {
					t.Errorf("pace %d at %d: goes on with %.4q after %d words", pace, n, b.heard(), words)
				}
			})
		}
	}
}

// The next voice has a rate of its own; words and frames go on on one timeline.
func TestAnotherRate(t *testing.T) {
	a, b := &voice{words: true, fault: &fault{frame: 7, err: errDown}}, &voice{words: true, rate: 24000}
	var rates []int
	for x, err := range newChain(t, Options{}, a, b).Speak(t.Context(), media.Of(text(6, 3)...)) {
		if err != nil {
			t.Fatal(err)
		}
		rates = append(rates, x.Rate)
	}
	if rates = slices.Compact(rates); !slices.Equal(rates, []int{8000, 24000}) {
		t.Errorf("rates %v", rates)
	}
	h := listen(t.Context(), t, newChain(t, Options{}, a, b), media.Of(text(6, 3)...), nil)
	var told []string
	for _, w := range h.words {
		told = append(told, w.Text)
	}
	if strings.Join(told, " ") != "w0 w1 w2 w3 w3 w4 w5" { // w3 was cut
		t.Errorf("words %q", told)
	}
}

// A rate that nobody can play is the voice's failure.
func TestImpossibleRate(t *testing.T) {
	odd := tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(yield func(tts.Audio, error) bool) {
			yield(tts.Audio{Frame: media.Frame{At: -time.Second, Rate: 0, PCM: make([]int16, 7)}}, nil)
		}
	})
	if h := listen(t.Context(), t, newChain(t, Options{}, odd, &voice{}), media.Of(text(2, 1)...), nil); h.whole() != "w0 w1" || h.err != nil {
		t.Errorf("heard %q, %v", h.whole(), h.err)
	}
}

func TestAllFail(t *testing.T) {
	a, b := &voice{fault: &fault{err: provider.ErrAuth}}, &voice{words: true, fault: &fault{frame: 4, err: errDown}}
	h := listen(t.Context(), t, newChain(t, Options{}, a, b), media.Of(text(6, 3)...), nil)
	if !errors.Is(h.err, provider.ErrUnavailable) || errors.Is(h.err, provider.ErrAuth) || !strings.HasPrefix(h.err.Error(), "A: not authorized; B: speak") {
		t.Errorf("error %v", h.err)
	}
	if !slices.Equal(h.notes, []string{"A→B", "B→", "B used 8"}) && !slices.Equal(h.notes, []string{"A used 8", "A→B", "B used 8", "B→"}) {
		t.Errorf("notes %q", h.notes)
	}
	h = listen(t.Context(), t, newChain(t, Options{}, b), media.Of(text(6, 3)...), nil)
	if h.err != errDown || slices.Contains(h.notes, "A→") || h.whole() != "w0 w1" {
		t.Errorf("a chain of one: %q, %v, %q", h.whole(), h.err, h.notes)
	}
}

// The caller who leaves is no failure of the voice.
func TestLeavingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &voice{late: time.Second}, &voice{}
		c := newChain(t, Options{}, a, b)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), ms)
			if h := listen(ctx, t, c, media.Of(text(2, 1)...), nil); !errors.Is(h.err, context.DeadlineExceeded) || b.calls > 0 {
				t.Errorf("%v, %q", h.err, h.notes)
			}
			cancel()
		}
		if !c.links.Breakers[0].Closed() {
			t.Error("the breaker is open")
		}
	})
}

// A voice that is down is not asked by every call, and asked again when its probe has come through; what Each put around it
// is not probed.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &voice{fault: &fault{err: errDown}}, &voice{}
		c := newChain(t, Options{}, a, b)
		around := c.Each(func(_ string, v tts.Voice) tts.Voice { return v })
		ctx, cancel := context.WithCancel(t.Context())
		var tending sync.WaitGroup
		tending.Go(func() { around.Tend(ctx) })
		synctest.Wait()
		for range 10 {
			if h := listen(ctx, t, around, media.Of("w0"), nil); h.whole() != "w0" || h.err != nil {
				t.Fatalf("%q, %v", h.whole(), h.err)
			}
		}
		if a.times() != 3 {
			t.Errorf("it was asked %d times while it was down", a.times())
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if a.times() != 4 || c.links.Breakers[0].Closed() {
			t.Errorf("%d calls after the first probe", a.times())
		}
		a.mend(nil)
		time.Sleep(11 * time.Second)
		if h := listen(ctx, t, around, media.Of("w0"), nil); h.whole() != "w0" || a.times() != 6 || !strings.Contains(a.heard(), "Hi.") {
			t.Errorf("%q after %d calls", h.whole(), a.times())
		}
		cancel()
		tending.Wait()
	})
}

// When all breakers are open all are tried, and a cache says what it knows while its voice is down.
func TestACacheInFrontOfADeadVoice(t *testing.T) {
	a := &voice{}
	c := newChain(t, Options{}, a)
	cached := c.Each(func(_ string, v tts.Voice) tts.Voice {
		return cache.New(cache.Options{Voice: v, Texts: []string{"w0 w1"}})
	})
	if h := listen(t.Context(), t, cached, media.Of("w0 w1"), nil); h.whole() != "w0 w1" || !slices.Equal(h.notes, []string{"A used 5"}) {
		t.Errorf("heard %q, %q", h.whole(), h.notes)
	}
	a.mend(&fault{err: errDown})
	c.links.Breakers[0].Failed(provider.ErrAuth)
	if h := listen(t.Context(), t, cached, media.Of("w0 w1"), nil); h.whole() != "w0 w1" || h.err != nil || len(h.notes) > 0 {
		t.Errorf("heard %q, %v, %q", h.whole(), h.err, h.notes)
	}
	if h := listen(t.Context(), t, cached, media.Of("w2"), nil); !isDown(h.err) {
		t.Errorf("heard %q, %v", h.whole(), h.err)
	}
}

func TestHedge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		voices []tts.Voice
		text   media.Source[string]
		took   time.Duration
		notes  []string
	}{
		{"the first is soon", []tts.Voice{&voice{late: 300 * ms}, &voice{}}, nil, 300 * ms, []string{"A used 5"}},
		{"the second is sooner", []tts.Voice{&voice{late: 900 * ms}, &voice{late: 100 * ms}}, nil, 500 * ms, []string{"A lost 5", "B used 5"}},
		{"the first is sooner after all", []tts.Voice{&voice{late: 500 * ms}, &voice{late: 300 * ms}}, nil, 500 * ms, []string{"A used 5", "B lost 5"}},
		{"the first fails", []tts.Voice{&voice{fault: &fault{err: errDown, wait: 100 * ms}}, &voice{late: 100 * ms}}, nil, 200 * ms, []string{"A used 5", "A→B", "B used 5"}},
		{"both fail", []tts.Voice{&voice{fault: &fault{err: errDown, wait: 500 * ms}}, &voice{fault: &fault{err: errDown}}, &voice{}}, nil, 500 * ms,
			[]string{"A used 5", "A→C", "B lost 5", "B→A", "C used 5"}},
		{"the text is late", []tts.Voice{&voice{late: 300 * ms}, &voice{}}, late([]string{"w0 w1"}, 2*time.Second), 2300 * ms, []string{"A used 5"}},
		{"the text is late and the first slow", []tts.Voice{&voice{late: 900 * ms}, &voice{}}, late([]string{"w0 w1"}, 2*time.Second), 2400 * ms, []string{"A lost 5", "B used 5"}},
		{"there is no text", []tts.Voice{&voice{}, &voice{}}, media.Of[string](), 0, nil},
		{"one alone", []tts.Voice{&voice{late: 600 * ms}}, nil, 600 * ms, []string{"A lost 5", "A used 5"}},
		{"nobody sounds", []tts.Voice{&voice{late: time.Hour}, &voice{late: time.Hour}, &voice{}}, nil, 3400 * ms, []string{"A used 5", "A→B", "B lost 5", "B lost 5", "C used 5"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if tt.text == nil {
					tt.text = media.Of("w0 w1")
				}
				h := listen(t.Context(), t, newChain(t, Options{Hedge: 400 * ms}, tt.voices...), tt.text, nil)
				slices.Sort(h.notes)
				want := "w0 w1"
				if tt.name == "there is no text" {
					want = ""
				}
				if h.whole() != want || h.err != nil || time.Since(began) != tt.took || !slices.Equal(h.notes, tt.notes) {
					t.Errorf("%q, %v after %v: %q", h.whole(), h.err, time.Since(began), h.notes)
				}
			})
		})
	}
}

func TestProbe(t *testing.T) {
	good := &voice{}
	if err := Probe(t.Context(), good); err != nil || good.heard() != "Hi." {
		t.Errorf("%v, %q", err, good.heard())
	}
	if err := Probe(t.Context(), &voice{fault: &fault{err: errDown}}); err != errDown {
		t.Error(err)
	}
	if err := Probe(t.Context(), &voice{fault: &fault{}}); !errors.Is(err, provider.ErrTruncated) {
		t.Error(err)
	}
}

func TestWarm(t *testing.T) {
	if err := newChain(t, Options{}, &voice{}).Warm(t.Context()); err != nil {
		t.Error(err)
	}
	if err := newChain(t, Options{}, warm{}).Warm(t.Context()); err != errDown {
		t.Error(err)
	}
}

type warm struct{ tone.Voice }

func (warm) Warm(context.Context) error { return errDown }
