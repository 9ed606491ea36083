package google

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/media"
	"parley/stt"
)

// BenchmarkFlush is from a flush to its Final with a server on the loopback that answers at once.
func BenchmarkFlush(b *testing.B) {
	f := &fake{}
	r := f.client(b, Options{})
	frames := talk().say(1, 3).hush(100 * ms).frames
	next := make(chan struct{})
	var asked time.Time
	in := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			at := 10 * time.Second
			for {
				for _, a := range frames {
					a.At = at
					at += a.Duration()
					if !yield(a) {
						return
					}
				}
				select {
				case <-time.After(20 * ms): // the server has heard all
				case <-ctx.Done():
					return
				}
				asked = time.Now()
				if !yield(stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate}, Flush: true}) {
					return
				}
				select {
				case <-next:
				case <-ctx.Done():
					return
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var times []time.Duration
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			b.Fatal(err)
		}
		if res.Kind != stt.Final {
			continue
		}
		if times = append(times, time.Since(asked)); len(times) > b.N {
			break
		}
		next <- struct{}{}
	}
	times = times[1:]
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkStreams is the memory of a hundred streams under way, the server's part included.
func BenchmarkStreams(b *testing.B) {
	const n = 100
	for b.Loop() {
		f := &fake{}
		r := f.client(b, Options{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		ctx, cancel := context.WithCancel(b.Context())
		var wg, ready sync.WaitGroup
		ready.Add(n)
		for range n {
			wg.Go(func() {
				in := talk().say(1, 10).wait(time.Minute)
				told := sync.OnceFunc(ready.Done)
				for res, err := range r.Recognize(ctx, in.source(0)) {
					if err == nil && res.Text == spoken(1, 10) {
						told()
					}
				}
				told()
			})
		}
		ready.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n/1024, "KiB/stream")
		cancel()
		wg.Wait()
	}
}
