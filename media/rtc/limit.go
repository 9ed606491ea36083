package rtc

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// bound is what a peer may send of one kind: burst at once, rate a second in the long run.
type bound struct{ rate, burst float64 }

// bounds are those of one kind of traffic: in items, and in bytes.
type bounds struct {
	what  string
	items bound
	bytes bound
}

// What a peer may send. The shortest Opus packet is 2.5 ms, 400 a second; RTCP is kept to a twentieth of the audio. The
// burst is what a sender of 20 ms packets delivers at once after a radio gap of 10 s. Opus has at most 510 kbit/s, 64 KiB
// a second, to which 400 headers add 8; ordinary speech is 5 KiB a second. A page posts a few messages a second, and up
// to inboxDepth of messageLimit may wait.
var (
	packetBounds  = bounds{"packets", bound{420, 500}, bound{96 << 10, 256 << 10}}
	messageBounds = bounds{"messages", bound{50, 200}, bound{64 << 10, inboxDepth * messageLimit}}
)

// patience is how long a peer may go on beyond its bounds: what was held up on its way comes at once, a flood stays.
const patience = 2 * time.Second

// flood bounds what a peer may send. The zero value is ready; safe for concurrent use.
type flood struct {
	dropped atomic.Uint64 // packets and messages beyond the bounds

	mu                sync.Mutex
	packets, messages meter
}

// packet counts an RTP or RTCP packet of n bytes that came at now. take: it is within what is allowed. The error is an
// ErrHostile when the peer has gone on beyond it for so long that the call is to end.
func (f *flood) packet(now time.Duration, n int) (take bool, err error) {
	return f.count(&f.packets, packetBounds, now, n)
}

// message is packet for a message of the data channel.
func (f *flood) message(now time.Duration, n int) (take bool, err error) {
	return f.count(&f.messages, messageBounds, now, n)
}

func (f *flood) count(m *meter, b bounds, now time.Duration, n int) (take bool, err error) {
	f.mu.Lock()
	take, beyond := m.take(now, n, b)
	f.mu.Unlock()
	if take {
		return true, nil
	}
	f.dropped.Add(1)
	if beyond >= patience {
		err = fmt.Errorf("%w: more than %.0f %s or %.0f KiB a second for %v",
			ErrHostile, b.items.rate, b.what, b.bytes.rate/1024, beyond.Round(time.Millisecond))
	}
	return false, err
}

// meter is the two buckets of one kind of traffic, and the spell of being beyond them.
type meter struct {
	items, bytes bucket
	over         bool
	since        time.Duration // of the spell
}

// take counts an item, unless it is beyond the bounds: then it tells for how long the peer has been. A spell is over
// when half of each burst is free again.
func (m *meter) take(now time.Duration, n int, b bounds) (ok bool, beyond time.Duration) {
	m.items.leak(now, b.items)
	m.bytes.leak(now, b.bytes)
	if m.items.used <= b.items.burst/2 && m.bytes.used <= b.bytes.burst/2 {
		m.over = false
	}
	if m.items.used+1 <= b.items.burst && m.bytes.used+float64(n) <= b.bytes.burst {
		m.items.used++
		m.bytes.used += float64(n)
		return true, 0
	}
	if !m.over {
		m.over, m.since = true, now
	}
	return false, now - m.since
}

// bucket fills with what is sent and leaks at the rate that is allowed.
type bucket struct {
	used float64
	at   time.Duration
}

func (k *bucket) leak(now time.Duration, b bound) {
	if now > k.at { // two readers may come with their times in the wrong order
		k.used, k.at = max(0, k.used-(now-k.at).Seconds()*b.rate), now
	}
}
