package echo

import (
	"sync"
	"time"

	"parley/media"
)

const (
	often    = 4                      // frames from one look to the next
	distinct = 11                     // a delay must stand out by so many standard deviations
	softest  = 1e-7                   // −70 dBFS: nothing is looked for in what is softer
	lasting  = rate / 5               // a caller who was heard is heard for 200 ms more
	outlasts = 3 * rate / 10          // how long a room may sound after the last that was sent
	longest  = 200 * time.Millisecond // no frame is longer
)

// sent is what was sent lately.
type sent struct {
	mu   sync.Mutex
	ring sentRing
	base time.Duration // of the playout's timeline on the session clock
	any  bool          // it is known
}

// Guard tells the agent's own sound from the caller. Sent and Heard may be called from two goroutines.
type Guard struct {
	sent sent

	// owned by Heard
	band   *band
	heard  []float32 // the newest window
	end    int       // the place after it
	ref    [points]float32
	finder *finder
	since  int // frames since the last look
	misses int // looks in a row that found nothing
	found  int // where the last look found something; −1: nothing
	path   path
	floor  float32 // power of the line's noise
	run    int     // frames in a row that were more than echo
	until  int     // place to which the caller is heard
	back   back
}

// Sent takes a frame that is being sent (mono, any rate, At on the playout's timeline), at a moment of the session clock. Frames without
// sound need not be given. f is not kept.
func (g *Guard) Sent(now time.Duration, f media.Frame) {
	if f.Rate <= 0 || len(f.PCM) == 0 {
		return
	}
	g.sent.mu.Lock()
	defer g.sent.mu.Unlock()
	if !g.sent.any {
		g.sent.any, g.sent.base = true, now-f.At
	}
	g.sent.ring.put(place(g.sent.base+f.At), f)
}

// place is a moment of the session clock as a number of samples.
func place(at time.Duration) int { return int((at*rate + time.Second/2) / time.Second) }

// Heard takes the next frame that was heard (mono, any rate, At about its arrival on the session clock) and says whether it is
// nothing but the agent's own sound. It costs nothing while the agent is silent.
func (g *Guard) Heard(f media.Frame) bool {
	from := place(f.At)
	if d := f.Duration(); d <= 0 || d > longest || !g.sounds(from) {
		g.heard = g.heard[:0]
		return false
	}
	n := g.take(from, f)
	frame := g.heard[len(g.heard)-n:]
	loud := power(frame)
	g.listen(loud)
	more := true
	if g.path.known {
		more = g.more(frame, loud)
	}
	if g.since++; more && loud > softest && g.since >= often*(1+min(2, g.misses/8)) && g.worth() {
		g.look()
	}
	g.judge(from, loud)
	return g.path.known && !more && g.end > g.until
}

// listen follows the line's noise: it is what remains between words.
func (g *Guard) listen(loud float32) {
	if g.floor == 0 {
		g.floor = loud
	}
	g.floor = max(softest/100, min(loud, g.floor*1.02))
}

// sounds says whether what is heard at a place may be an echo.
func (g *Guard) sounds(from int) bool {
	g.sent.mu.Lock()
	defer g.sent.mu.Unlock()
	return g.sent.any && from < g.sent.ring.end+lags-ahead+outlasts
}

// take puts a frame into the window and says how many samples it has there.
func (g *Guard) take(from int, f media.Frame) int {
	if d := from - g.end; len(g.heard) == 0 || d < -rate/100 || d > rate/100 || g.band.from != f.Rate {
		g.band, g.heard, g.found = newBand(f.Rate), g.heard[:0], -1
	}
	if over := len(g.heard) - window + len(f.PCM)*rate/f.Rate; over > 0 {
		g.heard = g.heard[:copy(g.heard, g.heard[min(over, len(g.heard)):])]
	}
	before := len(g.heard)
	g.heard = g.band.add(g.heard, f.PCM)
	n := len(g.heard) - before
	g.end = from + n
	return n
}

// more says whether a frame holds more than the echo.
func (g *Guard) more(frame []float32, loud float32) bool {
	ref := g.sentAt(g.end-len(frame)-g.path.delay, len(frame))
	rest, may := g.path.judge(frame, ref)
	may += 4 * g.floor
	if rest <= may {
		g.run = 0
		if loud > 8*g.floor && rest > loud/20 {
			g.path.follow(frame, ref, 1-rest/loud)
		}
		return false
	}
	if g.run++; g.run > 1 || rest > 4*may {
		g.until = g.end + lasting
	}
	return true
}

// sentAt is what was sent from a place on, with what the filter needs around it. It is valid until the next call.
func (g *Guard) sentAt(from, n int) []float32 {
	ref := g.ref[:n+taps-1]
	g.sent.mu.Lock()
	defer g.sent.mu.Unlock()
	g.sent.ring.copy(ref, from+early-taps+1)
	return ref
}

// worth says whether the window holds enough sound to look for: a single syllable resembles others.
func (g *Guard) worth() bool {
	const piece = rate / 50
	n := 0
	for i := 0; i+piece <= len(g.heard); i += piece {
		if power(g.heard[i:i+piece]) > max(softest, 4*g.floor) {
			n++
		}
	}
	return len(g.heard) == window && n >= window/piece/2
}

// look looks for the delay. Two looks that agree have found it.
func (g *Guard) look() {
	g.since = 0
	if g.finder == nil {
		g.finder = &finder{}
	}
	from := g.end - len(g.heard)
	first := from - (lags - ahead)
	g.sent.mu.Lock()
	g.sent.ring.copy(g.ref[:], first)
	g.sent.mu.Unlock()
	offset, stands := g.finder.look(g.heard, g.ref[:])
	delay := from - (first + offset)
	before := g.found
	if g.misses++; stands < distinct {
		g.found = -1
		return
	}
	g.found, g.misses, g.since = delay+ahead, 0, often/2
	if before >= 0 && g.found-before >= -2 && g.found-before <= 2 {
		g.path.begin(delay, g.heard, g.sentAt(from-delay, len(g.heard)))
	}
}
