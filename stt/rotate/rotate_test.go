package rotate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// both runs a test with both kinds of provider, in a time of its own.
func both(t *testing.T, test func(t *testing.T, steady bool)) {
	for name, steady := range map[string]bool{"by utterance": false, "steady": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, steady) }) })
	}
}

var (
	down    = &Failure{Err: fmt.Errorf("%w: it broke", provider.ErrUnavailable), Cut: Passing}
	tooLong = &Failure{Err: fmt.Errorf("%w: too long", provider.ErrUnavailable), Cut: Limit}
	full    = &Failure{Err: fmt.Errorf("%w: no room", provider.ErrQuota), Cut: Busy}
	refused = &Failure{Err: fmt.Errorf("%w: bad", provider.ErrBadRequest), Cut: Fatal}
)

// A stream is replaced before its provider ends it: in a pause, in the middle of speech and in silence.
func TestRotates(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		b := &booth{timed: true, cut: refused, life: func(int) time.Duration { return 12 * time.Second }}
		o := b.options(steady)
		o.Rotate, o.Late = 8*time.Second, 9*time.Second
		in := talk()
		for i := range 4 {
			in.say(10*i+1, 10*i+10).hush(500 * ms) // settled
		}
		in.say(41, 95) // 14 s without a pause
		in.hush(1500*ms).flush().hush(40*time.Second).say(96, 99).hush(500 * ms).flush()
		got := run(t, o, in.source(true))
		if got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 95), spoken(96, 99)}) {
			t.Fatalf("heard %q, error %v", got.finals, got.err)
		}
		if n, most := b.count(); n < 3 || most != 2 {
			t.Errorf("%d streams, %d at once", n, most)
		}
		for _, r := range got.results {
			for _, w := range r.Words {
				if w.End-w.Start != 200*ms {
					t.Errorf("%+v", w)
				}
			}
		}
		last := got.results[len(got.results)-1]
		want := in.frames[len(in.frames)-1].At - 500*ms - 60*ms
		if len(last.Words) != 4 || last.Words[3].End != want {
			t.Errorf("the last word ends at %v, want %v", last.Words, want)
		}
	})
}

// In silence the next stream takes over without a word, and the tape does not grow.
func TestRotatesInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{cut: refused, life: func(int) time.Duration { return 12 * time.Second }}
		o := b.options(true)
		o.Rotate, o.Late = 8*time.Second, 10*time.Second
		got := run(t, o, talk().hush(3*time.Minute).say(1, 3).hush(time.Second).flush().source(true))
		if n, most := b.count(); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 3)}) || n < 15 || most != 2 {
			t.Errorf("heard %q on %d streams, %d at once, error %v", got.finals, n, most, got.err)
		}
	})
}

// The old stream's words count until the next one has its first.
func TestNextIsLate(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		begun := time.Now()
		b := &booth{first: func(n int) time.Time { return begun.Add(time.Duration(n) * 9 * time.Second) }}
		o := b.options(steady)
		o.Rotate, o.Late = 6*time.Second, 20*time.Second
		in := talk()
		for i := range 5 {
			in.say(5*i+1, 5*i+5).hush(400 * ms)
		}
		pause, last := time.Duration(0), begun
		var final string
		for r, err := range Recognize(t.Context(), in.flush().source(true), o, "hear") {
			if err != nil {
				t.Fatal(err)
			}
			if r.Kind == stt.Final {
				final = r.Text
				continue
			}
			pause, last = max(pause, time.Since(last)), time.Now()
		}
		if n, _ := b.count(); n != 2 || final != spoken(1, 25) || pause > time.Second {
			t.Errorf("heard %q on %d streams, no text for %v", final, n, pause)
		}
	})
}

// A stream that breaks off is followed by another, which hears again what is not settled.
func TestBreaks(t *testing.T) {
	for name, cut := range map[string]error{"down": down, "limit": tooLong, "full": full, "over": io.EOF} {
		both(t, func(t *testing.T, steady bool) {
			b := &booth{cut: cut, life: func(n int) time.Duration { return []time.Duration{2500 * ms, 3500 * ms, 0}[min(n, 2)] }}
			in := talk().say(1, 5).hush(400*ms).say(6, 20).hush(400 * ms).flush()
			got := run(t, b.options(steady), in.source(true))
			if n, _ := b.count(); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 20)}) || n != 3 {
				t.Errorf("%s: heard %q on %d streams, error %v", name, got.finals, n, got.err)
			}
		})
	}
}

