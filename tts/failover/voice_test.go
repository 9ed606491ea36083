package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

const (
	rate    = 8000
	perRune = 65 * rate / 1000 // samples
)

var errDown = fmt.Errorf("speak: %w", provider.ErrUnavailable)

// fault is how a scripted voice breaks: before it yields its frame of that number, or in place of its end.
type fault struct {
	frame int
	err   error         // nil and no wait: it ends as if all were said
	wait  time.Duration // before
}

// voice says words like "w7" so that each sample is the number of its word, which may be read from the sound again.
type voice struct {
	words  bool   // their times are told
	ahead  bool   // it asks for the next phrase while it speaks
	fault  *fault // of every call; nil: none
	rate   int    // 0: 8000
	size   int    // samples of a frame; 0: 100 ms
	late   time.Duration
	deaf   bool // it never asks for a phrase
	tag    int  // so many thousands are added to its samples
	slower int  // percent of the pace of 65 ms a letter; 0: 100

	mu    sync.Mutex
	calls int
	given []string
	open  int
}

func (v *voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		var reader sync.WaitGroup
		defer reader.Wait()
		defer cancel()
		c := &saying{voice: v, yield: yield, size: max(v.size, 0), rate: rate, breaks: v.begin()}
		defer v.end()
		if v.rate > 0 {
			c.rate = v.rate
		}
		if c.size == 0 {
			c.size = c.rate / 10
		}
		phrases := make(chan string)
		if v.ahead {
			phrases = make(chan string, 100)
		}
		if v.ahead || v.deaf {
			reader.Go(func() {
				defer close(phrases)
				if v.deaf {
					<-own.Done()
					return
				}
				for p := range text(own) {
					v.note(p)
					phrases <- p
				}
			})
			for p := range phrases {
				time.Sleep(time.Millisecond) // meanwhile the next one is asked for, as it is where speaking takes time
				if !c.phrase(own, p) {
					return
				}
			}
		} else {
			for p := range text(own) {
				v.note(p)
				if !c.phrase(own, p) {
					return
				}
			}
		}
		if c.broke(own, true) {
			return
		}
		if ctx.Err() != nil {
			yield(tts.Audio{}, context.Cause(ctx))
		}
	}
}

func (v *voice) begin() *fault {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open++
	v.calls++
	return v.fault
}

func (v *voice) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open--
}

// times is how often it was called.
func (v *voice) times() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

// mend makes it a good one, or one of another fault.
func (v *voice) mend(f *fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fault = f
}

func (v *voice) note(p string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.given = append(v.given, p)
}

func (v *voice) heard() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.given, "|")
}

// saying is one call.
type saying struct {
	*voice
	yield  func(tts.Audio, error) bool
	size   int
	rate   int
	n      int // samples so far
	frames int
	breaks *fault
}

// broke is whether the call has met its fault, or ended.
func (c *saying) broke(ctx context.Context, end bool) bool {
	f := c.breaks
	if f == nil || f.frame > c.frames && !end {
		return false
	}
	select {
	case <-time.After(f.wait):
	case <-ctx.Done():
		c.yield(tts.Audio{}, context.Cause(ctx))
		return true
	}
	if f.err != nil {
		c.yield(tts.Audio{}, f.err)
	}
	return true
}

