package cache

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

	"go.uber.org/goleak"

	"parley/media"
	"parley/tts"
	"parley/tts/tone"
	"parley/tts/ttstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down")

// inside is a voice that hums, and knows what it was given in each call.
type inside struct {
	fail bool

	mu    sync.Mutex
	calls []string
}

func (v *inside) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		v.mu.Lock()
		n := len(v.calls)
		v.calls = append(v.calls, "")
		fail := v.fail
		v.mu.Unlock()
		noted := func(ctx context.Context) iter.Seq[string] {
			return func(yield func(string) bool) {
				for p := range text(ctx) {
					v.mu.Lock()
					v.calls[n] += p + "|"
					v.mu.Unlock()
					if !yield(p) {
						return
					}
				}
			}
		}
		frames := 0
		for a, err := range (tone.Voice{}).Speak(ctx, noted) {
			if frames++; fail && frames == 2 {
				a, err = tts.Audio{}, errDown
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

func (v *inside) said() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.calls)
}

// spoken is the words of a speech with their times, its samples, and the error. It fails t where the timeline is broken.
func spoken(t testing.TB, v tts.Voice, phrases ...string) (words string, pcm []int16, err error) {
	t.Helper()
	for a, e := range v.Speak(t.Context(), media.Of(phrases...)) {
		if err = e; err != nil {
			break
		}
		if at := media.Samples(len(pcm), a.Rate); a.At != at {
			t.Errorf("a frame is at %v, and before it came %v", a.At, at)
		}
		for i, w := range a.Words {
			words += fmt.Sprintf("%s@%d-%d ", w.Text, w.Start.Milliseconds(), w.End.Milliseconds())
			a.Words[i].Text = "changed"
		}
		pcm = append(pcm, a.PCM...)
		clear(a.PCM) // the consumer may
	}
	return words, pcm, err
}

var texts = []string{"Hi, this is Robin. How can I help you?", "Goodbye!"}

func TestTheContractOfAVoice(t *testing.T) {
	for name, o := range map[string]Options{
		"nothing is repeated":     {},
		"all is":                  {Texts: []string{"Good morning, how are you? It is a quarter past nine."}},
		"the second phrase is":    {Texts: []string{"It is a quarter past nine."}},
		"there is no room for it": {Texts: []string{"It is a quarter past nine."}, MostBytes: 1000},
	} {
		o.Voice = tone.Voice{}
		v := New(o)
		t.Run(name, func(t *testing.T) {
			broken := func(testing.TB) tts.Voice { return New(Options{Voice: &inside{fail: true}, Texts: o.Texts}) }
			ttstest.Run(t, ttstest.Options{New: func(testing.TB) tts.Voice { return v }, Broken: broken})
		})
	}
}

// A phrase is made once; whoever hears it later hears the same, with its words in their new places. What is not repeated is
// given in one call.
func TestWhatIsRepeatedIsMadeOnce(t *testing.T) {
	in := &inside{}
	v := New(Options{Voice: in, Texts: texts})
	phrases := []string{"Hi, this", "is Robin.", "One,", "two.", "Goodbye!", "Three.", "How can I", "Four."}
	plain, sound, _ := spoken(t, tone.Voice{}, phrases...)
	_, first, _ := spoken(t, New(Options{Voice: tone.Voice{}, Texts: texts}), phrases...)
	for i := range 3 {
		words, pcm, err := spoken(t, v, phrases...)
		if words != plain || len(pcm) != len(sound) || !slices.Equal(pcm, first) || err != nil {
			t.Errorf("time %d: said %q, %d samples, %v; want %q, %d samples", i, words, len(pcm), err, plain, len(sound))
		}
	}
	want := []string{"Hi, this|", "is Robin.|", "One,|two.|", "Goodbye!|", "Three.|", "How can I|", "Four.|",
		"One,|two.|", "Three.|", "Four.|", "One,|two.|", "Three.|", "Four.|"}
	if got := in.said(); !slices.Equal(got, want) {
		t.Errorf("the voice was given %q\nwant %q", got, want)
	}
}

