package rtc

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"parley/media"
)

// BenchmarkListener is what a packet costs that is relayed to one listener: tap, numbers, encryption, socket. The
// listener's own side does not count: it has left the network without a goodbye.
func BenchmarkListener(b *testing.B) {
	e, err := Listen(Options{Addr: "127.0.0.1:0", Loopback: true, Timeouts: Timeouts{Vanish: 10 * time.Minute}})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	in, _ := pair(b, e, e)
	l := listenTo(b, b.Context(), e, in.Call)
	if err := l.pc.SCTP().Transport().ICETransport().Stop(); err != nil {
		b.Fatal(err)
	}
	p := media.Packet{PT: in.Audio().PT, Payload: make([]byte, 80)}
	before, _ := l.Stats()
	b.ReportAllocs()
	for b.Loop() {
		p.Seq++
		p.Time += 960
		in.up.Send(p)
		for before++; l.sent.Load() < before; {
			runtime.Gosched()
		}
	}
	l.Listener.Close()
}

// TestListenerAllocations: relaying a packet to a listener allocates nothing.
func TestListenerAllocations(t *testing.T) {
	l, from, out, network := wired()
	close(network.open)
	tap := from.up.Tap(listenDepth, media.DropOldest)
	var relay sync.WaitGroup
	relay.Go(func() { l.relay(t.Context(), tap, out) })
	p := media.Packet{PT: from.Audio().PT, Payload: make([]byte, 80)}
	var want uint64
	n := allocations(func() {
		p.Seq++
		from.up.Send(p)
		for want++; l.sent.Load() < want; {
			runtime.Gosched()
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations", n)
	}
	from.up.Close()
	relay.Wait()
}
