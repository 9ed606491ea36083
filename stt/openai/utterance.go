package openai

import (
	"encoding/binary"
	"time"

	"parley/media"
	"parley/stt"
)

// How speech is divided into utterances.
const (
	resume    = 1200 * time.Millisecond // a longer silence ends the utterance
	pause     = 200 * time.Millisecond  // where a long utterance may be cut
	keptPause = 200 * time.Millisecond  // audio behind speech that is sent with it
	longAudio = 20 * time.Second        // from here on an utterance is cut at a pause
	mostAudio = 30 * time.Second        // and here wherever it is
)

// utterance is speech that belongs together.
type utterance struct {
	start, end time.Duration // of its voice
	rate       int
	pcm        []byte // little-endian, without a gap from start; only ever appended to
	voice      int    // where in pcm the last voice ends
	asked      int    // voice when a Final was last asked for
}

// length is how long n bytes of it last.
func (u *utterance) length(n int) time.Duration { return media.Samples(n/2, u.rate) }

// over is whether voice at that time is not a part of u.
func (u *utterance) over(at time.Duration) bool {
	rest, length := at-u.end, u.length(len(u.pcm))
	return rest > resume || rest >= pause && length >= longAudio || length >= mostAudio
}

// job is a Final to come.
type job struct {
	start, end time.Duration
	rate       int
	pcm        []byte
	voice      int // of the utterance when it was asked for; 0 if nobody has spoken
}

// ear divides a stream of audio into utterances and jobs. It is pure: no clock, no network.
type ear struct {
	open *utterance // nil when nobody has spoken since the last one was over
	jobs []job
}

// hear takes a frame and tells whether an utterance begins with it.
func (e *ear) hear(a stt.Audio) (onset bool) {
	voice := a.Voice && len(a.PCM) > 0
	if voice && e.open != nil && e.open.over(a.At) {
		e.close()
	}
	if voice && e.open == nil {
		onset, e.open = true, &utterance{start: a.At, rate: a.Rate}
	}
	if u := e.open; u != nil && (voice || !u.over(a.At)) {
		for _, s := range a.PCM {
			u.pcm = binary.LittleEndian.AppendUint16(u.pcm, uint16(s))
		}
		if voice {
			u.voice, u.end = len(u.pcm), a.At+a.Duration()
		}
	}
	if a.Flush {
		e.ask(a.At + a.Duration())
	}
	return onset
}

// close ends the open utterance, if there is one; what no Flush has asked for gets a Final of its own.
func (e *ear) close() {
	if u := e.open; u != nil && u.voice > u.asked {
		e.ask(u.end)
	}
	e.open = nil
}

// ask puts a Final that ends at end behind the others.
func (e *ear) ask(end time.Duration) {
	u := e.open
	if u == nil {
		e.jobs = append(e.jobs, job{start: end, end: end})
		return
	}
	u.asked = u.voice
	kept := u.voice + 2*int(keptPause*time.Duration(u.rate)/time.Second)
	n := min(len(u.pcm), kept)
	e.jobs = append(e.jobs, job{start: u.start, end: end, rate: u.rate, pcm: u.pcm[:n:n], voice: u.voice})
}

// together is how many of the first jobs are of one utterance.
func (e *ear) together() (n int) {
	for n < len(e.jobs) && e.jobs[n].start == e.jobs[0].start {
		n++
	}
	return n
}
