package media

import "time"

// speech is the samples of one Play around the place that is being sent: a little that was sent, and what
// was not yet.
type speech struct {
	rate        int
	ahead, back int     // how many samples it holds, after and before pos
	buf         []int16 // ahead+back from the first push on
	pos         int     // next sample to send, an index of buf
	first       int     // where this Play's speech lies: index of its first sample; negative once that has left
}

func newSpeech(rate int) speech {
	n := func(d time.Duration) int { return int(int64(rate) * int64(d) / int64(time.Second)) }
	return speech{rate: rate, ahead: n(playoutAhead), back: n(playoutBack)}
}

// begin starts a new Play's speech; nothing may be left of the one before.
func (s *speech) begin() { s.buf, s.pos, s.first = s.buf[:0], 0, 0 }

func (s *speech) left() int { return len(s.buf) - s.pos }

func (s *speech) sent() time.Duration { return Samples(s.pos-s.first, s.rate) }

// push adds what there is room for and says how much.
func (s *speech) push(pcm []int16) int {
	if s.buf == nil {
		s.buf = make([]int16, 0, s.ahead+s.back)
	}
	n := max(0, min(len(pcm), s.ahead-s.left())) // a rewind may have left more than ahead
	if len(s.buf)+n > s.ahead+s.back && s.pos > s.back {
		out := s.pos - s.back
		s.buf = s.buf[:copy(s.buf, s.buf[out:])]
		s.pos, s.first = s.back, s.first-out
	}
	s.buf = append(s.buf, pcm[:n]...)
	return n
}

// take sends the next samples; what is missing is silence.
func (s *speech) take(pcm []int16) {
	n := copy(pcm, s.buf[s.pos:])
	clear(pcm[n:])
	s.pos += n
}

func (s *speech) peek(pcm []int16) { copy(pcm, s.buf[s.pos:]) }

// last is the last n samples that were not sent yet.
func (s *speech) last(n int) []int16 { return s.buf[max(s.pos, len(s.buf)-n):] }

// keep drops what is not sent but its first n samples; drop drops all.
func (s *speech) keep(n int) { s.buf = s.buf[:min(len(s.buf), s.pos+n)] }
func (s *speech) drop()      { s.buf = s.buf[:s.pos] }

// A quiet place is looked for so near to where a rewind would end, as one of so many samples whose power is at most a quarter.
const (
	quietNear = 150 * time.Millisecond
	quietLong = 20 * time.Millisecond
	quietStep = 5 * time.Millisecond
)

// rewind goes back n samples, or to a quiet place near there, as far as they are there, and says whether it went.
func (s *speech) rewind(n int) bool {
	if n = max(0, min(n, s.pos, s.pos-s.first)); n == 0 {
		return false
	}
	s.pos = s.quiet(s.pos - n)
	return true
}

// quiet is the place of the quietest 20 ms of what was sent around a place, or that place if nothing is much quieter.
func (s *speech) quiet(place int) int {
	samples := func(d time.Duration) int { return int(int64(s.rate) * int64(d) / int64(time.Second)) }
	near, long := samples(quietNear), samples(quietLong)
	best, least := place, s.power(place, long)/4
	for at := max(0, s.first, place-near); at+long <= min(s.pos, place+near); at += samples(quietStep) {
		if p := s.power(at, long); p < least {
			best, least = at, p
		}
	}
	return best
}

// power is the sum of the squares of n samples.
func (s *speech) power(from, n int) (sum float64) {
	for _, v := range s.buf[from:min(from+n, len(s.buf))] {
		sum += float64(v) * float64(v)
	}
	return sum
}