func TestRepeated(t *testing.T) {
	v := New(Options{Texts: texts})
	for phrase, want := range map[string]bool{
		"Hi, this is Robin. How can I help you?": true, " How  can\nI ": true, "Robin.": true, "help you?": true, "Goodbye!": true, "Robin": true,
		"hi": false, "Rob": false, "elp": false, "good": false, "": false, " ": false, "?": false, "you? Goodbye!": false, "his is": false,
	} {
		if _, ok := v.repeated(phrase); ok != want {
			t.Errorf("%q: %v", phrase, ok)
		}
	}
}

// What was made before speaks when the voice is down, and nothing of a call that failed or was left is kept.
func TestOnlyWholePhrasesAreKept(t *testing.T) {
	in := &inside{fail: true}
	v := New(Options{Voice: in, Texts: texts})
	if _, _, err := spoken(t, v, "How can I help you?"); err != errDown {
		t.Errorf("error %v", err)
	}
	in.fail = false
	for range v.Speak(t.Context(), media.Of("How can I help you?")) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range v.Speak(ctx, media.Of("How can I help you?")) {
		cancel()
	}
	if len(v.kept) != 0 || v.used != 0 {
		t.Fatalf("%d phrases are kept of calls that did not end well", len(v.kept))
	}
	_, whole, err := spoken(t, v, "How can I help you?")
	if err != nil {
		t.Fatal(err)
	}
	in.fail = true
	if _, pcm, err := spoken(t, v, "How can I help you?"); len(pcm) != len(whole) || err != nil {
		t.Errorf("%d samples of %d, error %v", len(pcm), len(whole), err)
	}
	if _, _, err := spoken(t, v, "How can I help you?", "Well, well."); err != errDown {
		t.Errorf("error %v of a phrase that is not known", err)
	}
}

