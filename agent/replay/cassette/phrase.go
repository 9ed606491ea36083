package cassette

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"parley/media"
	"parley/tts"
)

// phrase is what the voice made of a text once.
type phrase struct {
	n      int // the call that it was said in
	text   string
	bare   bool // no text: the call failed before it was given any
	rate   int  // 0: it made no sound
	sounds []piece
	whole  bool
	fails  error         // the call failed in it
	rest   time.Duration // from its last sound to that
}

// piece is a frame of a phrase.
type piece struct {
	after   time.Duration
	samples int
	pcm     []int16    // nil: not kept
	words   []tts.Word // counted from the phrase's beginning
}

// speech is the phrases of a call. Sound that a voice made while it already had the next phrase counts for that.
func (r *reader) speech(call *recorded) (all []*phrase) {
	var p *phrase
	var at, begin time.Duration // on the call's timeline: so far, and where p begins
	told := 0                   // sounds of p that a spoken line has told of
	for _, l := range call.lines {
		switch {
		case l.Phrase != nil:
			p, begin, told = &phrase{n: call.n, text: spaced(*l.Phrase)}, at, 0
			all = append(all, p)
		case l.Sound != nil && p != nil:
			p.add(l.Sound, begin)
			at += media.Samples(l.Sound.Samples, l.Sound.Rate)
		case l.Spoken != nil && p != nil:
			p.whole = p.whole || l.Spoken.Whole
			pcm := r.pcm(l.Spoken.Blob)
			for ; told < len(p.sounds); told++ {
				if s := &p.sounds[told]; s.samples <= len(pcm) {
					s.pcm, pcm = pcm[:s.samples], pcm[s.samples:]
				}
			}
		case l.End != nil && !l.End.Cut:
			if p == nil {
				p = &phrase{n: call.n, bare: true}
				all = append(all, p)
			}
			p.whole, p.fails, p.rest = true, l.End.failure(), l.End.After
		}
	}
	return all
}

func (p *phrase) add(s *sound, begin time.Duration) {
	if p.rate == 0 {
		p.rate = s.Rate
	}
	piece := piece{after: s.After, samples: s.Samples}
	for _, w := range s.Words {
		piece.words = append(piece.words, tts.Word{Text: w.Text, Start: w.Start - begin, End: w.End - begin})
	}
	p.sounds = append(p.sounds, piece)
}

// Voice is the recorded voice. It says a phrase that was recorded as it was said then, those of the call's rate first, and a phrase
// whose sound was not kept as silence of the same length. Under [Nearest] case and punctuation do not count, and what was not
// recorded is said by otherwise, at whatever rate that has; without an otherwise, and under [Strict], that is an error.
func (c *Cassette) Voice(p Policy, otherwise tts.Voice) tts.Voice {
	v := &playedVoice{c: c, policy: p, otherwise: otherwise, given: map[string]int{}}
	return tts.VoiceFunc(v.speak)
}

type playedVoice struct {
	c         *Cassette
	policy    Policy
	otherwise tts.Voice

	mu    sync.Mutex
	calls int
	given map[string]int // how many recordings of each text
}

func (v *playedVoice) speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		s := playedSpeech{playedVoice: v, yield: yield}
		v.mu.Lock()
		v.calls++
		s.call = v.calls
		v.mu.Unlock()
		err := s.early(own)
		if err == nil {
			for p := range text(own) {
				if err = s.phrase(own, p); err != nil || s.left {
					break
				}
			}
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil && !s.left {
			yield(tts.Audio{}, err)
		}
	}
}

// playedSpeech is one call to Speak.
type playedSpeech struct {
	*playedVoice
	call  int
	yield func(tts.Audio, error) bool
	left  bool // the consumer left the loop
	rate  int  // 0: no sound yet
	at    time.Duration
	buf   []int16
}

// early is the error of a call that failed before it was given anything to say.
func (s *playedSpeech) early(ctx context.Context) error {
	for _, p := range s.c.phrases {
		if p.bare && p.fails != nil && p.n == s.call {
			if err := wait(ctx, p.rest); err != nil {
				return err
			}
			return p.fails
		}
	}
	return context.Cause(ctx)
}

// phrase says a phrase.
func (s *playedSpeech) phrase(ctx context.Context, text string) error {
	p := s.find(text)
	if p == nil {
		return s.missing(ctx, text)
	}
	begin := s.at
	for _, sound := range p.sounds {
		if err := wait(ctx, sound.after); err != nil {
			return err
		}
		s.buf = append(s.buf[:0], make([]int16, sound.samples)...)
		copy(s.buf, sound.pcm)
		a := tts.Audio{Frame: media.Frame{Rate: p.rate, PCM: s.buf}}
		for _, w := range sound.words {
			a.Words = append(a.Words, tts.Word{Text: w.Text, Start: begin + w.Start, End: begin + w.End})
		}
		if s.say(a); s.left {
			return nil
		}
	}
	if p.fails != nil {
		if err := wait(ctx, p.rest); err != nil {
			return err
		}
		return p.fails
	}
	if p.whole {
		return nil
	}
	if err := wait(ctx, grace); err != nil {
		return err
	}
	miss := s.c.miss(Miss{Engine: speaks, Call: s.call, Asked: text, Why: fmt.Sprintf("call %d was cut short in this phrase by its caller", p.n)})
	if s.policy == Strict {
		return miss
	}
	return nil
}

// say yields a frame at its place.
func (s *playedSpeech) say(a tts.Audio) {
	a.At, s.rate = s.at, a.Rate
	s.at += a.Duration()
	s.left = !s.yield(a, nil)
}

// missing says what was not recorded.
func (s *playedSpeech) missing(ctx context.Context, text string) error {
	m := Miss{Engine: speaks, Call: s.call, Asked: text, Why: fmt.Sprintf("%q was never said", clip(text, 80))}
	if s.policy == Strict || s.otherwise == nil {
		return s.c.miss(m)
	}
	m.Used = "the other voice"
	s.c.miss(m)
	begin := s.at
	for a, err := range s.otherwise.Speak(ctx, media.Of(text)) {
		if err != nil {
			return err
		}
		words := a.Words
		a.Words = nil
		for _, w := range words {
			a.Words = append(a.Words, tts.Word{Text: w.Text, Start: begin + w.Start, End: begin + w.End})
		}
		if s.say(a); s.left {
			break
		}
	}
	return nil
}

// find is the recording of a text that is due; nil if there is none. Those that were said to their end come first, then
// those of the call's rate.
func (s *playedSpeech) find(text string) *phrase {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := s.fitting(func(p *phrase) bool { return p.text == spaced(text) })
	if len(best) == 0 && s.policy == Nearest && key(text) != "" {
		best = s.fitting(func(p *phrase) bool { return key(p.text) == key(text) })
	}
	if len(best) == 0 {
		return nil
	}
	id := fmt.Sprint(best[0].n, best[0].rate, best[0].text)
	p := best[min(s.given[id], len(best)-1)]
	s.given[id]++
	return p
}

func (s *playedSpeech) fitting(fits func(*phrase) bool) (best []*phrase) {
	most := 0
	for _, p := range s.c.phrases {
		if p.bare || !fits(p) {
			continue
		}
		worth := 1
		if p.whole {
			worth += 2
		}
		if s.rate == 0 || p.rate == 0 || p.rate == s.rate {
			worth++
		}
		if worth > most {
			best, most = nil, worth
		}
		if worth == most {
			best = append(best, p)
		}
	}
	return best
}
