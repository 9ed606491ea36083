package failover

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

// A call goes back to the first recognizer when that is well again, but not while somebody speaks or a Final is owed.
func TestBackToTheFirst(t *testing.T) {
	const said = "_a|" + "_b|" + "_c|" + "______cd" + "efg_h|" + "_i|" + "__" // the breaker is closed when d is said
	frames := line(said)
	for name, tend := range map[string]bool{"probed": true, "nobody probes": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sick := &fault{frame: 30, err: errDown}
				a, b := &ear{fault: sick}, &ear{}
				c := newChain(t, Options{}, a, b)
				c.links.Breakers[0].Failed(errDown)
				c.links.Breakers[0].Failed(errDown) // the third opens it
				ctx, cancel := context.WithCancel(t.Context())
				var tending sync.WaitGroup
				if tend {
					tending.Go(func() { c.Tend(ctx) })
				}
				h := listen(ctx, t, c, paced(frames), func(r stt.Result) {
					if r.Kind == stt.Final {
						a.mu.Lock()
						a.fault = nil
						a.mu.Unlock()
					}
				})
				cancel()
				tending.Wait()
				if h.all() != "1 2 3 4 5 6 7 8 9 10" || h.err != nil {
					t.Errorf("heard %q, %v", h.all(), h.err)
				}
				h.answered(t, frames)
				want := []string{"A→B"}
				if tend {
					want = append(want, "B⇒A")
				}
				if !slices.Equal(h.notes, want) {
					t.Errorf("notes %q", h.notes)
				}
				if tend && (h.audio["A"] < 3*time.Second || h.audio["B"] < 10*time.Second) {
					t.Errorf("A was given %v, B %v", h.audio["A"], h.audio["B"])
				}
			})
		})
	}
}

// One that fails again whenever it is gone back to is left alone for longer each time.
func TestBackLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// its breaker never opens: others have better luck with it
		a := &ear{fault: &fault{frame: 10, err: errDown}}
		c := newChain(t, Options{}, a, &ear{})
		frames := line(strings.Repeat("_", 300))
		stop := make(chan struct{})
		var lucky sync.WaitGroup
		lucky.Go(func() {
			for {
				select {
				case <-time.After(time.Second):
					c.links.Breakers[0].Worked()
				case <-stop:
					return
				}
			}
		})
		h := listen(t.Context(), t, c, paced(frames), nil)
		close(stop)
		lucky.Wait()
		if a.calls != 5 || h.err != nil { // after 0, 10, 30, 70 and 150 s
			t.Errorf("it was called %d times in five minutes, %v", a.calls, h.err)
		}
	})
}

// Who is owed nothing has time: neither the consumer's time nor silence counts, and Partials do not put the end off.
func TestFirst(t *testing.T) {
	const said = "abcdefgh|__"
	for _, tt := range []struct {
		name string
		a    *ear
		hold func(stt.Result)
		left bool
		took time.Duration // until the Final of the Flush, which comes after 0.8 s
	}{
		{"in time", &ear{slow: 1400 * time.Millisecond}, nil, false, 2200 * time.Millisecond},
		{"late", &ear{slow: 1600 * time.Millisecond}, nil, true, 2300 * time.Millisecond},
		{"the consumer holds the loop", &ear{slow: 1400 * time.Millisecond}, func(r stt.Result) {
			if r.Text == "1" {
				time.Sleep(2 * time.Second)
			}
		}, false, 3400 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, took := time.Now(), time.Duration(0)
				h := listen(t.Context(), t, newChain(t, Options{}, tt.a, &ear{}), paced(line(said)), func(r stt.Result) {
					if r.Kind == stt.Final {
						took = time.Since(began)
					}
					if tt.hold != nil {
						tt.hold(r)
					}
				})
				if h.all() != "1 2 3 4 5 6 7 8" || h.err != nil || len(h.finals) != 1 {
					t.Errorf("heard %q, %d Finals, %v", h.all(), len(h.finals), h.err)
				}
				if slices.Contains(h.notes, "A→B") != tt.left || (took-tt.took).Abs() > 100*time.Millisecond {
					t.Errorf("after %v, notes %q", took, h.notes)
				}
			})
		})
	}
}

