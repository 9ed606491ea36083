// Package ttstest proves that a voice keeps the contract of package stt, in the manner of
// testing/slogtest: the test of every adapter calls [Run].
package ttstest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/tts"
)

// Options say what is tested and with what.
type Options struct {
	// New makes the voice under test, once a check.
	New func(t testing.TB) tts.Voice
	// Phrases is what it says; nil is two short phrases in English.
	Phrases []string
	// Heard says what is wrong with the speech of Phrases, all its samples at its rate; nil accepts all
	// that is not silent.
	Heard func(rate int, pcm []int16) error
	// Broken makes a voice whose provider fails at once or after a while, without new input; nil leaves
	// that check out.
	Broken func(t testing.TB) tts.Voice
	// Release frees what calls rightly share, such as idle connections; nil if nothing.
	Release func()
	// Patience is how long a call may take; 0 is 10 s.
	Patience time.Duration
}

// Run tests the voice in subtests of t.
func Run(t *testing.T, o Options) { streamtest.Run(t, checks(o)) }

func checks(o Options) []streamtest.Check {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if len(o.Phrases) == 0 {
		o.Phrases = []string{"Good morning, how are you? ", "It is a quarter past nine."}
	}
	if o.Heard == nil {
		o.Heard = audible
	}
	list := o.subject(false).Checks()
	for _, c := range o.subject(true).Checks() {
		if c.Name == "whole answer" || c.Name == "concurrent calls" {
			continue // a held call has no end
		}
		list = append(list, streamtest.Check{Name: c.Name + ", input held", Run: c.Run})
	}
	return append(list, []streamtest.Check{
		{Name: "a phrase is spoken before the next is given", Run: o.prompt},
		{Name: "phrases with nothing to say", Run: o.blank},
		{Name: "any script", Run: o.scripts},
		{Name: "provider fails while the input is silent", Run: o.broken},
	}...)
}

// subject is the voice saying the phrases, after which the input ends or waits for ever.
func (o Options) subject(hold bool) streamtest.Subject[tts.Audio] {
	return streamtest.Subject[tts.Audio]{
		New: func(t testing.TB) func(context.Context) streamtest.Call[tts.Audio] {
			v := o.New(t)
			return func(ctx context.Context) streamtest.Call[tts.Audio] {
				f := &streamtest.Feed[string]{Items: o.Phrases, Hold: hold}
				return streamtest.Call[tts.Audio]{Stream: v.Speak(ctx, f.Source), Input: f}
			}
		},
		Whole:    func(items []tts.Audio) error { return sane(items, o.Heard) },
		Held:     hold,
		Keep:     keep,
		Release:  o.Release,
		Patience: o.Patience,
	}
}

func keep(a tts.Audio) tts.Audio {
	a.PCM, a.Words = slices.Clone(a.PCM), slices.Clone(a.Words)
	return a
}

// sane checks the audio of one whole call.
func sane(items []tts.Audio, heard func(int, []int16) error) error {
	if len(items) == 0 {
		return errors.New("no audio")
	}
	rate := items[0].Rate
	var pcm []int16
	var words []tts.Word
	for i, a := range items {
		switch at := media.Samples(len(pcm), rate); {
		case a.Rate != rate || rate < 8000 || rate > 48000:
			return fmt.Errorf("frame %d has the rate %d after %d: one rate a call, from 8000 to 48000", i, a.Rate, rate)
		case len(a.PCM) == 0:
			return fmt.Errorf("frame %d has no samples", i)
		case (a.At - at).Abs() > time.Millisecond:
			return fmt.Errorf("frame %d is at %v, and before it came %v", i, a.At, at)
		}
		pcm = append(pcm, a.PCM...)
		words = append(words, a.Words...)
	}
	at := time.Duration(0)
	for _, w := range words {
		if strings.TrimSpace(w.Text) == "" || w.Start < at || w.End < w.Start || w.End > media.Samples(len(pcm), rate)+time.Millisecond {
			return fmt.Errorf("word %q from %v to %v, after %v, in %v of speech", w.Text, w.Start, w.End, at, media.Samples(len(pcm), rate))
		}
		at = w.Start
	}
	return heard(rate, pcm)
}

