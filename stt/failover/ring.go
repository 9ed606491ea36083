package failover

import "parley/stt"

// ring is a queue of frames whose slots keep their samples' memory.
type ring struct {
	slots   []stt.Audio
	head, n int
}

func (r *ring) at(i int) *stt.Audio { return &r.slots[(r.head+i)%len(r.slots)] }

// push adds a copy of a frame.
func (r *ring) push(a stt.Audio) {
	if r.n == len(r.slots) {
		slots := make([]stt.Audio, max(32, 2*r.n))
		for i := range r.n {
			slots[i] = *r.at(i)
		}
		r.slots, r.head = slots, 0
	}
	slot := r.at(r.n)
	pcm := append(slot.PCM[:0], a.PCM...)
	*slot = a
	slot.PCM = pcm
	r.n++
}

// drop lets go of the first frame.
func (r *ring) drop() { r.head, r.n = (r.head+1)%len(r.slots), r.n-1 }