// phrase says one; false when the call is over.
func (c *saying) phrase(ctx context.Context, p string) bool {
	if !speakable(p) {
		return true
	}
	if c.late > 0 {
		select {
		case <-time.After(c.late):
		case <-ctx.Done():
			c.yield(tts.Audio{}, context.Cause(ctx))
			return false
		}
	}
	var pcm []int16
	var words []tts.Word
	samples := func(letters int) int {
		return letters * perRune * c.rate / rate * max(c.slower, 100*(1-min(c.slower, 1))) / 100
	}
	for _, w := range strings.Fields(p) {
		if !speakable(w) {
			continue
		}
		w = strings.TrimRight(w, ",.!")
		id, _ := strconv.Atoi(strings.TrimPrefix(w, "w"))
		begin := c.n + len(pcm)
		for range samples(len(w) + 1) {
			pcm = append(pcm, int16(c.tag*1000+id+1))
		}
		words = append(words, tts.Word{Text: w, Start: media.Samples(begin, c.rate), End: media.Samples(begin+samples(len(w)), c.rate)})
	}
	for len(pcm) > 0 {
		if c.broke(ctx, false) {
			return false
		}
		if ctx.Err() != nil {
			c.yield(tts.Audio{}, context.Cause(ctx))
			return false
		}
		n := min(c.size, len(pcm))
		sent := pcm[:n]
		a := tts.Audio{Frame: media.Frame{At: media.Samples(c.n, c.rate), Rate: c.rate, PCM: pcm[:n]}}
		c.n += n
		c.frames++
		pcm = pcm[n:]
		for len(words) > 0 && words[0].Start < media.Samples(c.n, c.rate) {
			if c.words {
				a.Words = append(a.Words, words[0])
			}
			words = words[1:]
		}
		if !c.yield(a, nil) {
			return false
		}
		clear(sent) // it is the voice's own again
		clear(a.Words)
	}
	return true
}

// run is a stretch of the sound of one word by one voice.
type run struct {
	sample int16
	long   time.Duration
}

// heard is what comes of a speech.
type heard struct {
	runs  []run
	words []tts.Word
	notes []string
	long  time.Duration
	err   error
}

// listen hears a whole speech, and fails t where its timeline is broken.
func listen(ctx context.Context, t testing.TB, v tts.Voice, text media.Source[string], hold func(n int)) (h heard) {
	t.Helper()
	var mu sync.Mutex
	ctx = provider.Noting(ctx, func(n provider.Note) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case n.Used != nil && n.Used.Lost:
			h.notes = append(h.notes, fmt.Sprint(n.Provider, " lost ", n.Used.Characters))
		case n.Used != nil:
			h.notes = append(h.notes, fmt.Sprint(n.Provider, " used ", n.Used.Characters))
		default:
			h.notes = append(h.notes, n.Provider+"→"+n.Next)
		}
	})
	n := 0
	for a, err := range v.Speak(ctx, text) {
		if err != nil {
			h.err = err
			continue
		}
		if d := a.At - h.long; d.Abs() > time.Millisecond {
			t.Errorf("a frame is at %v, and before it came %v", a.At, h.long)
		}
		for _, s := range a.PCM {
			if k := len(h.runs) - 1; k < 0 || h.runs[k].sample != s {
				h.runs = append(h.runs, run{sample: s})
			}
			h.runs[len(h.runs)-1].long += time.Second / time.Duration(a.Rate)
		}
		for _, w := range a.Words {
			if w.Start < a.At-time.Millisecond || w.Start > a.At+a.Duration() {
				t.Errorf("word %q at %v is told with the frame at %v", w.Text, w.Start, a.At)
			}
			h.words = append(h.words, w)
		}
		h.long += a.Duration()
		if n++; hold != nil {
			hold(n)
		}
	}
	return h
}

// whole is the words that were said to their end, but for what no ear misses, in their order.
func (h heard) whole() string {
	var out []string
	for _, r := range h.runs {
		name := fmt.Sprint("w", r.sample%1000-1)
		full := time.Duration(len(name)+1) * 65 * time.Millisecond // with the pause behind it, which may lack
		for n := (r.long + 65*time.Millisecond + wordsShort) / full; n > 0; n-- {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

// text is so many words in phrases of so many.
func text(words, each int) (phrases []string) {
	for i := 0; i < words; i += each {
		var p []string
		for k := i; k < min(words, i+each); k++ {
			p = append(p, fmt.Sprint("w", k))
		}
		phrases = append(phrases, strings.Join(p, " "))
	}
	return phrases
}

func newChain(t testing.TB, o Options, voices ...tts.Voice) *Chain {
	t.Helper()
	var links []Link
	for i, v := range voices {
		if v, ok := v.(*voice); ok {
			v.tag = i
		}
		links = append(links, Link{Name: string(rune('A' + i)), Voice: v})
	}
	c, err := New(o, links...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNoLinks(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a chain of nothing was made")
	}
}

func isDown(err error) bool { return errors.Is(err, provider.ErrUnavailable) }