// A recognizer that talks on and on and never gives the Final is left in time.
func TestPartialsAreNoFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chatty := stt.RecognizerFunc(func(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
			return func(yield func(stt.Result, error) bool) {
				for a := range in(ctx) {
					for a.Flush && ctx.Err() == nil {
						if !rest(ctx, time.Second) || !yield(stt.Result{Kind: stt.Partial, Text: "well", Start: a.At, End: a.At}, nil) {
							break
						}
					}
				}
				if ctx.Err() != nil {
					yield(stt.Result{}, context.Cause(ctx))
				}
			}
		})
		began := time.Now()
		h := listen(t.Context(), t, newChain(t, Options{}, chatty, &ear{}), paced(line("ab|")), nil)
		if h.all() != "1 2" || h.err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("heard %q, %v after %v", h.all(), h.err, time.Since(began))
		}
	})
}

// Who can hear no faster than people speak gets the time to hear it all again.
func TestWhoHearsInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := line("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz|__________|")
		a, b := &ear{fault: &fault{frame: len(frames) - 502, err: errDown}}, &ear{realTime: true}
		h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(frames), nil)
		if len(strings.Fields(h.all())) != 52 || h.err != nil || slices.Contains(h.notes, "B→") || slices.Contains(h.notes, "B→A") {
			t.Errorf("heard %q, %v, %q", h.all(), h.err, h.notes)
		}
		h.answered(t, frames)
	})
}

// But only once: who has answered for what he heard again has no more time than others.
func TestWhoHasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &ear{fault: &fault{frame: 500, err: errDown}}, &ear{fault: &fault{frame: 553, mute: true}} // in the second word
		began, took := time.Now(), time.Duration(0)
		h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(line(strings.Repeat("a", 100)+"|_b|____")), func(r stt.Result) {
			if r.Kind == stt.Final {
				took = time.Since(began)
			}
		})
		if !slices.Equal(h.notes, []string{"A→B", "B→A"}) || took != 12600*time.Millisecond || len(h.finals) != 2 {
			t.Errorf("the second of %d Finals after %v, %q", len(h.finals), took, h.notes)
		}
	})
}

// What nobody has flushed for half a minute is lost to the next one, and what was said after is not. The tape does not grow.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		frames := line(strings.Repeat("abcdefghij", 50) + "|") // 50 s
		a, b := &ear{fault: &fault{frame: len(frames) - 1, err: errDown}, noWords: true}, &ear{}
		c := newChain(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, a, b)
		h := listen(t.Context(), t, c, paced(frames), nil)
		words := strings.Fields(h.all())
		if len(words) < 300 || len(words) > 302 || words[len(words)-1] != "500" || h.err != nil {
			t.Errorf("heard %d words, %v", len(words), h.err)
		}
		h.answered(t, frames)
		if !strings.Contains(log.String(), "frames=") || !strings.Contains(log.String(), "provider failed") {
			t.Errorf("log %q", log.String())
		}
	})
	tp := newTape(time.Second)
	tp.begin(nil, nil)
	for _, a := range line(strings.Repeat("a", 1000)) {
		if !tp.put(t.Context(), a) {
			t.Fatal("no room")
		}
		if _, ok := tp.next(t.Context(), nil); !ok {
			t.Fatal("nothing to read")
		}
		if tp.length > longest || len(tp.ring.slots) > 2048 {
			t.Fatalf("%v in %d slots", tp.length, len(tp.ring.slots))
		}
	}
}

