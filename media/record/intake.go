package record

import (
	"sync"
	"time"

	"parley/media"
)

// intakePeriod is how often the taps are emptied. A packet wakes nobody: with many calls, to be woken is what would cost most.
const intakePeriod = 50 * time.Millisecond

// intake reads the taps.
type intake struct {
	mu   sync.Mutex // one at a time
	taps Taps
	gaps [RTCPUp + 1]gap
}

func (i *intake) open(t Taps) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.taps = t
}

func (i *intake) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range []*media.Tap[media.Packet]{i.taps.Up, i.taps.Down} {
		if t != nil {
			t.Close()
		}
	}
	if t := i.taps.Controls; t != nil {
		t.Close()
	}
	i.taps = Taps{}
}

// take takes what the taps hold.
func (w *Writer) take() {
	i := &w.intake
	i.mu.Lock()
	defer i.mu.Unlock()
	w.packets(Up, i.taps.Up)
	w.packets(Down, i.taps.Down)
	for t := i.taps.Controls; t != nil; {
		n, c, ok := t.Poll()
		if !ok {
			return
		}
		i.gaps[RTCPUp].before(w, RTCPUp, n, c.At)
		k := RTCPDown
		if c.Up {
			k = RTCPUp
		}
		w.put(&w.media, &Entry{Kind: k, Now: c.At, Seq: n, Raw: c.Raw})
	}
}

func (w *Writer) packets(k Kind, t *media.Tap[media.Packet]) {
	for t != nil {
		n, p, ok := t.Poll()
		if !ok {
			return
		}
		w.intake.gaps[k].before(w, k, n, p.At)
		w.put(&w.media, &Entry{Kind: k, Now: p.At, Seq: n, Packet: p})
	}
}

// gap finds what a tap has lost by the numbers of its items.
type gap struct {
	any  bool
	next uint64
	last time.Duration
}

func (g *gap) before(w *Writer, of Kind, n uint64, now time.Duration) {
	if g.any && n > g.next {
		w.put(&w.media, &Entry{Kind: Gap, Of: of, Now: now, At: g.last, Count: n - g.next, Name: "the recorder did not keep up"})
	}
	g.any, g.next, g.last = true, n+1, now
}
