package streamtest

import (
	"context"
	"runtime"
	"testing"
)

// Hundred reports the memory of a hundred open streams, with the server's part where that is in this process, as KiB/stream.
// open runs one until ctx ends, and says when it has begun.
func Hundred(b *testing.B, open func(ctx context.Context, begun func())) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		before := memory()
		begun, done := make(chan struct{}, 100), make(chan struct{})
		for range 100 {
			go func() {
				defer func() { done <- struct{}{} }()
				first := true
				open(ctx, func() {
					if first {
						first = false
						begun <- struct{}{}
					}
				})
			}()
		}
		for range 100 {
			select {
			case <-begun:
			case <-done:
				b.Fatal("a stream has ended before it began")
			}
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
