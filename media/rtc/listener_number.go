package rtc

import "parley/media"

const (
	// firstNumber is far from where sequence numbers wrap: a receiver that misses the wrap decrypts nothing.
	firstNumber = 1000
	// maxJump is the largest step of sequence numbers within a stream (RFC 3550, A.1, has 3000 and 100).
	maxJump = 1000
)

// renumber makes one stream with one SSRC of packets whose source may change. Within a source, the numbers and
// timestamps keep their distances, so that what was lost, late or silent is seen as that; a new one goes on where the
// one before it ended.
type renumber struct {
	clock int // of the timestamps

	begun bool
	last  media.Packet // the newest of the source
	seq   uint16       // what is added to the source's
	time  uint32
}

// skip leaves out a packet without a gap.
func (r *renumber) skip() { r.seq-- }

// step gives p its numbers.
func (r *renumber) step(p *media.Packet) {
	ahead, later := int16(p.Seq-r.last.Seq), int32(p.Time-r.last.Time)
	switch {
	case !r.begun:
		r.begun, r.seq, ahead = true, firstNumber-p.Seq, 1
	case p.SSRC != r.last.SSRC || ahead > maxJump || ahead < -maxJump || int64(ahead)*int64(later) < 0:
		passed := max(p.At-r.last.At, media.FrameDuration)
		r.seq += r.last.Seq + 1 - p.Seq
		r.time += r.last.Time + uint32(passed.Milliseconds()*int64(r.clock)/1000) - p.Time
		ahead = 1
	}
	if ahead > 0 {
		r.last = *p
		r.last.Payload = nil // let it go
	}
	p.Seq += r.seq
	p.Time += r.time
}
