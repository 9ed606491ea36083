package codec

// patch fills holes in a waveform with its last period, in the manner of ITU-T G.711 Appendix I but without that one's
// delay.
type patch struct {
	rate  int
	past  []int16 // the newest samples, of patchPast, oldest first
	cycle []int16 // what is repeated in the hole, in a buffer of its own
	at    int     // the sample of it that is next
	made  int     // samples made up since the last that was heard
	step  int     // by which the first would jump away from the last that was heard
}

// In milliseconds.
const (
	periodLeast = 5 // 200 Hz: higher voices are repeated by several of their periods
	periodMost  = 15
	periodLook  = 10 // how much of the past must resemble what was before it
	patchPast   = periodLook + periodMost
	patchBlend  = 5 // from what is made up to what is heard
)

// From here on the caller fades what is made up, until it is silence ([Decoder]).
const (
	fadeFrom = 50
	fadeTo   = 60
)

func newPatch(rate int) patch {
	return patch{rate: rate, past: make([]int16, patchPast*rate/1000), cycle: make([]int16, 0, periodMost*rate/1000)}
}

func (p *patch) ms(n int) int { return n * p.rate / 1000 }

// fill makes up what follows.
func (p *patch) fill(pcm []int16) {
	for i := range pcm {
		pcm[i] = p.next()
	}
	p.keep(pcm)
}

// heard takes what was received. After a hole its beginning is blended with what would have been made up.
func (p *patch) heard(pcm []int16) {
	if p.made > 0 {
		from, to, n := p.ms(fadeFrom), p.ms(fadeTo), min(p.ms(patchBlend), len(pcm))
		for i := range n {
			level := min(max(to-p.made, 0), to-from)
			guess := int(p.next()) * level / (to - from)
			pcm[i] = int16((guess*(n-i) + int(pcm[i])*i) / n)
		}
		p.made = 0
	}
	p.keep(pcm)
}

// keep puts samples at the end of the past.
func (p *patch) keep(pcm []int16) {
	if n := len(p.past); len(pcm) >= n {
		copy(p.past, pcm[len(pcm)-n:])
		return
	}
	copy(p.past, p.past[len(pcm):])
	copy(p.past[len(p.past)-len(pcm):], pcm)
}

// next makes one sample up.
func (p *patch) next() int16 {
	if p.made == 0 {
		p.begin()
	}
	v := int(p.cycle[p.at])
	if seam := len(p.cycle) / 4; p.made < seam {
		v = int(clip16(int32(v + p.step*(seam-p.made)/seam)))
	}
	p.made++
	p.at = (p.at + 1) % len(p.cycle)
	return int16(v)
}

// begin cuts the last period out of the past. Its last quarter turns into what was before it, so that it can follow
// itself. What was heard last cannot be changed any more; the first sample begins where that ended and the difference
// dies away.
func (p *patch) begin() {
	n, end := p.period(), len(p.past)
	p.cycle = append(p.cycle[:0], p.past[end-n:]...)
	seam := n / 4
	for i := range seam {
		before := int(p.past[end-n-seam+i])
		v := &p.cycle[n-seam+i]
		*v = int16((int(*v)*(seam-i) + before*i) / seam)
	}
	p.at, p.step = 0, int(p.past[end-1])-int(p.past[end-n-1])
}

// period is the distance at which the past resembles itself most, in samples, the longest possible if it does not.
func (p *patch) period() int {
	best, score := p.ms(periodMost), 0.0
	for n := p.ms(periodLeast); n <= p.ms(periodMost); n++ {
		if s := p.likeness(n); s > score {
			best, score = n, s
		}
	}
	return best
}

// likeness is the square of the correlation between the newest samples and those lag before them, up to a factor; zero
// if it is negative. Every other sample is enough.
func (p *patch) likeness(lag int) float64 {
	now := p.past[p.ms(periodMost):]
	then := p.past[p.ms(periodMost)-lag:][:len(now)]
	var dot, energy int
	for i := 0; i < len(now); i += 2 {
		was := int(then[i])
		dot += int(now[i]) * was
		energy += was * was
	}
	if dot <= 0 {
		return 0
	}
	return float64(dot) * float64(dot) / float64(energy)
}
