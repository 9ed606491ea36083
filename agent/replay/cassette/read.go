package cassette

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"parley/agent/vad"
	"parley/media/record"
)

// Cassette is the engines of a recorded conversation. Safe for concurrent use.
type Cassette struct {
	answers  []*answer // of the model, in the order in which they were asked for
	phrases  []*phrase // of the voice, in the order in which they were given
	heard    heard
	scores   []vad.Score // without Level
	finished []finished

	mu     sync.Mutex
	misses []Miss
}

// finished is a score of the end-of-turn model.
type finished struct {
	now   time.Duration // it came
	value float32
}

// The names of scores in a record.
const (
	voiceScore    = "voice"
	finishedScore = "finished"
)

// Read reads what a bundle's log tells of the engines, and the sound of its voice. The error tells of what cannot be read
// (each a *record.Damage or a line of the tape) or was not kept; the Cassette is then what there is nevertheless. It is
// nil only if the log cannot be read at all.
func Read(b *record.Bundle) (*Cassette, error) { return read(b.Log(), b.Blob) }

// troubleMost is how many errors are told of one by one.
const troubleMost = 20

// reader gathers the calls of the engines.
type reader struct {
	c       *Cassette
	calls   map[string][]*recorded // by engine, in the order of their first lines
	known   map[stream]*recorded
	blob    func(string) ([]byte, error)
	sounds  map[string][]int16 // the blobs that were read
	trouble []error
	more    int // errors beyond troubleMost
	entries int // so far
}

// stream is a call by its engine and number.
type stream struct {
	engine string
	n      int
}

// recorded is one call of an engine, as its lines tell of it.
type recorded struct {
	n     int
	newer bool // of a format that is not known
	lines []timed
}

type timed struct {
	now   time.Duration
	place int // in the log
	line
}

func read(log iter.Seq2[record.Entry, error], blob func(string) ([]byte, error)) (*Cassette, error) {
	r := reader{c: &Cassette{}, calls: map[string][]*recorded{}, known: map[stream]*recorded{}, blob: blob, sounds: map[string][]int16{}}
	for e, err := range log {
		if err != nil {
			r.fail(err)
			continue
		}
		r.entries++
		r.entry(e)
	}
	if r.entries == 0 && len(r.trouble) > 0 {
		return nil, errors.Join(r.trouble...)
	}
	for _, call := range r.calls[thinks] {
		r.c.answers = append(r.c.answers, newAnswer(call))
	}
	for _, call := range r.calls[speaks] {
		r.c.phrases = append(r.c.phrases, r.speech(call)...)
	}
	for _, call := range r.calls[hears] {
		r.c.heard.add(call)
	}
	r.c.heard.sort()
	if r.more > 0 {
		r.trouble = append(r.trouble, fmt.Errorf("and %d errors more", r.more))
	}
	return r.c, errors.Join(r.trouble...)
}

func (r *reader) fail(err error) {
	if len(r.trouble) == troubleMost {
		r.more++
		return
	}
	r.trouble = append(r.trouble, err)
}

func (r *reader) entry(e record.Entry) {
	switch {
	case e.Kind == record.Tape:
		r.line(e)
	case e.Kind == record.Gap && e.Of == record.Tape:
		r.fail(fmt.Errorf("%d lines of the tape from %v to %v were not kept: %s", e.Count, e.At, e.Now, e.Name))
	case e.Kind == record.Score && e.Name == voiceScore:
		r.c.scores = append(r.c.scores, vad.Score{At: e.At, Voice: e.Value})
	case e.Kind == record.Score && e.Name == finishedScore:
		r.c.finished = append(r.c.finished, finished{e.Now, e.Value})
	}
}

func (r *reader) line(e record.Entry) {
	l, err := parse(e.Raw)
	if err != nil {
		r.fail(fmt.Errorf("tape, line %d at %v: %w", e.Seq, e.Now, err))
		return
	}
	switch l.Engine {
	case hears, thinks, speaks:
	default:
		return // of a program that has more engines
	}
	call := r.known[stream{l.Engine, l.Stream}]
	if call == nil {
		call = &recorded{n: l.Stream}
		r.known[stream{l.Engine, l.Stream}] = call
		r.calls[l.Engine] = append(r.calls[l.Engine], call)
	}
	if l.Open != nil && l.Open.V > version {
		r.fail(fmt.Errorf("tape, line %d at %v: call %d of %s has format %d, and this program knows %d: it is left out",
			e.Seq, e.Now, l.Stream, l.Engine, l.Open.V, version))
		call.newer = true
	}
	if !call.newer {
		call.lines = append(call.lines, timed{e.Now, r.entries, l})
	}
}

// pcm is the samples of a blob; nil if they cannot be read.
func (r *reader) pcm(name string) []int16 {
	if pcm, ok := r.sounds[name]; ok || name == "" {
		return pcm
	}
	content, err := r.blob(name)
	var pcm []int16
	if err == nil {
		if pcm, err = unpackPCM(content); err != nil {
			err = fmt.Errorf("read blob %.80q: %w", name, err)
		}
	}
	if err != nil {
		r.fail(fmt.Errorf("the voice will be silent there: %w", err))
	}
	r.sounds[name] = pcm
	return pcm
}

// Miss is something an engine was asked that the recorded one was not. As an error, under [Strict], it is
// provider.ErrBadRequest.
type Miss struct {
	Engine string // "stt", "llm", "tts", "vad"
	Call   int    // of the engine that plays, counted from 1
	Asked  string // shortened
	Used   string // what was given instead; empty: nothing
	Why    string // the first difference from what was recorded
}

// Misses are what the engines were asked that the recorded ones were not, in order.
func (c *Cassette) Misses() []Miss {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.misses)
}

// missMost is how many misses are kept: a conversation that has gone another way has enough of them.
const missMost = 1000

func (c *Cassette) miss(m Miss) *Miss {
	m.Asked, m.Used = clip(m.Asked, 200), clip(m.Used, 200)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.misses) < missMost {
		c.misses = append(c.misses, m)
	}
	return &m
}