// A Final that nobody asked for lets go of what it tells, not of what was said since.
func TestFinalOfItsOwn(t *testing.T) {
	tp := newTape(time.Second)
	tp.begin(nil, nil)
	for _, a := range line("a_b|") { // b begins at 11.1 s
		if !tp.put(t.Context(), a) {
			t.Fatal("no room")
		}
	}
	for range 56 { // up to the first frame of b
		tp.next(t.Context(), nil)
	}
	if tp.final(10100*time.Millisecond) || tp.ring.at(0).At != 10100*time.Millisecond || tp.voiced != 5 {
		t.Errorf("the first frame is at %v, %d have a voice", tp.ring.at(0).At, tp.voiced)
	}
	if tp.final(time.Hour) || tp.first != tp.read || tp.voiced != 4 {
		t.Errorf("first %d, read %d: what was not heard, or its Flush, is gone", tp.first, tp.read)
	}
	for range 5 {
		tp.next(t.Context(), nil)
	}
	if tp.final(11*time.Second) || !tp.final(11200*time.Millisecond) || tp.ring.n != 0 || tp.length != 0 {
		t.Errorf("%d frames are left", tp.ring.n)
	}
}

// The input waits while the recognizer is behind and the tape is full, and goes on when there is room.
func TestInputWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(time.Second)
		tp.begin(nil, nil)
		put := 0
		ctx, cancel := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			for _, a := range line(strings.Repeat("a", 400)) {
				if !tp.put(ctx, a) {
					return
				}
				put++
			}
		})
		synctest.Wait()
		if put != 1500 {
			t.Errorf("%d frames on a tape that nobody reads", put)
		}
		for i := range 100 {
			a, ok := tp.next(ctx, nil)
			if !ok || a.At != 10*time.Second+time.Duration(i)*frameLong {
				t.Fatalf("frame %d is at %v", i, a.At)
			}
		}
		synctest.Wait()
		if put != 1600 {
			t.Errorf("%d frames after 100 were read", put)
		}
		cancel()
		writer.Wait()
	})
}

// One that does not even read is left, flushed or not.
func TestWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := line(strings.Repeat("_", 40) + "ab|")
		a := &ear{fault: &fault{deaf: true}}
		h := listen(t.Context(), t, newChain(t, Options{}, a, &ear{}), paced(frames), nil)
		if h.all() != "1 2" || h.err != nil || len(h.notes) == 0 || h.notes[0] != "A→B" || h.audio["A"] > frameLong {
			t.Errorf("heard %q, %v, %q, A was given %v", h.all(), h.err, h.notes, h.audio["A"])
		}
		h.answered(t, frames)
	})
}

// Silence that was heard and in which nobody waits is not kept.
func TestSilenceIsNotHeardAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := line(strings.Repeat("_", 60) + "ab|")
		a, b := &ear{fault: &fault{frame: len(frames) - 1, err: errDown}}, &ear{}
		h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(frames), nil)
		if h.all() != "1 2" || h.audio["B"] > 1300*time.Millisecond || h.audio["A"] < time.Minute {
			t.Errorf("heard %q; A was given %v, B %v", h.all(), h.audio["A"], h.audio["B"])
		}
	})
}

func TestAllFail(t *testing.T) {
	for _, tt := range []struct {
		a, b error
		is   error // its class
	}{
		{errDown, provider.ErrAuth, provider.ErrUnavailable},
		{provider.ErrAuth, provider.ErrAuth, provider.ErrAuth},
		{provider.ErrAuth, provider.ErrBadRequest, provider.ErrBadRequest},
		{provider.ErrQuota, provider.ErrAuth, provider.ErrQuota},
		{errors.New("odd"), provider.ErrAuth, nil},
	} {
		c := newChain(t, Options{}, &ear{fault: &fault{err: tt.a}}, &ear{fault: &fault{frame: 3, err: tt.b}})
		h := listen(t.Context(), t, c, media.Of(line("ab|")...), nil)
		if h.err == nil || !strings.Contains(h.err.Error(), "A: "+tt.a.Error()) || !strings.Contains(h.err.Error(), "B: "+tt.b.Error()) {
			t.Errorf("error %v", h.err)
		}
		for _, class := range []error{provider.ErrAuth, provider.ErrBadRequest, provider.ErrQuota, provider.ErrUnavailable, provider.ErrTruncated} {
			if errors.Is(h.err, class) != (class == tt.is) {
				t.Errorf("%v is %v: %v", h.err, class, class != tt.is)
			}
		}
		if !slices.Equal(h.notes, []string{"A→B", "B→"}) {
			t.Errorf("notes %q", h.notes)
		}
	}
	h := listen(t.Context(), t, newChain(t, Options{}, &ear{fault: &fault{err: errDown}}), media.Of(line("ab|")...), nil)
	if h.err != errDown || len(h.notes) != 0 {
		t.Errorf("a chain of one: %v, %q", h.err, h.notes)
	}
}

