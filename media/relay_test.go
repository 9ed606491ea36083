package media_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
)

func collect[T any](ctx context.Context, t *media.Tap[T]) (nums []uint64, items []T) {
	for n, v := range t.All(ctx) {
		nums, items = append(nums, n), append(items, v)
	}
	return nums, items
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: got %v, want %v", what, got, want)
		}
	}
}

func TestRelayDrops(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy media.Policy
		nums   []uint64
	}{
		{"newest", media.DropNewest, []uint64{0, 1, 2}},
		{"oldest", media.DropOldest, []uint64{2, 3, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r media.Relay[int]
			tap := r.Tap(3, c.policy)
			for i := range 5 {
				r.Send(10 + i)
			}
			r.Close()
			nums, items := collect(t.Context(), tap)
			equal(t, "numbers", nums, c.nums)
			for i, v := range items {
				if v != 10+int(nums[i]) {
					t.Errorf("item %d is %d", nums[i], v)
				}
			}
			if tap.Dropped() != 2 {
				t.Errorf("dropped %d, want 2", tap.Dropped())
			}
		})
	}
}

func TestRelayJumpTellsWhereItemsWereLost(t *testing.T) {
	var r media.Relay[string]
	tap := r.Tap(1, media.DropNewest)
	r.Send("a")
	r.Send("lost")
	v, ok, _ := tap.Next()
	if !ok || v != "a" {
		t.Fatalf("got %q", v)
	}
	r.Send("c")
	r.Close()
	nums, items := collect(t.Context(), tap)
	equal(t, "numbers", nums, []uint64{2})
	equal(t, "items", items, []string{"c"})
}

func TestRelayStalledTapCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Relay[int]
		r.Tap(1, media.DropNewest) // never read
		tap := r.Tap(100, media.DropNewest)
		go func() {
			for i := range 50 {
				r.Send(i)
				time.Sleep(20 * time.Millisecond)
			}
			r.Close()
		}()
		start := time.Now()
		_, items := collect(t.Context(), tap)
		if len(items) != 50 || time.Since(start) != time.Second {
			t.Errorf("%d items in %v", len(items), time.Since(start))
		}
	})
}

// A source that was made for its taps stops when the last has left: an output track that is recorded
// while it is played ends with the call.
func TestRelayIdleStopsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Relay[int]
		a, b := r.Tap(1, media.DropOldest), r.Tap(1, media.DropOldest)
		sent, done := 0, make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-r.Idle():
					return
				case <-time.After(time.Second):
					r.Send(sent)
					sent++
				}
			}
		}()
		for n := range a.All(t.Context()) {
			if n == 2 {
				break
			}
		}
		time.Sleep(1500 * time.Millisecond)
		b.Close()
		<-done
		if sent != 4 {
			t.Errorf("the source sent %d items", sent)
		}
	})
}

// An output track that is recorded while it is played stops its source when the call ends: player and recorder leave,
// and so does the one who made it.
func TestRecordedOutputStopsItsSourceWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down media.Relay[media.Frame]
		call, hangUp := context.WithCancel(t.Context())
		played, recorded := down.Tap(8, media.DropOldest), down.Tap(1500, media.DropNewest)
		out := media.NewPlayout(8000, func(f media.Frame) { down.Send(f) })
		source := make(chan error, 1)
		go func() { source <- out.Run(untilIdle(t, &down)) }()
		heard, kept := 0, 0
		var readers sync.WaitGroup
		readers.Go(func() {
			for range played.All(call) {
				heard++
			}
		})
		readers.Go(func() {
			for range recorded.All(call) {
				kept++
			}
		})
		time.AfterFunc(3*time.Second, hangUp)
		readers.Wait()
		if err := <-source; err == nil {
			t.Error("the source ended without a reason")
		}
		if heard < 149 || kept != heard {
			t.Errorf("%d frames played, %d recorded", heard, kept)
		}
	})
}

// untilIdle is a context that ends when nobody listens to r any more.
func untilIdle[T any](t *testing.T, r *media.Relay[T]) context.Context {
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-r.Idle()
		cancel(errors.New("nobody listens"))
	}()
	return ctx
}

// The last tap of a generated source stops it, not the first that leaves.
func TestLastTapStopsAGeneratedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Relay[media.Frame]
		out := media.NewPlayout(8000, func(f media.Frame) { r.Send(f) })
		first, last := r.Tap(4, media.DropOldest), r.Tap(4, media.DropOldest)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = out.Run(untilIdle(t, &r))
		}()
		time.Sleep(time.Second)
		first.Close()
		time.Sleep(time.Second)
		select {
		case <-ended:
			t.Fatal("it stopped while somebody listened")
		default:
		}
		last.Close()
		<-ended
	})
}

// A stalled tap costs the call nothing and knows what it missed: how much, and where.
func TestStalledTapKnowsWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Relay[int]
		stalled, live := r.Tap(10, media.DropOldest), r.Tap(10, media.DropOldest)
		go func() {
			for i := range 500 {
				r.Send(i)
				time.Sleep(20 * time.Millisecond)
			}
			r.Close()
		}()
		var next uint64
		for n, v := range stalled.All(t.Context()) {
			if n != uint64(v) {
				t.Fatalf("item %d has number %d", v, n)
			}
			if missed := n - next; missed > 0 && missed != stalled.Dropped() {
				t.Errorf("the numbers say %d were missed, the counter %d", missed, stalled.Dropped())
			}
			if next = n + 1; n == 3 {
				time.Sleep(5*time.Second + 10*time.Millisecond) // the reader stalls
			}
			for _, ok, _ := live.Next(); ok; _, ok, _ = live.Next() {
			}
		}
		if next != 500 || stalled.Dropped() < 200 {
			t.Errorf("ended at %d, missed %d", next, stalled.Dropped())
		}
	})
}

func TestRelayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r media.Relay[int]
		ctx, cancel := context.WithCancel(t.Context())
		tap := r.Tap(1, media.DropNewest)
		time.AfterFunc(time.Second, cancel)
		if nums, _ := collect(ctx, tap); len(nums) != 0 {
			t.Error("items from nowhere")
		}
		late := r.Tap(1, media.DropNewest)
		time.AfterFunc(time.Second, late.Close)
		if nums, _ := collect(t.Context(), late); len(nums) != 0 {
			t.Error("items from nowhere")
		}
		r.Close()
		r.Close()
		r.Send(1)
		if nums, _ := collect(t.Context(), r.Tap(1, media.DropNewest)); len(nums) != 0 {
			t.Error("a closed relay sends")
		}
		<-r.Idle()
	})
}

func BenchmarkRelaySend(b *testing.B) {
	var r media.Relay[media.Packet]
	for range 3 {
		r.Tap(64, media.DropOldest)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Send(media.Packet{})
	}
}
