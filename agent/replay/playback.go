package replay

import "time"

// playback is where the sound of an answer lies on the session clock: stretches in which it ran without a stop.
type playback struct {
	runs    []run
	running bool
	held    bool
	over    bool
	told    time.Duration // the last that was told of how much was sent
}

// run is a stretch: the speech from From to To began to sound at at.
type run struct {
	at time.Duration
	Span
}

// skewMost is by how much a report of what was sent may be off the running time: more was a wait for the voice.
const skewMost = 60 * time.Millisecond

// begin takes the first frame.
func (p *playback) begin(now time.Duration) {
	if len(p.runs) > 0 || p.over {
		return
	}
	p.runs = append(p.runs, run{at: now})
	if p.running = !p.held; p.held { // it was held in the same moment
		p.runs[0].To = 20 * time.Millisecond
	}
}

// place is how much has been sent by now.
func (p *playback) place(now time.Duration) time.Duration {
	if len(p.runs) == 0 {
		return 0
	}
	r := p.runs[len(p.runs)-1]
	if !p.running {
		return r.To
	}
	return r.From + max(0, now-r.at)
}

// stop ends the present stretch, for good or for a while.
func (p *playback) stop(now time.Duration) {
	if p.running {
		p.runs[len(p.runs)-1].To = p.place(now)
		p.running = false
	}
}

func (p *playback) hold(now time.Duration) {
	p.stop(now)
	p.held = true
}

// resume goes on and repeats the last back.
func (p *playback) resume(now, back time.Duration) {
	p.held = false
	if len(p.runs) == 0 || p.over || p.running {
		return
	}
	p.start(now, max(0, p.place(now)-max(0, back)))
	p.told = min(p.told, p.runs[len(p.runs)-1].From)
}

func (p *playback) start(at, from time.Duration) {
	p.runs = append(p.runs, run{at, Span{from, from}})
	p.running = true
}

// heard takes a report of how much was sent. Less than the time that has run: the voice was late.
func (p *playback) heard(now, sent time.Duration) {
	if !p.running {
		return
	}
	if off := p.place(now) - sent; off.Abs() > skewMost {
		last := &p.runs[len(p.runs)-1]
		from := max(p.told, last.From)
		if sent < from {
			return
		}
		last.To = from
		p.start(now-(sent-from), from)
	}
	p.told = sent
}

// made takes more sound from the voice, which had made so much before. If the line had run out of it, it waited for this.
func (p *playback) made(now, before time.Duration) {
	if last := len(p.runs) - 1; p.running && p.place(now) > before {
		p.runs[last].To = max(p.runs[last].From, before)
		p.start(now, p.runs[last].To)
	}
}

// end ends the sound. sent is how much was, if that is known.
func (p *playback) end(now, sent time.Duration) {
	p.stop(now)
	p.over = true
	if n := len(p.runs); sent > 0 && n > 0 {
		p.runs[n-1].To = max(p.runs[n-1].From, sent)
	}
}

// sent is how much of the sound was, at the end.
func (p *playback) sent() (d time.Duration) {
	for _, r := range p.runs {
		d = max(d, r.To)
	}
	return d
}

// spoken is from the first frame to the last.
func (p *playback) spoken() Span {
	if len(p.runs) == 0 {
		return Span{}
	}
	last := p.runs[len(p.runs)-1]
	return Span{p.runs[0].at, last.at + last.To - last.From}
}

// moment is when a place of the speech was heard, the last time if it was repeated. The end of something that ends where a stretch
// does is there, not where the next one begins.
func (p *playback) moment(place time.Duration, end bool) time.Duration {
	for i := len(p.runs) - 1; i >= 0; i-- {
		if r := p.runs[i]; place > r.From || place == r.From && !end || i == 0 {
			return r.at + max(0, min(place, r.To)-r.From)
		}
	}
	return 0
}
