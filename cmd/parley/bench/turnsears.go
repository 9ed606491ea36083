package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/agent/replay/whatif"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/internal/models"
	"parley/internal/onnx"
	"parley/media"
	"parley/stt"
)

// What engines take that are not measured here, and how the recognizer hears.
const (
	soundTakes   = 60 * time.Millisecond   // the end-of-turn model
	partialTakes = 43 * time.Millisecond   // a partial text
	partialEvery = 500 * time.Millisecond  //
	partialLate  = 150 * time.Millisecond  // so much of the end is not yet in it
	wordTail     = 60 * time.Millisecond   // of a word, that need not be heard to know it
	sameBreath   = 1200 * time.Millisecond // words this soon after others are one result with them
)

// neural are the models of a real call.
type neural struct {
	detector vad.Detector
	finisher vad.Finisher
	close    func() error
}

func openNeural() (*neural, error) {
	at := func(file string) string { return filepath.Join(models.Dir(), file) }
	missing := func(err error) error {
		return fmt.Errorf("%w (the models are fetched with: parley models fetch)", err)
	}
	if err := onnx.Open(at(models.RuntimeFile)); err != nil {
		return nil, missing(err)
	}
	silero, err := vad.NewSilero(at(models.SileroFile))
	if err != nil {
		return nil, missing(err)
	}
	smart, err := vad.NewSmartTurn(at(models.SmartTurnFile))
	if err != nil {
		return nil, missing(errors.Join(err, silero.Close()))
	}
	return &neural{vad.Gate(silero), smart, func() error { return errors.Join(silero.Close(), smart.Close()) }}, nil
}

// heardEvent is an event as the models heard it. One goroutine uses it at a time.
type heardEvent struct {
	*floorEvent
	*scored
	comes    []whatif.Moment // scores and partial texts
	finisher vad.Finisher
	failed   error
}

// scored is what the models made of a sound.
type scored struct {
	Voice  []whatif.Moment
	Sounds map[time.Duration]float32 // how finished it sounds, by where it ended
}

// hear scores the voice of an event, unless that is known.
func hear(e *floorEvent, n *neural, known *scored) (*heardEvent, error) {
	h := &heardEvent{floorEvent: e, scored: known, finisher: n.finisher}
	if known == nil {
		var err error
		if h.scored, err = voiceOf(e, n.detector); err != nil {
			return nil, err
		}
	}
	h.comes = slices.Concat(thinned(h.Voice), e.partials(h.Voice))
	sortMoments(h.comes)
	return h, nil
}

// thinned leaves out most scores of silence, as package agent does.
func thinned(all []whatif.Moment) (some []whatif.Moment) {
	var last turn.Input
	for _, v := range all {
		if in := v.In; in.Voice < 0.1 && last.Voice < 0.1 && in.Loud == last.Loud && in.At-last.At < 200*time.Millisecond {
			continue
		}
		last = v.In
		some = append(some, v)
	}
	return some
}

func voiceOf(e *floorEvent, d vad.Detector) (*scored, error) {
	out := &scored{Sounds: map[time.Duration]float32{}}
	stream := d.Open()
	sound := loudness{peak: loudFloor}
	var voiced time.Duration
	for i := 0; i < len(e.pcm); i += media.ListenRate / 50 {
		f := media.Frame{At: media.Samples(i, media.ListenRate), Rate: media.ListenRate, PCM: e.pcm[i : i+media.ListenRate/50]}
		scores, err := stream.Score(f)
		if err != nil {
			return nil, fmt.Errorf("score %s: %w", e.name, err)
		}
		for _, s := range scores {
			if s.Voice >= 0.4 {
				voiced = s.At + 80*time.Millisecond
			}
		}
		sound.hear(f, f.At < voiced)
		for _, s := range scores {
			out.Voice = append(out.Voice, whatif.Moment{Now: f.At + f.Duration(), In: turn.Input{Kind: turn.Score, At: s.At, Voice: s.Voice, Loud: sound.at}})
		}
	}
	return out, nil
}

