package media_test

import (
	"context"
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
