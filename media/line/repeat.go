package line

import (
	"iter"
	"time"

	"parley/media"
)

// Repeat is the frames that came of packets, once more: arrivals are the packets in the order in which they were taken, each with
// its At, and between them, with a nil packet, the moments that [UpOptions].Tick told. The same Options give the same frames,
// sample by sample, on the same processor; no clock has a part in it. The last frame is that of the last arrival: what is still
// held then was never given out. An Up repeats once, and does nothing else. A frame's PCM is overwritten when the loop goes on.
func (u *Up) Repeat(arrivals iter.Seq2[time.Duration, *media.Packet]) iter.Seq[media.Frame] {
	return func(yield func(media.Frame) bool) {
		for at, p := range arrivals {
			if p != nil {
				at = p.At
				u.push(*p, 0)
			}
			if !u.pop(at, yield) {
				return
			}
		}
	}
}
