package local

import (
	"time"

	"parley/media"
	"parley/stt"
)

// How speech is divided into utterances.
const (
	resume    = 1200 * time.Millisecond // a longer silence ends the utterance
	pause     = 200 * time.Millisecond  // where a long utterance may be cut
	keptPause = 200 * time.Millisecond  // audio behind speech that is decoded with it
	longAudio = 12 * time.Second        // from here on an utterance is cut at a pause
	mostAudio = 20 * time.Second        // and here wherever it is
)

// utterance is speech that belongs together.
type utterance struct {
	start, end time.Duration // of its voice
	pcm        []int16       // its voice and short pauses; only ever appended to
	voiced     int           // samples of voice in pcm
	behind     int           // samples in pcm after the last voice
	asked      int           // voiced when a Final was last asked for
	partial    int           // voiced when a Partial was last begun
	text       string        // of its last Final
}

// fresh is whether there is voice that no Final was asked for.
func (u *utterance) fresh() bool { return u != nil && u.voiced > u.asked }

// over is whether voice at that time is not a part of u.
func (u *utterance) over(at time.Duration) bool {
	rest, length := at-u.end, media.Samples(len(u.pcm), media.ListenRate)
	return rest > resume || rest >= pause && length >= longAudio || length >= mostAudio
}

// job is Finals to come: the next are always those of the oldest job.
type job struct {
	start  time.Duration
	pcm    []int16
	ends   []time.Duration // of the Finals, one for each Flush
	done   bool            // text is known
	text   string
	behind bool // pcm has grown since its decoding began
}

// ear divides a stream of audio into utterances and jobs. It is pure: no clock, no model.
type ear struct {
	open *utterance // nil when nobody has spoken since the last one was over
	jobs []job
}

// hear takes a frame and tells whether an utterance begins with it.
func (e *ear) hear(a stt.Audio) (onset bool) {
	if a.Voice && len(a.PCM) > 0 {
		if e.open != nil && e.open.over(a.At) {
			e.close()
		}
		if onset = e.open == nil; onset {
			e.open = &utterance{start: a.At}
		}
		e.open.pcm = append(e.open.pcm, a.PCM...)
		e.open.voiced += len(a.PCM)
		e.open.behind = 0
		e.open.end = a.At + a.Duration()
	} else if u := e.open; u != nil {
		n := min(len(a.PCM), int(keptPause*media.ListenRate/time.Second)-u.behind)
		u.pcm = append(u.pcm, a.PCM[:n]...)
		u.behind += n
	}
	if a.Flush {
		e.ask(a.At + a.Duration())
	}
	return onset
}

// close ends the open utterance, if there is one; what no Flush has asked for gets a Final of its own.
func (e *ear) close() {
	if e.open.fresh() {
		e.ask(e.open.end)
	}
	e.open = nil
}

// ask puts a Final that ends at end behind the others.
func (e *ear) ask(end time.Duration) {
	u := e.open
	if u == nil {
		e.jobs = append(e.jobs, job{start: end, ends: []time.Duration{end}, done: true})
		return
	}
	fresh := u.fresh()
	u.asked = u.voiced
	if n := len(e.jobs); n > 0 && e.jobs[n-1].start == u.start && e.jobs[n-1].pcm != nil {
		j := &e.jobs[n-1]
		j.ends = append(j.ends, end)
		if fresh {
			j.pcm, j.done, j.behind = u.pcm, false, true
		}
		return
	}
	e.jobs = append(e.jobs, job{start: u.start, pcm: u.pcm, ends: []time.Duration{end}, done: !fresh, text: u.text})
}

// decoded notes the text of the oldest job.
func (e *ear) decoded(text string) {
	j := &e.jobs[0]
	j.text, j.done = text, true
	if e.open != nil && e.open.start == j.start {
		e.open.text = text
	}
}