func TestGivesUp(t *testing.T) {
	tests := []struct {
		name  string
		open  func(n int) error
		cut   error
		n     int
		class error
		least time.Duration
	}{
		{"refused", func(int) error { return refused }, nil, 1, provider.ErrBadRequest, 0},
		{"never reached", func(int) error { return down }, nil, 1, provider.ErrUnavailable, 0},
		{"reached once", func(n int) error { return []error{nil, down}[min(n, 1)] }, down, 4, provider.ErrUnavailable, 700 * ms},
		{"refused in the end", func(n int) error { return []error{nil, refused}[min(n, 1)] }, down, 2, provider.ErrBadRequest, 100 * ms},
		{"no room", nil, full, 4, provider.ErrQuota, 3500 * ms},
		{"seldom passes", nil, &Failure{Err: down.Err, Cut: Once}, 2, provider.ErrUnavailable, 100 * ms},
	}
	for _, tt := range tests {
		both(t, func(t *testing.T, steady bool) {
			b := &booth{open: tt.open, cut: tt.cut, deaf: true}
			if tt.cut != nil {
				b.life = func(int) time.Duration { return 100 * ms }
			}
			o := b.options(steady)
			begun := time.Now()
			got := run(t, o, talk().say(1, 60).hush(time.Second).flush().source(true))
			n, _ := b.count()
			if !errors.Is(got.err, tt.class) || !strings.HasPrefix(got.err.Error(), "hear: ") || time.Since(begun) < tt.least {
				t.Errorf("%s: error %v after %v", tt.name, got.err, time.Since(begun))
			}
			if n != tt.n {
				t.Errorf("%s: %d streams", tt.name, n)
			}
		})
	}
}

// A provider that wants no more of a noise says so by the end of its stream.
func TestNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{cut: io.EOF, deaf: true, life: func(int) time.Duration { return time.Second }}
		got := run(t, b.options(false), talk().say(1, 10).hush(time.Second).flush().source(true))
		if n, _ := b.count(); got.err != nil || !slices.Equal(got.finals, []string{""}) || n > 5 {
			t.Errorf("heard %q on %d streams, error %v", got.finals, n, got.err)
		}
	})
}

// Progress counts: a stream that breaks again and again, but each time later, is opened again each time.
func TestProgress(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		b := &booth{cut: down, life: func(n int) time.Duration {
			if n == 12 {
				return 0
			}
			return time.Duration(n+2) * 300 * ms
		}}
		got := run(t, b.options(steady), talk().say(1, 30).hush(500*ms).flush().source(false))
		if n, _ := b.count(); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 30)}) || n != 13 {
			t.Errorf("heard %q on %d streams, error %v", got.finals, n, got.err)
		}
	})
}

// The provider says when there is room again; no longer than a call may be without a stream is waited for that.
func TestRetryAfter(t *testing.T) {
	for after, within := range map[time.Duration]time.Duration{3 * time.Second: 4 * time.Second, time.Hour: 21 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := &booth{life: func(n int) time.Duration { return []time.Duration{100 * ms, 0}[min(n, 1)] }}
			b.cut = &Failure{Err: &provider.Error{Class: provider.ErrQuota, RetryAfter: after}, Cut: Busy}
			o := b.options(true)
			o.Limits.Absent = 20 * time.Second
			begun := time.Now()
			in := talk().say(1, 3).hush(time.Second).flush()
			got := run(t, o, in.source(false))
			if d := time.Since(begun); d < min(after, 20*time.Second) || d > within+2*time.Second {
				t.Errorf("%v: heard %q after %v, error %v", after, got.finals, d, got.err)
			}
		})
	}
}

// Noise that the detector takes for a voice is no reason to give up, however often it comes; a provider that says
// nothing to as much speech in one go is.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{deaf: true}
		o := b.options(false)
		o.Limits.First, o.Limits.Gap = 3*time.Second, 3*time.Second
		in := talk()
		for range 6 {
			in.say(1, 5).hush(400 * ms).flush().hush(time.Second)
		}
		if got := run(t, o, in.source(true)); got.err != nil || len(got.finals) != 6 {
			t.Errorf("heard %q, error %v", got.finals, got.err)
		}
	})
	both(t, func(t *testing.T, steady bool) {
		b := &booth{deaf: true}
		o := b.options(steady)
		o.Limits.First = 3 * time.Second
		begun := time.Now()
		got := run(t, o, talk().say(1, 60).source(true))
		var late *provider.Timeout
		if d := time.Since(begun); !errors.As(got.err, &late) || late.What != voiceAnswer || d < 3*time.Second || d > 4*time.Second {
			t.Errorf("error %v after %v", got.err, d)
		}
	})
}

