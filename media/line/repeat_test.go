package line

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/media"
	"parley/media/codec"
)

// A line with losses, overtaking, a stall and a pause gives the same frames again from its packets and ticks, long after.
func TestRepeat(t *testing.T) {
	type arrival struct {
		at time.Duration
		p  *media.Packet
	}
	var mu sync.Mutex
	var log []arrival
	note := func(a arrival) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, a)
	}
	var want []media.Frame
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		now := func() time.Duration { return time.Since(start) }
		up, err := NewUp(UpOptions{Rate: media.ListenRate, Codec: media.Opus, Tick: func(at time.Duration) { note(arrival{at: at}) }})
		if err != nil {
			t.Fatal(err)
		}
		var relay media.Relay[media.Packet]
		tap := relay.Tap(500, media.DropNewest)
		go func() {
			defer relay.Close()
			for i, p := range packets(t, 500, 20*ms, codec.EncoderOptions{}) {
				wait := time.Duration(i)*20*ms + time.Duration(i%7)*ms - now()
				switch {
				case i%23 == 5: // lost
					continue
				case i%31 == 9: // overtaken
					wait += 35 * ms
				case i > 200 && i < 230: // a stall
					wait += time.Duration(230-i) * 20 * ms
				case i > 300 && i < 340: // a pause
					continue
				}
				time.Sleep(max(0, wait))
				p.At = now()
				note(arrival{p: &p})
				relay.Send(p)
				synctest.Wait() // the line takes what is there before it looks at the clock again
			}
		}()
		for f := range up.Frames(now, tap)(context.Background()) {
			f.PCM = slices.Clone(f.PCM)
			want = append(want, f)
		}
	})
	up, err := NewUp(UpOptions{Rate: media.ListenRate, Codec: media.Opus})
	if err != nil {
		t.Fatal(err)
	}
	arrivals := iter.Seq2[time.Duration, *media.Packet](func(yield func(time.Duration, *media.Packet) bool) {
		for _, a := range log {
			if !yield(a.at, a.p) {
				return
			}
		}
	})
	n, lost := 0, 0
	for f := range up.Repeat(arrivals) {
		if n >= len(want) {
			t.Fatalf("more than %d frames", n)
		}
		if w := want[n]; f.At != w.At || f.Lost != w.Lost || !slices.Equal(f.PCM, w.PCM) {
			t.Fatalf("frame %d is at %v, was at %v, or sounds otherwise", n, f.At, w.At)
		}
		if f.Lost {
			lost++
		}
		n++
	}
	if n < len(want)-10 || lost == 0 { // those at the end were held when the line was closed
		t.Errorf("%d of %d frames, %d lost", n, len(want), lost)
	}
}