// After one has worked those that failed before may be asked again.
func TestBothFailByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &ear{fault: &fault{frame: 160, err: errDown}}, &ear{fault: &fault{frame: 160, err: errDown}}
		frames := line(strings.Repeat("ab._c.|_", 5))
		h := listen(t.Context(), t, newChain(t, Options{}, a, b), paced(frames), nil)
		if len(strings.Fields(h.all())) != 15 || h.err != nil || len(h.notes) < 3 {
			t.Errorf("heard %q, %v, %q", h.all(), h.err, h.notes)
		}
		h.answered(t, frames)
	})
}

// One that is down is not asked by every call; when all are, all are asked.
func TestBreakers(t *testing.T) {
	a, b := &ear{}, &ear{}
	c := newChain(t, Options{}, a, b)
	hear := func() heard { return listen(t.Context(), t, c, media.Of(line("ab|")...), nil) }
	c.links.Breakers[0].Failed(provider.ErrAuth)
	if h := hear(); h.all() != "1 2" || a.calls != 0 || b.calls != 1 {
		t.Errorf("heard %q, calls %d and %d", h.all(), a.calls, b.calls)
	}
	c.links.Breakers[1].Failed(provider.ErrAuth)
	if h := hear(); h.all() != "1 2" || a.calls != 1 || b.calls != 1 {
		t.Errorf("heard %q, calls %d and %d", h.all(), a.calls, b.calls)
	}
	if !c.links.Breakers[0].Closed() {
		t.Error("the breaker of one that works is open")
	}
}

func TestUsage(t *testing.T) {
	var got []time.Duration
	ctx := provider.Noting(t.Context(), func(n provider.Note) {
		if n.Stage != "stt" || n.Provider != "A" || n.Used == nil {
			t.Errorf("note %+v", n)
			return
		}
		got = append(got, n.Used.Audio)
	})
	for _, err := range newChain(t, Options{}, &ear{}).Recognize(ctx, media.Of(line(strings.Repeat("_", 125)+"a|")...)) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := []time.Duration{time.Minute, time.Minute, 5100 * time.Millisecond}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func TestProbe(t *testing.T) {
	good := &ear{}
	if err := Probe(t.Context(), good); err != nil || good.given[0] > 15 {
		t.Errorf("%v after %d frames", err, good.given[0])
	}
	if err := Probe(t.Context(), &ear{fault: &fault{err: errDown}}); err != errDown {
		t.Error(err)
	}
	if err := Probe(t.Context(), &ear{fault: &fault{}}); !errors.Is(err, provider.ErrTruncated) {
		t.Error(err)
	}
}

func TestEachAndWarm(t *testing.T) {
	c := newChain(t, Options{}, &ear{fault: &fault{err: errDown}}, &ear{})
	if err := c.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	var names []string
	good := c.Each(func(name string, r stt.Recognizer) stt.Recognizer {
		names = append(names, name)
		return warm{&ear{}}
	})
	if h := listen(t.Context(), t, good, media.Of(line("ab|")...), nil); h.all() != "1 2" || len(h.notes) != 0 || !slices.Equal(names, []string{"A", "B"}) {
		t.Errorf("%q, %q, %q", h.all(), h.notes, names)
	}
	if err := good.Warm(t.Context()); err != errDown {
		t.Error(err)
	}
}

type warm struct{ stt.Recognizer }

func (warm) Warm(context.Context) error { return errDown }