// Without pauses nothing is settled: what was heard stands, or its words do if the stream breaks.
func TestNothingSettled(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		b := &booth{timed: steady, cut: down, life: func(n int) time.Duration {
			if steady && n == 0 {
				return 50 * time.Second
			}
			return 0
		}}
		var log bytes.Buffer
		o := b.options(steady)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		got := run(t, o, talk().say(1, 230).hush(time.Second).flush().source(true)) // a minute
		if n, _ := b.count(); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 230)}) || n < 2 {
			t.Errorf("heard %q on %d streams, error %v", got.finals, n, got.err)
		}
		if steady != strings.Contains(log.String(), "not heard again") {
			t.Errorf("log %q", log.String())
		}
	})
}

// A steady call's tape is bounded, whatever the provider says.
func TestTapeIsBounded(t *testing.T) {
	c := newCall(Options{Rate: 1000, Rotate: time.Hour, Late: time.Hour, Steady: &Steady{}}, func(stt.Result, error) bool { return true })
	_, c.out.watch = provider.NewWatch(t.Context(), 0)
	c.live = &stream{wake: make(chan struct{}, 1), since: time.Now()}
	for i := range 400 {
		at := time.Duration(i) * 100 * ms
		c.keep(stt.Audio{Frame: media.Frame{At: at, Rate: 1000, PCM: make([]int16, 100)}, Voice: true})
		c.live.sent.Store(c.tape.end())
		c.reply(t.Context(), c.live, Reply{Open: Part{Text: fmt.Sprint("word", i), End: at + 100*ms}})
		c.turn(t.Context())
	}
	if n := c.tape.end() - c.tape.start(); n > 30000 || n < 28000 || !c.said.torn {
		t.Errorf("holds %d samples, torn %v", n, c.said.torn)
	}
	for range 400 { // nothing is heard anymore
		c.keep(stt.Audio{Frame: media.Frame{At: c.tape.at(c.tape.end()), Rate: 1000, PCM: make([]int16, 100)}, Voice: true})
		c.turn(t.Context())
	}
	if n := c.tape.end() - c.tape.start(); n > 60000 {
		t.Errorf("holds %d samples", n)
	}
}

// Speech that nobody asks for, such as a radio in the room, is told, and does not pile up.
func TestNoFlush(t *testing.T) {
	most, starts, told := 0, map[time.Duration]bool{}, 0
	c := newCall(Options{Rate: 1000, Rotate: 1000 * time.Hour, Late: 1000 * time.Hour, Steady: &Steady{}}, func(r stt.Result, _ error) bool {
		told++
		most = max(most, len(r.Words))
		starts[r.Start] = true
		return true
	})
	_, c.out.watch = provider.NewWatch(t.Context(), 0)
	c.tape.add(0, make([]int16, 1000))
	s := &stream{wake: make(chan struct{}, 1), since: time.Now()}
	c.live = s
	for i := range 3 * wordy / 10 {
		p := Part{Text: "a b c d e f g h i j", Start: time.Duration(i) * time.Second, End: time.Duration(i+1) * time.Second}
		for n, w := range strings.Fields(p.Text) {
			at := p.Start + time.Duration(n)*100*ms
			p.Words = append(p.Words, stt.Word{Text: w, Start: at, End: at + 100*ms})
		}
		c.reply(t.Context(), s, Reply{Settled: p})
		if told != i+1 {
			t.Fatalf("segment %d is not told", i)
		}
	}
	if most != wordy || len(starts) != 3 {
		t.Errorf("%d words in a Result, %d utterances", most, len(starts))
	}
}

// A gap in the input of a call by utterance is silence for the provider, unless it is long: then another stream is begun.
func TestGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{timed: true}
		in := talk().say(1, 2)
		in.at += time.Second
		in.say(3, 4)
		in.at += 10 * time.Second
		in.say(5, 5).hush(400 * ms).flush()
		got := run(t, b.options(false), in.source(true))
		if n, _ := b.count(); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 5)}) || n < 2 {
			t.Fatalf("heard %q on %d streams, error %v", got.finals, n, got.err)
		}
		words := got.results[len(got.results)-1].Words
		if len(words) != 5 || words[2].Start != 11520*ms || words[4].Start != 22040*ms {
			t.Errorf("words %v", words)
		}
	})
}

