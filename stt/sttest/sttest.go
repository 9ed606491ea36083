// Package sttest proves that a recognizer keeps the contract of package stt, in the manner of
// testing/slogtest: the test of every adapter calls [Run].
package sttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/provider/streamtest"
	"parley/media"
	"parley/stt"
)

// Options say what is tested and with what.
type Options struct {
	// New makes the recognizer under test, once a check.
	New func(t testing.TB) stt.Recognizer
	// Speech is one utterance, mono at media.ListenRate; nil is a second of a tone, which only a stub
	// takes for speech. Frames are overwritten as soon as the recognizer has gone on.
	Speech []int16
	// Heard says what is wrong with the text of the utterance; nil accepts any text but none.
	Heard func(text string) error
	// Broken makes a recognizer whose provider fails at once or after a while, without new input; nil
	// leaves that check out.
	Broken func(t testing.TB) stt.Recognizer
	// Release frees what calls rightly share, such as idle connections; nil if nothing.
	Release func()
	// Patience is how long a call or a Final may take; 0 is 10 s.
	Patience time.Duration
	// Pace is the time between two frames of 20 ms; 0 is as fast as they are read.
	Pace time.Duration
}

const (
	base  = 10 * time.Second // where the input's timeline begins
	quiet = 400 * time.Millisecond
)

// Run tests the recognizer in subtests of t.
func Run(t *testing.T, o Options) { streamtest.Run(t, checks(o)) }

func checks(o Options) []streamtest.Check {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Heard == nil {
		o.Heard = something
	}
	if o.Speech == nil {
		o.Speech = tone()
	}
	list := o.subject(false).Checks()
	for _, c := range o.subject(true).Checks() {
		if c.Name == "whole answer" || c.Name == "concurrent calls" {
			continue // a held call has no end
		}
		list = append(list, streamtest.Check{Name: c.Name + ", input held", Run: c.Run})
	}
	return append(list, []streamtest.Check{
		{Name: "a Final for every flush", Run: o.flushes},
		{Name: "flush without voice", Run: o.silence},
		{Name: "input ends without a flush", Run: o.unflushed},
		{Name: "empty input", Run: o.empty},
		{Name: "provider fails while the input is silent", Run: o.broken},
	}...)
}

func something(text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("nothing was heard")
	}
	return nil
}

// subject is the recognizer hearing one utterance, after which the input ends or waits for ever.
func (o Options) subject(hold bool) streamtest.Subject[stt.Result] {
	return streamtest.Subject[stt.Result]{
		New: func(t testing.TB) func(context.Context) streamtest.Call[stt.Result] {
			r := o.New(t)
			return func(ctx context.Context) streamtest.Call[stt.Result] {
				f := o.feed(o.utterance(base, true))
				f.Hold = hold
				return streamtest.Call[stt.Result]{Stream: r.Recognize(ctx, f.Source), Input: f}
			}
		},
		Whole:    func(items []stt.Result) error { return sane(items, 1, o.Heard) },
		Held:     hold,
		Keep:     keep,
		Release:  o.Release,
		Patience: o.Patience,
	}
}

func keep(r stt.Result) stt.Result {
	r.Words = slices.Clone(r.Words)
	return r
}

// feed is an input of the given frames.
func (o Options) feed(frames []stt.Audio) *streamtest.Feed[stt.Audio] {
	f := &streamtest.Feed[stt.Audio]{Items: frames, Spoil: func(a stt.Audio) {
		for i := range a.PCM {
			a.PCM[i] = int16(i%2*2-1) * 20000
		}
	}}
	if o.Pace > 0 {
		f.Gate = func(ctx context.Context, _ int) {
			select {
			case <-time.After(o.Pace):
			case <-ctx.Done():
			}
		}
	}
	return f
}

// utterance is the speech between two silences, with a flush on its last frame if so asked.
func (o Options) utterance(at time.Duration, flush bool) (frames []stt.Audio) {
	frames = append(frames, still(at, quiet)...)
	at += quiet
	n := int(media.FrameDuration * media.ListenRate / time.Second)
	for pcm := range slices.Chunk(o.Speech, n) {
		f := media.Frame{At: at, Rate: media.ListenRate, PCM: slices.Clone(pcm)}
		frames = append(frames, stt.Audio{Frame: f, Voice: true})
		at += f.Duration()
	}
	frames = append(frames, still(at, quiet)...)
	frames[len(frames)-1].Flush = flush
	return frames
}

func still(at, length time.Duration) (frames []stt.Audio) {
	for d := time.Duration(0); d < length; d += media.FrameDuration {
		pcm := make([]int16, media.FrameDuration*media.ListenRate/time.Second)
		frames = append(frames, stt.Audio{Frame: media.Frame{At: at + d, Rate: media.ListenRate, PCM: pcm}})
	}
	return frames
}

// sane checks the results of one call whose input had the given number of flushes.
func sane(items []stt.Result, flushes int, heard func(string) error) error {
	var finals []stt.Result
	for i, r := range items {
		if err := possible(r); err != nil {
			return fmt.Errorf("result %d (%v): %w", i, r.Kind, err)
		}
		if r.Kind == stt.Final {
			finals = append(finals, r)
		}
	}
	if len(finals) != flushes {
		return fmt.Errorf("%d Finals for %d flushes: a Final comes for a flush, and for nothing else", len(finals), flushes)
	}
	return heard(text(items))
}

// text is what stands at the end: a Result with an earlier one's Start replaces it.
func text(items []stt.Result) string {
	at := map[time.Duration]string{}
	var starts []time.Duration
	for _, r := range items {
		if r.Kind != stt.Final {
			continue
		}
		if _, ok := at[r.Start]; !ok {
			starts = append(starts, r.Start)
		}
		at[r.Start] = r.Text
	}
	slices.Sort(starts)
	var out []string
	for _, s := range starts {
		if at[s] != "" {
			out = append(out, at[s])
		}
	}
	return strings.Join(out, " ")
}

// possible checks one result by itself.
func possible(r stt.Result) error {
	switch {
	case r.Kind > stt.Endpoint:
		return fmt.Errorf("unknown kind %d", r.Kind)
	case r.Kind == stt.Onset && r.Text != "":
		return fmt.Errorf("an Onset has no text, and here is %q", r.Text)
	case r.Start < base-time.Second || r.End < r.Start:
		return fmt.Errorf("from %v to %v is no place on an input that begins at %v", r.Start, r.End, base)
	}
	at := r.Start
	for _, w := range r.Words {
		if w.Start < at || w.End < w.Start || w.End > r.End {
			return fmt.Errorf("word %q from %v to %v, after %v, in a result that ends at %v", w.Text, w.Start, w.End, at, r.End)
		}
		at = w.Start
	}
	return nil
}

func tone() []int16 {
	pcm := make([]int16, media.ListenRate)
	for i := range pcm {
		pcm[i] = int16(i%40-20) * 400
	}
	return pcm
}
