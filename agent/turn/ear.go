package turn

import (
	"strings"
	"time"
)

// Stall is how long scores may stay away before a voice is taken to have ended.
const Stall = 500 * time.Millisecond

// LongestHop bounds what one score counts for: scores of silence may be left out.
const LongestHop = 40 * time.Millisecond

// ear tells speech from scores.
type ear struct {
	muted bool
	voice bool          // the caller is speaking
	spoke bool          // what was said since is not yet dealt with
	run   time.Duration // how long scores have been above the start
	begun time.Duration // when the present or last voice began
	last  time.Duration // when it was last heard
	whole bool          // nothing of the present or last voice is dealt with
	clear time.Duration // how long it was a voice beyond doubt, as far as it is whole
	heard time.Duration // when the last score came
	sound time.Duration // when anything was last heard, a voice or not
	at    time.Duration // where it lies on the caller's timeline
	lag   lag
}

// lag is how far the caller's timeline lies behind the session clock: the least that was seen lately, because
// what is more is a delay on the way.
type lag struct {
	known       bool
	least, next time.Duration // of the present and the next window
	until       time.Duration
}

// lagWindow is how long a least lag counts: a timeline may drift by 0.5 ms a second.
const lagWindow = 5 * time.Second

// moment is when the sound at a place of the timeline was there to be heard, at the earliest.
func (l *lag) moment(place time.Duration) time.Duration { return place + l.least }

func (l *lag) see(now, at time.Duration) {
	d := now - at
	switch {
	case !l.known:
		l.known, l.least, l.next, l.until = true, d, d, now+lagWindow
	case now >= l.until:
		l.least, l.next, l.until = min(l.next, d), d, now+lagWindow
	}
	l.least, l.next = min(l.least, d), min(l.next, d)
}

type edge uint8

const (
	none edge = iota
	onset
	offset
)

func (e *ear) hear(now time.Duration, in Input, c Voice) edge {
	hop := max(0, min(in.At-e.at, LongestHop))
	e.at, e.heard = in.At, now
	e.lag.see(now, in.At)
	loud := in.At
	if in.Loud > 0 {
		loud = min(in.Loud, in.At)
		e.sound = max(e.sound, min(now, e.lag.moment(loud)))
	}
	switch {
	case e.muted:
		return none
	case e.voice && in.Voice >= c.Stop:
		e.last = max(e.last, min(now, e.lag.moment(loud)))
		if e.whole && in.Voice >= (1+c.Start)/2 && in.At-loud < clearGap {
			e.clear += hop
		}
	case e.voice:
		e.voice, e.run = false, 0
		return offset
	case in.Voice < c.Start:
		e.run = 0
	default:
		if e.run += hop; e.run < c.Onset {
			return none
		}
		e.voice, e.spoke, e.whole = true, true, true
		e.clear += e.run
		e.begun, e.last = now-e.run, max(e.last, min(now, e.lag.moment(loud)))
		return onset
	}
	return none
}

// A turn is not taken as over while a sound begins that may be its next word: a voice is told 60 to 100 ms late.
const (
	clearGap  = 150 * time.Millisecond // a voice without a sound for so long is not clear: it is far away, or a noise
	stirFresh = 80 * time.Millisecond  // a sound this old is no beginning
	stirLimit = 200 * time.Millisecond // noise holds a turn up for so long at the most
	stirLook  = 20 * time.Millisecond
)

// stirs tells a sound after the voice that may become a voice.
func (e *ear) stirs(now time.Duration) bool {
	return !e.muted && !e.voice && (e.run > 0 || e.sound > e.last+stirFresh && now-e.sound < stirFresh)
}

// dealt: what was said is dealt with, so far.
func (e *ear) dealt() { e.spoke, e.whole, e.clear = e.voice, false, 0 }

// expire ends a voice whose scores stay away and says whether it did.
func (e *ear) expire(now time.Duration) bool {
	if !e.voice || now < e.heard+Stall {
		return false
	}
	e.voice, e.run = false, 0
	return true
}

// text is what the recognizer gave for the turn that is being made.
type text struct {
	parts []part
	upTo  time.Duration // results that end before this are of an earlier turn
	dealt []part        // what was dealt with, for results that repeat it
}

type part struct {
	start time.Duration
	words string
}

// put takes a result and says whether it is of this turn.
func (t *text) put(in Input) bool {
	if in.At <= t.upTo && t.upTo > 0 {
		return false
	}
	for i, p := range t.parts {
		if p.start == in.Start {
			if in.Kind == Final || in.Text != "" {
				t.parts[i].words = in.Text
			}
			return true
		}
	}
	t.parts = append(t.parts, part{in.Start, in.Text})
	return true
}

// all is the turn's text. A part that repeats what was dealt with is not shortened: the caller went on in
// the same breath.
func (t *text) all() string { return join(t.parts, func(p part) string { return p.words }) }

// fresh is what of the text was not dealt with before.
func (t *text) fresh() string {
	return join(t.parts, func(p part) string {
		for _, d := range t.dealt {
			if d.start == p.start {
				return beyond(d.words, p.words)
			}
		}
		return p.words
	})
}

func join(parts []part, f func(part) string) string {
	var words []string
	for _, p := range parts {
		if w := strings.TrimSpace(f(p)); w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// beyond is what later says after the words of earlier.
func beyond(earlier, later string) string {
	n := len(strings.Fields(plain(earlier)))
	words := strings.Fields(later)
	return strings.Join(words[min(n, len(words)):], " ")
}

// done ends the turn's text: what ends before at belongs to it.
func (t *text) done(at time.Duration) {
	if len(t.parts) > 0 {
		t.dealt = t.parts
	}
	t.parts, t.upTo = nil, at
}
