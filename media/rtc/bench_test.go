package rtc

import (
	"runtime"
	"testing"

	"parley/media"
)

// BenchmarkSend is one packet through a whole call over loopback, both sides in this process: encryption,
// two sockets, decryption, relay.
func BenchmarkSend(b *testing.B) {
	e, err := Listen(Options{Addr: "127.0.0.1:0", Loopback: true})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	in, out := pair(b, e, e)
	heard := in.Up().Tap(64, media.DropOldest)
	payload := make([]byte, 80)
	b.ReportAllocs()
	b.ResetTimer()
	seq := uint16(0)
	for b.Loop() {
		seq++
		if seq%100 == 0 {
			in.flood.forget() // a benchmark is a flood
		}
		out.Send(media.Packet{Seq: seq, Time: uint32(seq) * 960, Payload: payload})
		<-heard.Ready()
	}
}

// TestFootprint tells what an idle connected call costs, caller and server together.
func TestFootprint(t *testing.T) {
	const calls = 20
	e := endpoint(t, Options{Addr: "127.0.0.1:0"})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for range calls {
		pair(t, e, e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perCall := float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse) / calls / 1024
	n := float64(runtime.NumGoroutine()-goroutines) / calls
	t.Logf("both sides of a call: %.0f KiB, %.1f goroutines", perCall, n)
	if perCall > 2048 || n > 80 {
		t.Errorf("both sides of a call: %.0f KiB, %.1f goroutines", perCall, n)
	}
}
