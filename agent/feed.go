package agent

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"parley/media"
	"parley/stt"
)

const (
	feedDepth   = 10 * time.Second       // what a stuck recognizer may fall behind before audio is dropped
	feedPreroll = 300 * time.Millisecond // audio before an onset that belongs to the speech
	feedBatch   = 5                      // frames that the recognizer is woken for; a flush wakes it at once
)

// feed carries the caller's audio to the recognizer. In silence the newest 300 ms wait in it, so that an
// onset can still mark them as voice. One reader; put and flush from any goroutine.
type feed struct {
	wake chan struct{}

	mu      sync.Mutex
	ring    []stt.Audio // slots keep their samples' memory
	head, n int
	held    int           // of the n, the newest that the reader does not see yet
	end     time.Duration // of the newest frame
	asleep  int           // frames since the reader was woken
	dropped uint64
}

func newFeed() *feed { return &feed{wake: make(chan struct{}, 1)} }

// put adds a frame. The oldest is dropped when the recognizer is stuck.
func (f *feed) put(frame media.Frame, voice bool) {
	f.mu.Lock()
	f.add(stt.Audio{Frame: frame, Voice: voice})
	f.end = frame.At + frame.Duration()
	if voice {
		for i := f.n - 1 - f.held; i < f.n; i++ {
			f.at(i).Voice = true
		}
		f.held = 0
	} else if f.held++; frame.Duration() > 0 && time.Duration(f.held)*frame.Duration() > feedPreroll {
		f.held--
	}
	f.asleep++
	wake := f.asleep >= feedBatch
	if wake {
		f.asleep = 0
	}
	f.mu.Unlock()
	if wake {
		f.signal()
	}
}

// flush asks the recognizer for the text of all audio so far.
func (f *feed) flush() {
	f.mu.Lock()
	f.add(stt.Audio{Frame: media.Frame{At: f.end, Rate: media.ListenRate}, Flush: true})
	f.held = 0
	f.mu.Unlock()
	f.signal()
}

func (f *feed) at(i int) *stt.Audio { return &f.ring[(f.head+i)%len(f.ring)] }

func (f *feed) add(a stt.Audio) {
	if f.n == len(f.ring) {
		f.grow()
	}
	slot := f.at(f.n)
	pcm := append(slot.PCM[:0], a.PCM...)
	*slot = a
	slot.PCM = pcm
	f.n++
}

// grow makes room: a longer ring up to the bound, then the loss of the oldest frame.
func (f *feed) grow() {
	if most := int(feedDepth / media.FrameDuration); len(f.ring) >= most {
		f.head, f.n = (f.head+1)%len(f.ring), f.n-1
		f.held = min(f.held, f.n)
		f.dropped++
		return
	}
	ring := make([]stt.Audio, max(32, 2*len(f.ring)))
	for i := range f.n {
		ring[i] = *f.at(i)
	}
	f.ring, f.head = ring, 0
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// next copies the oldest frame into buf.
func (f *feed) next(buf []int16) (stt.Audio, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n-f.held <= 0 {
		return stt.Audio{}, false
	}
	a := *f.at(0)
	a.PCM = append(buf[:0], a.PCM...)
	f.head, f.n = (f.head+1)%len(f.ring), f.n-1
	return a, true
}

// source is the feed as a recognizer reads it. It ends with its context only.
func (f *feed) source(ctx context.Context) iter.Seq[stt.Audio] {
	return func(yield func(stt.Audio) bool) {
		var buf []int16
		for ctx.Err() == nil {
			a, ok := f.next(buf)
			if !ok {
				select {
				case <-f.wake:
				case <-ctx.Done():
				}
				continue
			}
			buf = a.PCM
			if !yield(a) {
				return
			}
		}
	}
}

// recent keeps the last seconds of the caller's audio for the end-of-turn model.
type recent struct {
	mu   sync.Mutex
	pcm  []int16
	end  time.Duration // on the caller's timeline
	most int
}

func (r *recent) put(f media.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = f.At + f.Duration()
	if r.pcm = append(r.pcm, f.PCM...); len(r.pcm) > r.most+r.most/4 {
		r.pcm = r.pcm[:copy(r.pcm, r.pcm[len(r.pcm)-r.most:])]
	}
}

// clear forgets all: a new turn begins.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pcm = r.pcm[:0]
}

// last is that audio, and where it ends on the caller's timeline.
func (r *recent) last() (pcm []int16, end time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pcm[max(0, len(r.pcm)-r.most):]), r.end
}
