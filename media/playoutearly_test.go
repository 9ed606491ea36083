package media_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
)

const ms = time.Millisecond

// sending is a frame and when it was sent, both since the playout began.
type sending struct {
	at, sent time.Duration
	spoken   bool
}

// stretch is a playout that may begin early, and what it sent.
type stretch struct {
	*media.Playout
	begin time.Time // zero of At
	mu    sync.Mutex
	all   []sending
	end   time.Duration // of the last frame with speech
}

// How a stretch begins speech.
const (
	atTicks = iota
	early
	neverFree
)

// newStretch runs a playout in a bubble, whose clock begins on the grid: zero of At is the next point of it.
func newStretch(t *testing.T, how int) *stretch {
	s := &stretch{begin: time.Now().Add(10 * ms)}
	s.Playout = media.NewPlayout(rate, s.take)
	if how != atTicks {
		s.Early(func(at time.Duration) bool { return how == early && at >= s.end })
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

func (s *stretch) take(f media.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sending{at: f.At, sent: s.now(), spoken: len(f.PCM) > 0}
	if k.spoken {
		s.end = f.At + media.FrameDuration
	}
	s.all = append(s.all, k)
}

func (s *stretch) now() time.Duration { return time.Since(s.begin) }

// since are the frames that were sent from a moment on.
func (s *stretch) since(from time.Duration) (all []sending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.all {
		if f.sent >= from {
			all = append(all, f)
		}
	}
	return all
}

// spurt speaks and gives how long its first frame took. The others must be sent at their time, one after the other.
func (s *stretch) spurt(t *testing.T, long time.Duration) time.Duration {
	t.Helper()
	asked := s.now()
	if sent, err := s.Play(t.Context(), steady(long, long, nil)); sent < long || err != nil {
		t.Fatalf("sent %v of %v, %v", sent, long, err)
	}
	synctest.Wait() // the frame that was taken is given
	all := s.since(asked)
	for !all[0].spoken {
		all = all[1:]
	}
	if want := int((long + media.FrameDuration - 1) / media.FrameDuration); len(all) != want {
		t.Fatalf("%d frames for %v", len(all), long)
	}
	first := all[0]
	if late := first.sent - first.at; late < 0 || late > 5*ms || first.at%(10*ms) != 0 {
		t.Fatalf("the first frame, for %v, was sent at %v", first.at, first.sent)
	}
	for i, f := range all {
		if f.at != first.at+time.Duration(i)*media.FrameDuration || i > 0 && f.sent != f.at || !f.spoken {
			t.Fatalf("frame %d, for %v, behind one for %v, was sent at %v", i, f.at, first.at, f.sent)
		}
	}
	return first.sent - asked
}

// Moments at which speech comes: any, and as they are when what came with a batch of packets is answered.
func anyMoment(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(20 * ms))) }
func afterGrid(r *rand.Rand) time.Duration {
	return time.Duration(r.IntN(2))*10*ms + ms + time.Duration(r.Int64N(int64(2*ms)))
}

// Speech that comes to a silent line begins at the nearest point of the grid, and goes on there.
func TestSpeechBeginsEarly(t *testing.T) {
	for _, c := range []struct {
		name             string
		how              int
		moment           func(r *rand.Rand) time.Duration
		least, p50, most time.Duration
	}{
		{"any moment, at a tick", atTicks, anyMoment, 9 * ms, 11 * ms, 20 * ms},
		{"any moment, early", early, anyMoment, 0, ms, 5 * ms},
		{"1 to 3 ms after the grid, at a tick", atTicks, afterGrid, 7 * ms, 18 * ms, 19 * ms},
		{"1 to 3 ms after the grid, early", early, afterGrid, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := rand.New(rand.NewPCG(1, 2)), newStretch(t, c.how)
				var waits []time.Duration
				sum := time.Duration(0)
				for range 1000 {
					from := s.now() + 300*ms
					time.Sleep(from.Truncate(20*ms) + c.moment(r) - s.now())
					wait := s.spurt(t, 3*ms+time.Duration(r.IntN(5))*17*ms)
					waits, sum = append(waits, wait), sum+wait
				}
				slices.Sort(waits)
				p50, p99, most := waits[500], waits[990], waits[999]
				t.Logf("mean %v, p50 %v, p99 %v, at most %v", sum/1000, p50, p99, most)
				if p50 < c.least || p50 > c.p50 || most > c.most {
					t.Error("that is not what it takes")
				}
			})
		})
	}
}

// What a line cannot take early comes at its tick.
func TestNotFreeIsNotEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStretch(t, neverFree)
		time.Sleep(213 * ms)
		if wait := s.spurt(t, 100*ms); wait != 17*ms {
			t.Errorf("%v", wait)
		}
		time.Sleep(time.Second)
		for i, f := range s.since(0) {
			if want := time.Duration(i+1) * media.FrameDuration; f.at != want || f.sent != want {
				t.Fatalf("frame %d, for %v, was sent at %v", i, f.at, f.sent)
			}
		}
	})
}

// A pause in speech ends early too, one that a hold made also: whoever resumes waits for nothing.
func TestGoesOnEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStretch(t, early)
		time.Sleep(10*ms + 201*ms)
		n := 0
		go func() {
			_, _ = s.Play(t.Context(), steady(400*ms, 200*ms, func() { n++; time.Sleep(time.Duration(n) * 303 * ms) }))
		}()
		time.Sleep(1013 * ms) // it came at 504 and 1110
		s.Hold()
		time.Sleep(512 * ms)
		s.Resume(0) // at 1726
		time.Sleep(time.Second)
		var begun []sending
		end := time.Duration(-1)
		for _, f := range s.since(0) {
			if f.spoken {
				if f.at != end {
					begun = append(begun, f)
				}
				end = f.at + media.FrameDuration
			}
		}
		want := []sending{{500 * ms, 504 * ms, true}, {1110 * ms, 1110 * ms, true}, {1730 * ms, 1730 * ms, true}}
		if !slices.Equal(begun, want) {
			t.Errorf("%v", begun)
		}
	})
}

// Speech that is given up before its early moment is not heard.
func TestCutBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStretch(t, early)
		time.Sleep(10*ms + 107*ms)
		ctx, cancel := context.WithTimeout(t.Context(), 2*ms) // at 109; it would begin at 110
		defer cancel()
		if sent, err := s.Play(ctx, steady(time.Second, time.Second, nil)); sent != 0 || err == nil {
			t.Errorf("sent %v, %v", sent, err)
		}
		time.Sleep(time.Second)
		last := time.Duration(-1)
		for _, f := range s.since(0) {
			if f.spoken || f.at <= last {
				t.Errorf("%+v after %v", f, last)
			}
			last = f.at
		}
	})
}