// audible accepts what is as loud as speech somewhere.
func audible(_ int, pcm []int16) error {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	if rms := math.Sqrt(sum / float64(len(pcm))); rms < 100 {
		return fmt.Errorf("%d samples of RMS %.0f: silence", len(pcm), rms)
	}
	return nil
}

// spoken runs a call that ends by itself; see, if not nil, is given every frame.
func (o Options) spoken(t testing.TB, f *streamtest.Feed[string], see func(tts.Audio)) []tts.Audio {
	t.Helper()
	v := o.New(t)
	leaks := streamtest.Leaks(t, o.Release)
	kept := func(a tts.Audio) tts.Audio {
		if see != nil {
			see(a)
		}
		return keep(a)
	}
	c := streamtest.Call[tts.Audio]{Stream: v.Speak(context.Background(), f.Source), Input: f}
	out := streamtest.Loop(c, kept, 2*o.Patience, streamtest.All)
	out.Sound(t)
	if out.Err != nil {
		t.Fatalf("error %v", out.Err)
	}
	f.After(t)
	leaks()
	return out.Items
}

// prompt gives the second phrase only when most of the first one's audio has come.
func (o Options) prompt(t testing.TB) {
	var alone time.Duration
	for _, a := range o.spoken(t, &streamtest.Feed[string]{Items: o.Phrases[:1]}, nil) {
		alone += a.Duration()
	}
	var mu sync.Mutex
	var spoken time.Duration
	enough, late := make(chan struct{}), false
	f := &streamtest.Feed[string]{Items: []string{o.Phrases[0], o.Phrases[len(o.Phrases)-1]}}
	f.Gate = func(ctx context.Context, next int) {
		if next == 0 {
			return
		}
		select {
		case <-enough:
		case <-ctx.Done():
		case <-time.After(o.Patience):
			mu.Lock()
			late = true
			mu.Unlock()
		}
	}
	o.spoken(t, f, func(a tts.Audio) {
		before := spoken
		spoken += a.Duration()
		if before < alone*2/3 && spoken >= alone*2/3 {
			close(enough)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	if late {
		t.Errorf("of %v of speech of the first phrase too little came before the second was given", alone)
	}
}

func (o Options) blank(t testing.TB) {
	f := &streamtest.Feed[string]{Items: []string{"", " ", "\n", "…", "—!", o.Phrases[0], ""}}
	if err := sane(o.spoken(t, f, nil), audible); err != nil {
		t.Error(err)
	}
	o.spoken(t, &streamtest.Feed[string]{}, nil)
}

// scripts says what may not be in the voice's language, and no text at all: it need not be heard, but is
// no error.
func (o Options) scripts(t testing.TB) {
	f := &streamtest.Feed[string]{Items: []string{"e\u0301te\u0301", "日本語です。", "👩‍👩‍👧 yes", "שלום", "a\xffb", o.Phrases[0]}}
	if err := sane(o.spoken(t, f, nil), audible); err != nil {
		t.Error(err)
	}
}

func (o Options) broken(t testing.TB) {
	if o.Broken == nil {
		return
	}
	v := o.Broken(t)
	leaks := streamtest.Leaks(t, o.Release)
	f := &streamtest.Feed[string]{Items: o.Phrases, Hold: true}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := streamtest.Call[tts.Audio]{Stream: v.Speak(ctx, f.Source), Input: f}
	out := streamtest.Loop(c, keep, o.Patience, streamtest.All)
	out.Sound(t)
	if out.Err == nil || errors.Is(out.Err, context.Canceled) {
		t.Errorf("error %v of a provider that failed", out.Err)
	}
	f.After(t)
	leaks()
}
