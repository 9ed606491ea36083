package local

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
	"parley/stt/sttest"
)

// slow is a model that needs a time and then gives the tenths of seconds that it heard.
func slow(d time.Duration) transcriber {
	return func(ctx context.Context, pcm []int16) (string, error) {
		select {
		case <-time.After(d):
			return strconv.Itoa(len(pcm) * 10 / media.ListenRate), nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

var errModel = errors.New("model fails")

func fails(context.Context, []int16) (string, error) { return "", errModel }

func fake(final, partial transcriber) *Recognizer {
	r := newRecognizer(2)
	r.final, r.partial = final, partial
	return r
}

func TestConformance(t *testing.T) {
	sttest.Run(t, sttest.Options{
		New:    func(testing.TB) stt.Recognizer { return fake(slow(2*ms), slow(ms)) },
		Broken: func(testing.TB) stt.Recognizer { return fake(fails, nil) },
	})
}

// live is audio in real time from zero on: v is voice, . is silence, f silence with a flush; 100 ms each.
func live(script string) media.Source[stt.Audio] {
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			began := time.Now()
			for i, c := range script {
				select {
				case <-time.After(time.Until(began.Add(time.Duration(i+1) * 100 * ms))):
				case <-ctx.Done():
					return
				}
				f := media.Frame{At: time.Duration(i) * 100 * ms, Rate: media.ListenRate, PCM: make([]int16, 1600)}
				if !yield(stt.Audio{Frame: f, Voice: c == 'v', Flush: c == 'f'}) {
					return
				}
			}
		}
	}
}

// story runs a call in a bubble and tells its results: when, what kind, start, end and text, times in 100 ms.
func story(t *testing.T, r *Recognizer, script string) (lines []string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		for got, e := range r.Recognize(t.Context(), live(script)) {
			if e != nil {
				err = e
				continue
			}
			n := func(d time.Duration) string { return strconv.FormatFloat(float64(d/ms)/100, 'f', -1, 64) }
			lines = append(lines, n(time.Since(began))+" "+got.Kind.String()+" "+n(got.Start)+"-"+n(got.End)+" "+got.Text)
		}
	})
	return lines, err
}

func TestStories(t *testing.T) {
	for _, tt := range []struct {
		name    string
		final   time.Duration // what a decoding takes
		partial time.Duration // zero: no partials
		script  string
		want    []string
	}{
		{"a flush after speech", 50 * ms, 0, ".vvv.f....",
			[]string{"2 onset 1-2 ", "6.5 final 1-6 5"}},
		{"a second flush repeats the text", 50 * ms, 0, "vvv.f.f..",
			[]string{"1 onset 0-1 ", "5.5 final 0-5 5", "7 final 0-7 5"}},
		{"going on continues the utterance", 50 * ms, 0, "vvv.fvv.f..",
			[]string{"1 onset 0-1 ", "5.5 final 0-5 5", "9.5 final 0-9 9"}},
		{"going on while a final is decoded", 500 * ms, 0, "vvv.fv.f.......",
			[]string{"1 onset 0-1 ", "13 final 0-5 8", "13 final 0-8 8"}},
		{"a second utterance", 50 * ms, 0, "vvf.............vvf.",
			[]string{"1 onset 0-1 ", "3.5 final 0-3 3", "17 onset 16-17 ", "19.5 final 16-19 3"}},
		{"finals keep their order", 2000 * ms, 0, "vvf.............vvff.",
			[]string{"1 onset 0-1 ", "17 onset 16-17 ", "23 final 0-3 3", "43 final 16-19 3", "43 final 16-20 3"}},
		{"the end of the input is a flush", 50 * ms, 0, "vvv.",
			[]string{"1 onset 0-1 ", "4.5 final 0-3 4"}},
		{"partials", 50 * ms, 50 * ms, "vvvvvvvvvvvvvvvvv.f.",
			[]string{"1 onset 0-1 ", "10.5 partial 0-10 10", "15.5 partial 0-15 15", "19.5 final 0-19 19"}},
		{"partials on a slow machine", 50 * ms, 300 * ms, "vvvvvvvvvvvvvvvvvvvvvvvvvv.f.",
			[]string{"1 onset 0-1 ", "13 partial 0-10 10", "22 partial 0-19 19", "28.5 final 0-28 28"}},
		{"a flush stops a partial", 50 * ms, 300 * ms, "vvvvvvvvvvf.",
			[]string{"1 onset 0-1 ", "11.5 final 0-11 11"}},
	} {
		r := fake(slow(tt.final), nil)
		if tt.partial > 0 {
			r.partial = slow(tt.partial)
		}
		if got, err := story(t, r, tt.script); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v\n got %q\nwant %q", tt.name, err, got, tt.want)
		}
	}
}

func TestErrorsHaveAClass(t *testing.T) {
	if _, err := story(t, fake(fails, nil), "vvf...."); !errors.Is(err, provider.ErrUnavailable) || !errors.Is(err, errModel) {
		t.Errorf("a failing model gives %v", err)
	}
	wrong := stt.Audio{Frame: media.Frame{Rate: 8000, PCM: make([]int16, 160)}, Voice: true}
	for _, err := range fake(slow(0), nil).Recognize(t.Context(), media.Of(wrong)) {
		if !errors.Is(err, provider.ErrBadRequest) {
			t.Errorf("audio of 8 kHz gives %v", err)
		}
	}
}

// TestFinalsOfManyCalls: no more decodings run at once than there are processors for, and none is lost.
func TestFinalsOfManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecognizer(2)
		var mu sync.Mutex
		running, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		r.final = func(ctx context.Context, pcm []int16) (string, error) {
			count(1)
			defer count(-1)
			return slow(100*ms)(ctx, pcm)
		}
		done := make(chan int)
		for range 6 {
			go func() {
				n := 0
				for got, err := range r.Recognize(t.Context(), live("vvf")) {
					if err == nil && got.Kind == stt.Final {
						n++
					}
				}
				done <- n
			}()
		}
		for range 6 {
			if n := <-done; n != 1 {
				t.Errorf("a call had %d Finals, want 1", n)
			}
		}
		if most != 2 {
			t.Errorf("%d decodings ran at once, want 2", most)
		}
	})
}

func TestACallThatCannotKeepUpStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		in := func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for i := 0; ctx.Err() == nil; i++ { // an utterance every two seconds, as fast as it is read
					f := media.Frame{At: time.Duration(i) * 2 * time.Second, Rate: media.ListenRate, PCM: make([]int16, 1600)}
					read++
					if !yield(stt.Audio{Frame: f, Voice: true, Flush: true}) {
						return
					}
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for range fake(slow(2*time.Hour), nil).Recognize(ctx, in) {
		}
		if read > mostJobs+2 {
			t.Errorf("%d utterances were read while none could be decoded", read)
		}
	})
}

func BenchmarkHear(b *testing.B) {
	var e ear
	a := stt.Audio{Frame: media.Frame{Rate: media.ListenRate, PCM: make([]int16, 320)}}
	b.ReportAllocs()
	for b.Loop() {
		e.hear(a)
	}
}
