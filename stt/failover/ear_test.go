package failover

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/stt"
)

var errDown = fmt.Errorf("recognize: %w", provider.ErrUnavailable)

const (
	frameLong = media.FrameDuration
	resume    = 1200 * time.Millisecond
)

// fault is how a scripted recognizer breaks once it has heard so many frames of a call.
type fault struct {
	frame int
	err   error // nil: it ends as if all were heard
	deaf  bool  // it does not end, but reads no more
	mute  bool  // it does not end and reads on, but says no more
}

// ear is a recognizer whose words are the samples that it was given: a frame of sample 7 is a part of the word "7". Voice
// within 1.2 s of a Flush goes on with the same utterance.
type ear struct {
	fault    *fault        // of every call; nil: none
	shift    time.Duration // its Starts are so much later than the voice
	closing  bool          // it gives a Final of its own to an utterance that nobody flushes
	slow     time.Duration // before each Final
	noWords  bool          // it gives no Partials
	realTime bool          // it reads all there is at once, and takes as long to hear it as it took to say

	mu    sync.Mutex
	calls int
	open  int
	given []int // how many frames in each call
}

func (e *ear) Recognize(ctx context.Context, in media.Source[stt.Audio]) iter.Seq2[stt.Result, error] {
	return func(yield func(stt.Result, error) bool) {
		own, cancel := context.WithCancel(ctx)
		frames := make(chan stt.Audio)
		if e.realTime {
			frames = make(chan stt.Audio, 10000)
		}
		var reader sync.WaitGroup
		defer reader.Wait()
		defer cancel()
		e.mu.Lock()
		call := e.calls
		e.calls++
		e.open++
		e.given = append(e.given, 0)
		f := e.fault
		e.mu.Unlock()
		defer func() { e.mu.Lock(); e.open--; e.mu.Unlock() }()
		reader.Go(func() {
			defer close(frames)
			for a := range in(own) {
				a.PCM = slices.Clone(a.PCM)
				select {
				case frames <- a:
				case <-own.Done():
					return
				}
			}
		})
		h := hears{ear: e, yield: yield}
		for n := 0; ; n++ {
			if f != nil && n == f.frame {
				switch {
				case f.deaf:
					<-own.Done()
				case f.mute:
					for range frames {
					}
					<-own.Done()
				case f.err != nil:
					yield(stt.Result{}, f.err)
					return
				default:
					return
				}
			}
			a, ok := <-frames
			if !ok {
				break
			}
			e.mu.Lock()
			e.given[call]++
			e.mu.Unlock()
			if e.realTime && !rest(own, a.Duration()) || !h.hear(own, a) {
				break
			}
		}
		if h.left {
			return
		}
		if ctx.Err() != nil {
			yield(stt.Result{}, context.Cause(ctx))
			return
		}
		h.close()
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// hears is one call.
type hears struct {
	*ear
	yield   func(stt.Result, error) bool
	left    bool
	words   []string
	last    int16
	open    bool
	fresh   bool // voice that no Final covers
	start   time.Duration
	flushed time.Duration // when, if nothing is fresh
	spoke   time.Duration // end of the last voice
}

func (h *hears) hear(ctx context.Context, a stt.Audio) bool {
	if h.open && h.fresh && h.closing && a.At-h.spoke > resume {
		h.close()
	}
	if h.open && !h.fresh && a.At-h.flushed > resume {
		h.open = false
	}
	if a.Voice && len(a.PCM) > 0 {
		if !h.open {
			h.open, h.words, h.start, h.last = true, nil, a.At+h.shift, 0
			h.say(stt.Result{Kind: stt.Onset, Start: h.start, End: h.start})
		}
		h.fresh, h.spoke = true, a.At+a.Duration()
		if a.PCM[0] != h.last {
			h.words = append(h.words, fmt.Sprint(a.PCM[0]))
			if !h.noWords {
				h.say(stt.Result{Kind: stt.Partial, Text: strings.Join(h.words, " "), Start: h.start, End: max(h.start, h.spoke)})
			}
		}
	}
	h.last = 0
	if len(a.PCM) > 0 {
		h.last = a.PCM[0]
	}
	if a.Flush {
		if h.slow > 0 && !rest(ctx, h.slow) {
			return false
		}
		h.final(a.At + a.Duration())
	}
	return !h.left
}

func (h *hears) say(r stt.Result) { h.left = h.left || !h.yield(r, nil) }

func (h *hears) final(end time.Duration) {
	r := stt.Result{Kind: stt.Final, Start: end, End: end}
	if h.open {
		r.Start, r.Text = min(h.start, end), strings.Join(h.words, " ")
	}
	if h.fresh {
		h.flushed = end
	}
	h.fresh = false
	h.say(r)
}

// close gives the Final that nobody asked for.
func (h *hears) close() {
	if h.open && h.fresh {
		h.final(h.spoke)
	}
	h.open = false
}

// line writes audio: a digit or letter is 100 ms of a word of that name, a dot 100 ms of silence, an underscore a second of it,
// a bar a Flush.
func line(s string) (frames []stt.Audio) {
	at := 10 * time.Second
	word := int16(0)
	for _, r := range s {
		n, value := 5, int16(0)
		switch {
		case r == '|':
			frames = append(frames, stt.Audio{Frame: media.Frame{At: at, Rate: media.ListenRate}, Flush: true})
			continue
		case r == '_':
			n = 50
		case r != '.':
			word++
			value = word
		}
		for range n {
			f := media.Frame{At: at, Rate: media.ListenRate, PCM: slices.Repeat([]int16{value}, 320)}
			frames = append(frames, stt.Audio{Frame: f, Voice: value > 0})
			at += frameLong
		}
	}
	return frames
}

// paced is frames as they come in a call; those that come after a Flush wait until it was answered, if wait is given.
func paced(frames []stt.Audio) media.Source[stt.Audio] {
	i := 0
	return func(ctx context.Context) iter.Seq[stt.Audio] {
		return func(yield func(stt.Audio) bool) {
			for i < len(frames) && (frames[i].Duration() == 0 || rest(ctx, frames[i].Duration())) {
				a := frames[i]
				i++
				pcm := slices.Clone(a.PCM)
				a.PCM = pcm
				more := yield(a)
				clear(pcm) // the frame is its sender's again
				if !more {
					return
				}
			}
		}
	}
}

// heard is what comes of a call.
type heard struct {
	starts  []time.Duration
	text    map[time.Duration]string
	finals  []stt.Result
	onsets  int
	notes   []string
	audio   map[string]time.Duration // what each was given, by what was told
	err     error
	results []stt.Result
}

// listen hears a whole call. hold is called with each result while the loop is held, if not nil.
func listen(ctx context.Context, t testing.TB, r stt.Recognizer, in media.Source[stt.Audio], hold func(stt.Result)) heard {
	t.Helper()
	h := heard{text: map[time.Duration]string{}, audio: map[string]time.Duration{}}
	var mu sync.Mutex
	ctx = provider.Noting(ctx, func(n provider.Note) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case n.Used != nil:
			h.audio[n.Provider] += n.Used.Audio
		case n.Failed == nil:
			h.notes = append(h.notes, n.Provider+"⇒"+n.Next)
		default:
			h.notes = append(h.notes, n.Provider+"→"+n.Next)
		}
	})
	for res, err := range r.Recognize(ctx, in) {
		if err != nil {
			h.err = err
			continue
		}
		h.results = append(h.results, res)
		if res.End < res.Start {
			t.Errorf("%v from %v to %v", res.Kind, res.Start, res.End)
		}
		at := res.Start
		for _, w := range res.Words {
			if w.Start < at || w.End < w.Start || w.End > res.End {
				t.Errorf("word %q from %v to %v in a result from %v to %v", w.Text, w.Start, w.End, res.Start, res.End)
			}
			at = w.Start
		}
		if hold != nil {
			hold(res)
		}
		switch res.Kind {
		case stt.Onset:
			h.onsets++
			continue
		case stt.Final:
			h.finals = append(h.finals, res)
		}
		if _, ok := h.text[res.Start]; !ok {
			h.starts = append(h.starts, res.Start)
		}
		h.text[res.Start] = res.Text
	}
	return h
}

// all is the text at the end.
func (h heard) all() string {
	var out []string
	slices.Sort(h.starts)
	for _, s := range h.starts {
		if h.text[s] != "" {
			out = append(out, h.text[s])
		}
	}
	return strings.Join(out, " ")
}

// answered fails t unless the Finals answer the Flushes of frames, one each and in order.
func (h heard) answered(t testing.TB, frames []stt.Audio) {
	t.Helper()
	var asked []time.Duration
	for _, a := range frames {
		if a.Flush {
			asked = append(asked, a.At)
		}
	}
	if len(h.finals) != len(asked) {
		t.Errorf("%d Finals for %d Flushes", len(h.finals), len(asked))
		return
	}
	for i, f := range h.finals {
		if f.End < asked[i] {
			t.Errorf("Final %d ends at %v, before its Flush at %v", i, f.End, asked[i])
		}
	}
}

func newChain(t testing.TB, o Options, recognizers ...stt.Recognizer) *Chain {
	t.Helper()
	var links []Link
	for i, r := range recognizers {
		links = append(links, Link{Name: string(rune('A' + i)), Recognizer: r})
	}
	c, err := New(o, links...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