// partials are the texts that the recognizer gives while there is a voice.
func (e *floorEvent) partials(voice []whatif.Moment) (all []whatif.Moment) {
	var told time.Duration
	for _, v := range voice {
		start, words := e.saidBy(v.Now - partialLate)
		if v.In.Voice < 0.4 || len(words) == 0 || v.Now-told < partialEvery {
			continue
		}
		told = v.Now
		all = append(all, whatif.Moment{Now: told + partialTakes, In: turn.Input{Kind: turn.Partial, Start: start, At: told, Text: e.text(words)}})
	}
	return all
}

// saidBy are the words of the present utterance that were over at a place, and where it starts.
func (e *floorEvent) saidBy(at time.Duration) (start time.Duration, words []stt.Word) {
	for i, w := range e.words {
		if w.Start >= at {
			break
		}
		if i == 0 || w.Start-e.words[i-1].End > sameBreath {
			start, words = w.Start, nil
		}
		if w.End-wordTail <= at {
			words = append(words, w)
		}
	}
	return start, words
}

// text is what a recognizer writes of these words.
func (e *floorEvent) text(words []stt.Word) string {
	var all []string
	for _, w := range words {
		all = append(all, w.Text)
	}
	s := strings.Join(all, " ")
	if last := e.words[len(e.words)-1]; e.loose && len(words) > 0 && words[len(words)-1] != last {
		s = strings.TrimRight(s, ",") + "."
	}
	return s
}

// world is the event for a machine. A recognizer takes so long to answer; blind, it writes every text as a finished sentence, so that the sound
// alone decides.
func (h *heardEvent) world(takes time.Duration, blind bool) whatif.World {
	w := whatif.World{Comes: h.comes, End: h.length()}
	final := time.Duration(-1) // where the last word was that a result ended with
	w.Text = func(now time.Duration) whatif.Moment {
		at := now.Truncate(media.FrameDuration)
		in := turn.Input{Kind: turn.Final, Start: at, At: at}
		if start, words := h.saidBy(at); len(words) > 0 {
			if end := words[len(words)-1].End; end != final || at-end <= sameBreath {
				in.Start, in.Text, final = start, h.text(words), end
			}
		}
		if blind && in.Text != "" {
			in.Text += "?"
		}
		return whatif.Moment{Now: now + takes, In: in}
	}
	w.Answer = func(turn.Decision, time.Duration) (whatif.Playout, bool) {
		return whatif.Playout{First: time.Millisecond, Long: 2 * time.Second}, true
	}
	if h.agent {
		w.Comes = append([]whatif.Moment{{In: turn.Input{Kind: turn.Said, Text: "A long answer."}}}, h.comes...)
		w.Answer = func(turn.Decision, time.Duration) (whatif.Playout, bool) {
			return whatif.Playout{First: time.Millisecond, Long: h.length()}, true
		}
		w.End = h.end + stopWithin
		return w
	}
	w.Sound = func(now time.Duration) whatif.Moment {
		at := now.Truncate(media.FrameDuration)
		p, ok := h.Sounds[at]
		if !ok && h.failed == nil {
			end := min(samplesOf(at), len(h.pcm))
			if p, h.failed = h.finisher.Finished(h.pcm[max(0, end-8*media.ListenRate):end]); h.failed == nil {
				h.Sounds[at] = p
			}
		}
		return whatif.Moment{Now: now + soundTakes, In: turn.Input{Kind: turn.Finished, P: p, At: at}}
	}
	return w
}

// each calls f for every i below n, several at a time, until ctx ends.
func each(ctx context.Context, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && failed == nil && ctx.Err() == nil
	}
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := f(i); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(failed, context.Cause(ctx))
}

// loudness knows where the caller's sound was last heard, as package agent does: what lies less than 31 dB under the loudest of the
// voice lately, and above −55 dBFS.
type loudness struct {
	peak float64
	at   time.Duration
}

const (
	loudRange  = 1259
	loudFloor  = 3400
	loudForget = 1 - 0.014
)

func (l *loudness) hear(f media.Frame, voice bool) {
	var sum float64
	for _, s := range f.PCM {
		sum += float64(s) * float64(s)
	}
	sum /= float64(max(1, len(f.PCM)))
	if voice {
		l.peak = max(sum, l.peak*loudForget, loudFloor)
	}
	if sum >= max(l.peak/loudRange, loudFloor) {
		l.at = f.At + f.Duration()
	}
}
