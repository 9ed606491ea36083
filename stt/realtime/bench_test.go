package realtime

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley/media"
	"parley/stt"
)

// BenchmarkOverhead is the time from the frame that fills a chunk to the Partial, from a server that answers every chunk
// at once. It has the network of this computer in it, and the server's half of the work.
func BenchmarkOverhead(b *testing.B) {
	r := recognizer(b, &service{script: func(_ int, p *peer) {
		for m := p.next(); m.Type != ""; m = p.next() {
			switch m.Type {
			case "input_audio_buffer.append":
				p.about(delta, p.name(p.items), "delta", "word ")
			case "input_audio_buffer.commit":
				p.commit()
				p.about(committed, p.name(p.items-1), "", "")
				p.about(completed, p.name(p.items-1), "transcript", "")
			}
		}
	}}, Options{})
	var given atomic.Int64
	heard := make(chan struct{}, 1)
	in := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			f := stt.Audio{Frame: media.Frame{Rate: 16000, PCM: slices.Repeat([]int16{9000}, 640)}, Voice: true}
			for ctx.Err() == nil {
				given.Store(time.Now().UnixNano())
				if !yield(f) {
					return
				}
				select {
				case <-heard:
				case <-time.After(time.Second): // the text was one that had been told
				case <-ctx.Done():
				}
				f.At += chunk
			}
		}
	}
	report(b, func(took func(time.Duration) bool) {
		for res, err := range r.Recognize(b.Context(), in) {
			if err != nil {
				b.Fatal(err)
			}
			if res.Kind != stt.Partial {
				continue
			}
			if !took(time.Duration(time.Now().UnixNano() - given.Load())) {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	})
}

// BenchmarkFlush is the time from a Flush to its Final, from a server that answers at once.
func BenchmarkFlush(b *testing.B) {
	r := recognizer(b, &service{live: true}, Options{})
	turn := turns(1, 3)
	turn = turn[:len(turn)-1]
	next := make(chan struct{}, 1)
	var asked atomic.Int64
	in := func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for at := time.Duration(0); ctx.Err() == nil; {
				for _, f := range turn {
					f.At = at
					at += f.Duration()
					if !yield(f) {
						return
					}
				}
				select {
				case <-time.After(20 * ms): // the server has heard all
				case <-ctx.Done():
					return
				}
				asked.Store(time.Now().UnixNano())
				if !yield(stt.Audio{Frame: media.Frame{At: at, Rate: 16000}, Flush: true}) {
					return
				}
				select {
				case <-next:
				case <-ctx.Done():
				}
			}
		}
	}
	report(b, func(took func(time.Duration) bool) {
		for res, err := range r.Recognize(b.Context(), in) {
			if err != nil {
				b.Fatal(err)
			}
			if res.Kind != stt.Final {
				continue
			}
			if !took(time.Duration(time.Now().UnixNano() - asked.Load())) {
				return
			}
			next <- struct{}{}
		}
	})
}

// report has b.N times measured, after a first that has the connection in it.
func report(b *testing.B, measure func(took func(time.Duration) bool)) {
	b.ReportAllocs()
	var times []time.Duration
	measure(func(d time.Duration) bool {
		if times = append(times, d); len(times) == 1 {
			b.ResetTimer()
		}
		return len(times) <= b.N
	})
	times = times[1:]
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(times[len(times)*99/100])/1e6, "p99-ms")
}

// BenchmarkHundred is the memory of a hundred open streams, server and all.
func BenchmarkHundred(b *testing.B) {
	r := recognizer(b, &service{live: true}, Options{})
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		before := memory()
		open, done := make(chan struct{}), make(chan struct{})
		for range 100 {
			go func() {
				defer func() { done <- struct{}{} }()
				first := true
				for range r.Recognize(ctx, held(speech(0, say(1, 2)), nil)) {
					if first {
						first = false
						open <- struct{}{}
					}
				}
			}()
		}
		for range 100 {
			<-open
		}
		b.ReportMetric(float64(memory()-before)/100/1024, "KiB/stream")
		cancel()
		for range 100 {
			<-done
		}
	}
}

// memory is what is in use.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
