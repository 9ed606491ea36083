package echo

// A path is how what was sent sounds when it comes back. The filter begins a little before the delay: the delay of a look is
// that of the loudest way, not of the first.
const (
	taps     = 96 // 24 ms
	early    = 16 // of them before the delay
	step     = 0.3
	most     = 0.45 // the rest that the filter leaves, over what it makes, as powers: at most
	explains = 0.35 // of what is heard, at least, is explained when a delay is taken; later a third of that
	tail     = 0.5  // of a room's sound remains after a frame: −3 dB
)

type path struct {
	known  bool
	delay  int // samples
	filter [taps]float32
	made   float32 // power of what the filter makes, lately
	given  float32 // power of what it makes that of
	hold   float32 // power of what was sent, as it dies away in the room
	sure   float32 // the share of what is heard that the filter explains, lately
	spoke  []float32
}

// spoken is what of ref comes back in n samples. ref has taps−1 samples more. The result is valid until the next call.
func (p *path) spoken(ref []float32, n int) []float32 {
	p.spoke = p.spoke[:0]
	for i := range n {
		p.spoke = append(p.spoke, p.at(ref[i:i+taps]))
	}
	return p.spoke
}

// at is the filter's sum, in four parts that a processor makes side by side.
func (p *path) at(x []float32) float32 {
	var a, b, c, d float32
	for w := p.filter[:]; len(w) >= 4 && len(x) >= 4; w, x = w[4:], x[4:] {
		a += w[0] * x[0]
		b += w[1] * x[1]
		c += w[2] * x[2]
		d += w[3] * x[3]
	}
	return a + b + c + d
}

// learn lets the filter learn from what was heard (normalized least mean squares).
func (p *path) learn(heard, ref []float32) {
	norm := taps*p.given/2 + 1e-9 // what is softer than usual teaches little: most of it is noise
	for _, v := range ref[:taps-1] {
		norm += v * v
	}
	for i, h := range heard {
		x := ref[i : i+taps]
		norm += x[taps-1] * x[taps-1]
		g := step * (h - p.at(x)) / norm
		for k := range &p.filter {
			p.filter[k] += g * x[k]
		}
		norm -= x[0] * x[0]
	}
}

// begin takes a delay that was found, if what is sent explains what it was found in.
func (p *path) begin(delay int, heard, ref []float32) {
	next := path{known: true, delay: delay, hold: p.hold, given: power(ref)}
	if d := delay - p.delay; p.known && d >= -8 && d <= 8 {
		next.delay, next.filter = p.delay, p.filter
	}
	for range 2 {
		next.learn(heard, ref)
	}
	next.made = power(next.spoken(ref, len(heard)))
	if next.sure = 1 - rest(heard, next.spoke)/power(heard); next.sure > explains {
		*p = next
	}
}

// rest is the power of what remains of heard without y.
func rest(heard, y []float32) float32 {
	var sum float32
	for i, h := range heard {
		sum += (h - y[i]) * (h - y[i])
	}
	return sum / float32(len(heard))
}

// judge says how loud what remains of a frame without the echo is, and how loud it may be.
func (p *path) judge(heard, ref []float32) (left, may float32) {
	left = min(rest(heard, p.spoken(ref, len(heard))), power(heard))
	p.hold = max(power(ref[taps/2:]), p.hold*tail)
	return left, most * p.hold * p.made / (p.given + 1e-12)
}

// follow keeps up with a path that changes, in a frame that was echo. A path that explains nothing is none.
func (p *path) follow(heard, ref []float32, explained float32) {
	p.learn(heard, ref)
	p.made += 0.05 * (power(p.spoke) - p.made)
	p.given += 0.05 * (power(ref) - p.given)
	p.sure += 0.04 * (explained - p.sure)
	p.known = p.sure > explains/3
}