// Silence is not worth keeping: the voice may have had a bad moment.
func TestSilenceIsNotKept(t *testing.T) {
	calls := 0
	v := New(Options{Texts: texts, Voice: tts.VoiceFunc(func(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(func(tts.Audio, error) bool) {
			calls++
			for range text(ctx) {
			}
		}
	})})
	for range 2 {
		if _, pcm, err := spoken(t, v, "Goodbye!"); len(pcm) != 0 || err != nil {
			t.Error(len(pcm), err)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

// A voice that ends before its text has failed, wherever: nothing is lost in silence, and nobody waits for ever.
func TestAVoiceThatEndsTooSoon(t *testing.T) {
	v := New(Options{Voice: tts.VoiceFunc(func(context.Context, media.Source[string]) iter.Seq2[tts.Audio, error] {
		return func(func(tts.Audio, error) bool) {}
	})})
	if _, _, err := spoken(t, v, "One.", "Two."); err == nil {
		t.Error("no error")
	}
}

func TestBound(t *testing.T) {
	in := &inside{}
	long := 2 * len("How can I help you?") * 65 * media.SpeakRate / 1000
	v := New(Options{Voice: in, Texts: texts, MostBytes: long + 100})
	for range 2 {
		for _, p := range []string{"How can I help you?", "Goodbye!"} {
			if _, _, err := spoken(t, v, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := in.said(), []string{"How can I help you?|", "Goodbye!|", "Goodbye!|"}; !slices.Equal(got, want) || v.used != long {
		t.Errorf("the voice was given %q, %d bytes are kept", got, v.used)
	}
}

func TestFill(t *testing.T) {
	in := &inside{}
	v := New(Options{Voice: in, Texts: texts})
	phrases := []string{"Hi, this", "is Robin.", "Not this.", "Goodbye!", "Goodbye!"}
	if err := v.Fill(t.Context(), phrases); err != nil {
		t.Fatal(err)
	}
	if got, want := in.said(), []string{"Hi, this|", "is Robin.|", "Goodbye!|"}; !slices.Equal(got, want) {
		t.Errorf("the voice was given %q", got)
	}
	in.fail = true
	if words, _, err := spoken(t, v, "Goodbye!", "is Robin."); err != nil || strings.Count(words, "@") != 3 {
		t.Errorf("%q, %v", words, err)
	}
	if err := v.Fill(t.Context(), []string{"How can I help you?", "Goodbye!"}); !errors.Is(err, errDown) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errDown)
	in.fail = false
	if err := v.Fill(ctx, []string{"How can I help you?"}); !errors.Is(err, errDown) {
		t.Errorf("error %v under a ctx that has ended", err)
	}
}

// The caller's text is opened once, and no phrase of it is read before it is wanted.
func TestReadsNoSoonerThanWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{Voice: tone.Voice{}, Texts: texts})
		phrases := []string{"One.", "Goodbye!", "Two.", "Three.", "Goodbye!"}
		opened, read := 0, 0
		text := func(context.Context) iter.Seq[string] {
			opened++
			return func(yield func(string) bool) {
				for _, p := range phrases {
					if read++; !yield(p) {
						return
					}
				}
			}
		}
		done := 0
		var long time.Duration
		for a, err := range v.Speak(t.Context(), text) {
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for done < len(phrases) && long >= time.Duration(len(strings.Join(phrases[:done+1], "")))*65*time.Millisecond {
				done++
			}
			if read > done+1 {
				t.Fatalf("%d phrases were read when %d were said", read, done)
			}
			long += a.Duration()
		}
		if opened != 1 || read != 5 {
			t.Errorf("opened %d times, %d phrases read", opened, read)
		}
	})
}

func TestMayBeUsedByMany(t *testing.T) {
	in := &inside{}
	v := New(Options{Voice: in, Texts: texts})
	want, _, _ := spoken(t, tone.Voice{}, "Hi, this", "One.", "Goodbye!")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if words, _, err := spoken(t, v, "Hi, this", "One.", "Goodbye!"); words != want || err != nil {
					t.Errorf("%q, %v", words, err)
				}
			}
		})
	}
	all.Go(func() {
		if err := v.Fill(t.Context(), []string{"Hi, this", "Goodbye!"}); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
}

func TestWarm(t *testing.T) {
	if err := New(Options{Voice: tone.Voice{}}).Warm(t.Context()); err != nil {
		t.Error(err)
	}
	if err := New(Options{Voice: warm{}}).Warm(t.Context()); err != errDown {
		t.Error(err)
	}
}

type warm struct{ tone.Voice }

func (warm) Warm(context.Context) error { return errDown }

// Any text and any phrases: what is spoken is what the voice itself would have spoken.
func FuzzSpeak(f *testing.F) {
	f.Add("Hi, this is Robin.", "Hi,|this is|Well.|Robin.")
	f.Add("日本語です。", "日本|です|。|\xff")
	f.Fuzz(func(t *testing.T, text, phrases string) {
		if len(text)+len(phrases) > 200 {
			return
		}
		v := New(Options{Voice: tone.Voice{}, Texts: []string{text}})
		want, sound, _ := spoken(t, tone.Voice{}, strings.Split(phrases, "|")...)
		for range 2 {
			if words, pcm, err := spoken(t, v, strings.Split(phrases, "|")...); words != want || len(pcm) != len(sound) || err != nil {
				t.Errorf("%q and %d samples, want %q and %d: %v", words, len(pcm), want, len(sound), err)
			}
		}
	})
}

func BenchmarkSpeak(b *testing.B) {
	known := New(Options{Voice: tone.Voice{}, Texts: texts})
	for name, v := range map[string]tts.Voice{"direct": tone.Voice{}, "others": New(Options{Voice: tone.Voice{}}), "memory": known} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			frames := 0
			for range b.N {
				for _, err := range v.Speak(b.Context(), media.Of(texts[0])) {
					if err != nil {
						b.Fatal(err)
					}
					frames++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
		})
	}
}