// Silence is sent where a steady call's input is missing; then the stream is ended, until audio comes.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{}
		o := b.options(true)
		o.Steady.Idle = 5 * time.Second
		in := talk().say(1, 3).hush(400 * ms).flush()
		n := len(in.frames)
		in.at += time.Minute
		in.say(4, 5).hush(400 * ms).flush()
		got := run(t, o, in.source(true))
		streams, most := b.count()
		if got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 3), spoken(4, 5)}) || streams != 2 || most != 1 {
			t.Fatalf("heard %q on %d streams, error %v", got.finals, streams, got.err)
		}
		if s := b.streams[0]; !s.ended || when(s.heard) < 5*time.Second || when(s.heard) > 8*time.Second {
			t.Errorf("%v were sent, ended %v", when(s.heard), s.ended)
		}
		if last := got.results[len(got.results)-1]; last.Start != in.frames[n].At {
			t.Errorf("what came later starts at %v, want %v", last.Start, in.frames[n].At)
		}
	})
}

// Audio that has waited is sent at most so many times as fast as it was spoken.
func TestPace(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		b := &booth{}
		o := b.options(steady)
		o.Pace = 4
		begun := time.Now()
		got := run(t, o, talk().say(1, 20).hush(400*ms).flush().source(false)) // 5.6 s
		if d := time.Since(begun); got.err != nil || !slices.Equal(got.finals, []string{spoken(1, 20)}) || d < 1200*ms || d > 4*time.Second {
			t.Errorf("heard %q in %v, error %v", got.finals, d, got.err)
		}
	})
}

// An input that is faster than it may be sent has to wait: memory is bounded.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &booth{open: func(int) error { time.Sleep(900 * ms); return nil }}
		o := b.options(true)
		o.Pace = 1
		taken := time.Duration(0)
		in := talk().hush(2 * time.Minute)
		src := in.source(false)
		begun := time.Now()
		run(t, o, func(ctx context.Context) iter.Seq[stt.Audio] {
			return func(yield func(stt.Audio) bool) {
				for a := range src(ctx) {
					if ahead := a.At - 10*time.Second - time.Since(begun); ahead > taken {
						taken = ahead
					}
					if !yield(a) {
						return
					}
				}
			}
		})
		if taken > longest+time.Second || taken < longest-time.Second {
			t.Errorf("%v were taken ahead", taken)
		}
	})
}

// Times that cannot be are taken for others.
func TestImpossibleTimes(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		o := (&booth{}).options(steady)
		said, done := make(chan Reply, 3), make(chan struct{}, 1)
		for _, d := range []time.Duration{-time.Hour, 1<<63 - 1, 250 * 365 * 24 * time.Hour} {
			said <- Reply{Settled: Part{Text: "a", Start: d, End: -d, Words: []stt.Word{{Text: "a", Start: -d, End: d}}}, Mark: Ended, At: d}
		}
		o.Open = func(ctx context.Context, _ int) (Link, error) {
			return Link{
				Send:   func([]byte) error { return nil },
				Finish: func() error { close(done); return nil },
				Recv: func() (Reply, error) {
					select {
					case r := <-said:
						return r, nil
					case <-done:
						return Reply{}, io.EOF
					case <-ctx.Done():
						return Reply{}, ctx.Err()
					}
				},
			}, nil
		}
		got := run(t, o, talk().say(1, 3).hush(500*ms).source(true))
		if got.err != nil || !slices.Equal(got.finals, []string{"a a a"}) {
			t.Errorf("heard %q, error %v", got.finals, got.err)
		}
		for _, r := range got.results {
			if r.Start < 9*time.Second || r.End < r.Start {
				t.Errorf("%+v", r)
			}
		}
	})
}

// What ends the caller's ctx is the error, as it is.
func TestCause(t *testing.T) {
	both(t, func(t *testing.T, steady bool) {
		b := &booth{}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		gone := errors.New("hung up")
		var last error
		for _, err := range Recognize(ctx, talk().say(1, 20).source(true), b.options(steady), "hear") {
			last = err
			cancel(gone)
		}
		if last != gone {
			t.Errorf("error %v", last)
		}
	})
}

func TestJudge(t *testing.T) {
	for err, want := range map[error]Cut{io.EOF: Limit, down: Passing, full: Busy, tooLong: Limit, errors.New("x"): Fatal} {
		if got := Judge(err); got != want {
			t.Errorf("%v is judged %v", err, got)
		}
	}
	if err := fmt.Errorf("a: %w", down); Judge(err) != Passing || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("%v is judged %v", err, Judge(err))
	}
}
