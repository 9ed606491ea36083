package media_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
)

const rate = 24000

// line is a playout that runs, and what it sent.
type line struct {
	*media.Playout
	mu     sync.Mutex
	frames [][]int16 // nil: silence
}

func (l *line) sent() [][]int16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.frames
}

func newLine(t *testing.T) *line {
	l := &line{}
	l.Playout = media.NewPlayout(rate, func(f media.Frame) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.frames = append(l.frames, append([]int16(nil), f.PCM...))
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	time.Sleep(7 * time.Millisecond) // a test's timers never share a tick's moment
	return l
}

// near fails unless got is within a frame of want.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if d := got - want; d.Abs() > media.FrameDuration {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

// loud tells how many of the frames from the given one on have any sound.
func (l *line) loud(from int) (n int) {
	for _, f := range l.sent()[from:] {
		for _, s := range f {
			if s != 0 {
				n++
				break
			}
		}
	}
	return n
}

// steady is speech of a constant level, in pieces of the given length.
func steady(total, piece time.Duration, wait func()) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		for ; total > 0; total -= piece {
			pcm := make([]int16, int(min(piece, total)*rate/time.Second))
			for i := range pcm {
				pcm[i] = 1000
			}
			if wait != nil {
				wait()
			}
			if !yield(media.Frame{Rate: rate, PCM: pcm}, nil) {
				return
			}
		}
	}
}

func TestPlaySendsAllAndPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		start := time.Now()
		sent, err := l.Play(t.Context(), steady(10*time.Second, 70*time.Millisecond, nil))
		if err != nil || sent != 10*time.Second {
			t.Errorf("sent %v, %v", sent, err)
		}
		near(t, "took", time.Since(start), 10*time.Second)
		time.Sleep(time.Second)
		if l.loud(0) != 500 {
			t.Errorf("%d frames with sound", l.loud(0))
		}
		if s := l.Stats(); s.Frames != 500 || s.Underruns != 0 || s.Skipped != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An interruption is silent within one frame, although ten minutes of speech are there at once and the
// writer is blocked.
func TestInterruptIsSilentWithinAFrame(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("the caller spoke")
			var cut atomic.Int64
			time.AfterFunc(2010*time.Millisecond, func() { cancel(why); cut.Store(int64(len(l.sent()))) })
			wait := func() {}
			if deaf { // a provider that hears of nothing
				wait = func() { time.Sleep(1500 * time.Millisecond) }
			}
			sent, err := l.Play(ctx, steady(10*time.Minute, 10*time.Minute/6, wait))
			if !errors.Is(err, why) {
				t.Errorf("err %v", err)
			}
			want := 2000 * time.Millisecond
			if deaf {
				want = 500 * time.Millisecond
			}
			near(t, "sent", sent, want)
			time.Sleep(time.Second)
			if n := l.loud(int(cut.Load())); n > 1 {
				t.Errorf("%d frames with sound after the cut", n)
			}
		})
	}
}

func TestSecondPlayWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		done := make(chan time.Duration, 2)
		start := time.Now()
		for range 2 {
			go func() {
				_, _ = l.Play(t.Context(), steady(time.Second, 100*time.Millisecond, nil))
				done <- time.Since(start)
			}()
			synctest.Wait()
		}
		near(t, "first ended", <-done, time.Second)
		near(t, "second ended", <-done, 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		go func() { _, _ = l.Play(t.Context(), steady(time.Second, time.Second, nil)) }()
		synctest.Wait()
		if sent, err := l.Play(ctx, steady(time.Second, time.Second, nil)); sent != 0 || err == nil {
			t.Errorf("a canceled wait: %v %v", sent, err)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestHoldAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		l.Hold() // before the Play
		go func() {
			time.Sleep(time.Second)
			if l.loud(0) != 0 {
				t.Error("a held line spoke")
			}
			l.Resume(0)
			time.Sleep(1010 * time.Millisecond)
			n := len(l.sent())
			near(t, "held at", l.Hold(), time.Second)
			time.Sleep(500 * time.Millisecond)
			if got := l.loud(n); got > 1 {
				t.Errorf("%d frames after the hold", got)
			}
			l.Resume(300 * time.Millisecond)
		}()
		start := time.Now()
		sent, err := l.Play(t.Context(), steady(2*time.Second, time.Second, nil))
		if sent != 2*time.Second || err != nil {
			t.Errorf("sent %v, %v", sent, err)
		}
		near(t, "1 s held, 2 s of speech, 0.5 s held, 0.3 s again took", time.Since(start), 3800*time.Millisecond)
	})
}

func TestErrorSpeaksWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		broken := errors.New("broken")
		sent, err := l.Play(t.Context(), func(yield func(media.Frame, error) bool) {
			for f := range steady(time.Second, time.Second, nil) {
				if !yield(f, nil) {
					return
				}
			}
			yield(media.Frame{}, broken)
		})
		if sent != time.Second || !errors.Is(err, broken) {
			t.Errorf("sent %v, %v", sent, err)
		}
		_, err = l.Play(t.Context(), func(yield func(media.Frame, error) bool) {
			yield(media.Frame{Rate: 8000, PCM: make([]int16, 8)}, nil)
		})
		if err == nil {
			t.Error("a wrong rate was accepted")
		}
	})
}

func TestUnderrunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		n := 0
		sent, err := l.Play(t.Context(), steady(time.Second, 500*time.Millisecond, func() {
			if n++; n == 2 {
				time.Sleep(time.Second)
			}
		}))
		if sent != time.Second || err != nil || l.Stats().Underruns != 1 {
			t.Errorf("sent %v, %v, %+v", sent, err, l.Stats())
		}
	})
}

// Every edge that is not in the speech itself is a fade.
func TestEdgesDoNotClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(990*time.Millisecond, func() { l.Hold() })
		time.AfterFunc(1990*time.Millisecond, func() { l.Resume(100 * time.Millisecond) })
		time.AfterFunc(2990*time.Millisecond, cancel)
		_, _ = l.Play(ctx, steady(time.Minute, time.Second, nil))
		time.Sleep(time.Second)
		var prev int16 = 1000 // the speech itself begins at its level
		for i, f := range l.sent()[1:] {
			if f == nil {
				f = make([]int16, 480)
			}
			for _, s := range f {
				if d := int(s) - int(prev); d > 100 || d < -100 {
					t.Fatalf("frame %d: a jump from %d to %d", i, prev, s)
				}
				prev = s
			}
		}
	})
}

// words is speech of 360 ms of sound, at its level at once, and 40 ms of silence, again and again.
func words(total time.Duration) iter.Seq2[media.Frame, error] {
	return func(yield func(media.Frame, error) bool) {
		for at := time.Duration(0); at < total; at += 400 * time.Millisecond {
			pcm := make([]int16, rate*4/10)
			for i := range pcm[:rate*36/100] {
				pcm[i] = int16(1000 - 2000*(i/24%2))
			}
			if !yield(media.Frame{Rate: rate, PCM: pcm}, nil) {
				return
			}
		}
	}
}

// What goes on after a hold begins between two words if there is such a place near the one that was asked for, never earlier than
// the speech itself; it is faded in, and all of the speech counts as sent in the end.
func TestResumeBetweenWords(t *testing.T) {
	for _, c := range []struct{ hold, back, from, to time.Duration }{
		{1707, 250, 1540, 1580}, // from before the gap
		{1907, 300, 1540, 1600}, // from its end
		{1707, 1000, 740, 780},
		{1807, 0, 1780, 1800},  // no rewind: nothing is repeated
		{1407, 30, 1350, 1380}, // no gap was sent within 150 ms: as asked
		{107, 300, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLine(t)
			var mu sync.Mutex
			var all []time.Duration
			l.Watch(func(f media.Frame, sent time.Duration) {
				if len(f.PCM) != rate/50 {
					t.Errorf("a frame of %d samples", len(f.PCM))
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, sent)
			})
			ms := time.Millisecond
			var before int
			time.AfterFunc(c.hold*ms, func() { l.Hold() })
			time.AfterFunc(c.hold*ms+500*ms, func() { before = len(l.sent()); l.Resume(c.back * ms) })
			sent, err := l.Play(t.Context(), words(4*time.Second))
			if sent != 4*time.Second || err != nil {
				t.Errorf("sent %v, %v", sent, err)
			}
			mu.Lock()
			places := slices.Clone(all)
			mu.Unlock()
			again := 1
			for again < len(places) && places[again] > places[again-1] { // the tail that is faded out comes with no new place
				again++
			}
			if again++; c.back == 0 || places[again-1] < places[again-2] {
				again--
			}
			if from := places[again] - media.FrameDuration; from < c.from*ms || from > c.to*ms {
				t.Errorf("held at %v, back %v: it went on at %v", c.hold*ms, c.back*ms, from)
			}
			first := l.sent()[before]
			if len(first) == 0 || first[0] != 0 || first[20] > 250 || first[20] < -250 {
				t.Errorf("held at %v: it went on with a click", c.hold*ms)
			}
		})
	}
}

func TestRunAfterStallDoesNotBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		p := media.NewPlayout(rate, func(f media.Frame) {
			if at = append(at, f.At); len(at) == 10 {
				time.Sleep(time.Second)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_ = p.Run(ctx)
		if n := len(at); n > 62 {
			t.Errorf("%d frames in 2 s with a stall of 1 s", n)
		}
		if s := p.Stats().Skipped; s < 45 || s > 50 {
			t.Errorf("%d frames skipped", s)
		}
	})
}

func BenchmarkPlayoutTick(b *testing.B) {
	for _, c := range []struct {
		name  string
		speak bool
	}{{"silence", false}, {"speech", true}} {
		b.Run(c.name, func(b *testing.B) { media.BenchTick(b, c.speak) })
	}
}
