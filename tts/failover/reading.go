package failover

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// reading is one voice's way through the text.
type reading struct {
	link    int
	asks    bool // for the next phrase
	over    bool // it was told that there are no more
	sounded bool // since its last phrase
	next    place

	base time.Duration // where its sound begins in the speech
	rate int
	n    int           // samples of that rate
	made time.Duration // sound of other rates before

	start place         // the phrases from here to next are what the sound since then says
	since time.Duration // of its own sound
	ahead bool          // it asks for phrases before it has spoken those before: when it asks tells nothing
	pace  pace
	words words
}

// reading begins one at s.from.
func (s *speech) reading(link int) *reading {
	return &reading{link: link, next: s.from, start: s.from, base: s.given, words: words{at: s.from}}
}

// sound is how much it has made.
func (r *reading) sound() time.Duration { return r.made + media.Samples(r.n, r.rate) }

// read is what a voice says of the text, on the timeline of the whole speech.
func (s *speech) read(ctx context.Context, r *reading) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		for a, err := range s.voices[r.link].Speak(ctx, s.source(r)) {
			if err == nil {
				a, err = s.placed(r, a)
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
		s.mu.Lock()
		over, mute := r.over, false
		for range s.runes(r.start, r.next) {
			mute = r.sound() == 0
			break
		}
		s.mu.Unlock()
		switch {
		case !over:
			yield(tts.Audio{}, fmt.Errorf("the voice ended before its text: %w", provider.ErrTruncated))
		case mute:
			yield(tts.Audio{}, fmt.Errorf("the voice gave no sound: %w", provider.ErrTruncated))
		}
	}
}

// placed is a frame with its place in the speech.
func (s *speech) placed(r *reading, a tts.Audio) (tts.Audio, error) {
	if len(a.PCM) > 0 && (a.Rate < 8000 || a.Rate > 48000 || a.Rate%25 != 0) { // others no resampler has filters for
		return tts.Audio{}, fmt.Errorf("sound of %d Hz, multiples of 25 from 8000 to 48000 are taken: %w", a.Rate, provider.ErrUnavailable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range a.Words {
		r.words.tell(w, r.next, s.text.At)
	}
	a.At = r.base + r.sound()
	if r.base > 0 && len(a.Words) > 0 { // they are the voice's own
		words := make([]tts.Word, len(a.Words))
		for i, w := range a.Words {
			words[i] = tts.Word{Text: w.Text, Start: r.base + w.Start, End: r.base + w.End}
		}
		a.Words = words
	}
	if len(a.PCM) == 0 {
		return a, nil
	}
	if a.Rate != r.rate {
		r.made, r.n, r.rate = r.sound(), 0, a.Rate
	}
	r.n += len(a.PCM)
	r.sounded = true
	return a, nil
}

// source is the text as a voice is given it.
func (s *speech) source(r *reading) func(context.Context) iter.Seq[string] {
	return func(ctx context.Context) iter.Seq[string] {
		return func(yield func(string) bool) {
			for {
				p, ok := s.pull(ctx, r)
				if !ok || !yield(p) {
					return
				}
			}
		}
	}
}

// pull is the next phrase for a voice; false at the end.
func (s *speech) pull(ctx context.Context, r *reading) (string, bool) {
	s.asks(r)
	p, ok := s.text.Next(ctx, r.next.phrase)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok && ctx.Err() != nil {
		return "", false
	}
	r.asks, r.over = false, !ok
	if ok {
		p = p[r.next.byte:]
		if r.start == r.next {
			r.since = r.sound()
		}
		r.next = place{phrase: r.next.phrase + 1}
		r.sounded = false
	}
	s.await()
	return p, ok
}

// asks takes note that a voice asks for a phrase: most have said all of those before then.
func (s *speech) asks(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.asks = true
	letters := 0
	for _, w := range s.runes(r.start, r.next) {
		letters += w
	}
	sound := r.sound() - r.since
	if 2*sound < r.pace.of(letters) {
		r.ahead = true
	}
	if !r.ahead {
		r.pace.learn(letters, sound)
		r.start = r.next
		r.words.pass(r.start)
	}
	s.rest()
}

// reached is the place up to which what a reading has made says the text; it is where another voice goes on.
func (s *speech) reached(r *reading) place {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, told := r.words.until(r.sound(), r.start)
	if !told {
		at = s.estimate(r)
	}
	p, _ := s.text.At(at.phrase)
	switch rest := p[min(at.byte, len(p)):]; {
	case at.byte == 0:
		return at
	case !speakable(rest):
		return place{phrase: at.phrase + 1}
	default:
		at.byte += len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
		return at
	}
}

// estimate is the beginning of the word that is being said by the length of what was said, or of one before. s.mu is held.
func (s *speech) estimate(r *reading) place {
	best, letters := r.start, 0
	sound := (r.sound() - r.since) * 9 / 10 // no two phrases are of the same pace
	for at, w := range s.runes(r.start, r.next) {
		if r.pace.of(letters) > sound {
			break
		}
		if at.begins {
			best = at.place
		}
		letters += w
	}
	return best
}
