// Package local is a voice that runs on this computer: a Piper voice on ONNX Runtime, its phonemes from
// espeak-ng, which runs as a child process; without a Piper voice espeak-ng speaks itself.
//
// A phrase is cleaned of what is meant for the eye (markup, addresses, pictures), cut into sentences, and
// each sentence is synthesized as one: 15 words take about a third of a second on one thread, and
// nothing of it can be heard before. So short phrases answer fast. Silence before the first sound is cut
// to 10 ms, silence after the last to what the punctuation asks for, and every sentence is brought to the
// same loudness.
package local

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os/exec"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// frame is how long one frame of speech is: a consumer can stop after each.
const frame = 40 * time.Millisecond

// What is left of silence: before the first sound, inside, and after the last by the mark that ends a
// chunk.
const (
	leadIn       = 10 * time.Millisecond
	inside       = 260 * time.Millisecond
	afterNothing = 30 * time.Millisecond
	afterClause  = 120 * time.Millisecond
	afterEnd     = 220 * time.Millisecond
)

// Options says what a Voice is made of.
type Options struct {
	Library string // path of libonnxruntime.so; not needed without a Model
	Model   string // path of a Piper voice, *.onnx, with *.onnx.json beside it; empty: espeak-ng's own voice
	Espeak  string // path or name of the program espeak-ng; empty: espeak-ng on the PATH
}

// Voice speaks English. Safe for concurrent use: one value serves every call, and every phrase under way
// takes one thread.
type Voice struct {
	espeak string
	piper  *piper // nil: espeak-ng speaks
}

// New loads a voice. It fails if a file or espeak-ng is missing or the voice cannot be used.
func New(o Options) (*Voice, error) {
	if o.Espeak == "" {
		o.Espeak = "espeak-ng"
	}
	path, err := exec.LookPath(o.Espeak)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w (install the package espeak-ng)", o.Espeak, err)
	}
	v := &Voice{espeak: path}
	if o.Model == "" {
		return v, nil
	}
	if v.piper, err = loadPiper(o.Library, o.Model); err != nil {
		return nil, err
	}
	return v, nil
}

// Close frees the voice. No call may be under way or follow.
func (v *Voice) Close() error {
	if v.piper == nil {
		return nil
	}
	return v.piper.session.Close()
}

// Warm speaks a few words to nobody: the first synthesis after loading is slower than the others.
func (v *Voice) Warm(ctx context.Context) error {
	for _, err := range v.Speak(ctx, media.Of("Hello, how are you?")) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Rate is the rate of the voice's audio, in samples a second.
func (v *Voice) Rate() int {
	if v.piper == nil {
		return espeakRate
	}
	return v.piper.rate
}

// Speak speaks every string as one or more sentences, in frames of at most 40 ms. A string without
// anything to be said gives no audio. The end of ctx stops a synthesis under way within milliseconds.
// Words are those of the cleaned text; their times are estimated, in proportion to their phonemes, and
// each comes with the frame that it begins in.
func (v *Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, cancel := context.WithCancel(ctx)
		defer cancel()
		s := speech{voice: v, yield: yield}
		defer s.close()
		err := s.ready(own)
		if err == nil {
			for phrase := range text(own) {
				if err = s.phrase(own, phrase); err != nil {
					break
				}
			}
		}
		switch {
		case errors.Is(err, errLeft):
		case ctx.Err() != nil:
			yield(tts.Audio{}, context.Cause(ctx))
		case err != nil:
			yield(tts.Audio{}, err)
		}
	}
}

var errLeft = errors.New("the loop was left")

// speech is the state of one call to Speak.
type speech struct {
	voice *Voice
	yield func(tts.Audio, error) bool
	spare *speller // started, waiting for text; nil when espeak-ng speaks itself
	n     int      // samples so far
}

// ready starts the process that the next chunk will need.
func (s *speech) ready(ctx context.Context) (err error) {
	if s.voice.piper != nil {
		s.spare, err = startSpeller(ctx, s.voice.espeak, s.voice.piper.language)
	}
	return err
}

func (s *speech) close() {
	if s.spare != nil {
		s.spare.close()
	}
}

func (s *speech) phrase(ctx context.Context, text string) error {
	for _, chunk := range chunks(text) {
		pcm, ipa, err := s.synthesize(ctx, chunk)
		if err != nil {
			return err
		}
		if err := s.say(ctx, chunk, ipa, pcm); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// synthesize makes a chunk's samples and, where they are known, its phonemes.
func (s *speech) synthesize(ctx context.Context, chunk []clause) ([]float32, []string, error) {
	p := s.voice.piper
	if p == nil {
		pcm, err := speakPlain(ctx, s.voice.espeak, chunk)
		return pcm, make([]string, len(chunk)), err
	}
	spare := s.spare
	s.spare = nil
	ipa, err := spare.spell(chunk)
	if err != nil {
		return nil, nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, nil, err
	}
	pcm, err := p.run(ctx, p.numbers(chunk, ipa))
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("synthesize speech: %w: %w", provider.ErrUnavailable, err)
	}
	return pcm, ipa, err
}

// say yields a chunk's samples in frames, each word with the frame it begins in.
func (s *speech) say(ctx context.Context, chunk []clause, ipa []string, raw []float32) error {
	rate := s.voice.Rate()
	tail := silence(chunk[len(chunk)-1].mark)
	raw = squeeze(trim(raw, count(leadIn, rate), count(tail, rate)), count(inside, rate))
	pcm := level(raw, count(frame, rate))
	start := media.Samples(s.n, rate)
	words := wordTimes(chunk, ipa, start, start+max(0, media.Samples(len(pcm), rate)-tail))
	for size := count(frame, rate); len(pcm) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(size, len(pcm))
		f := media.Frame{At: media.Samples(s.n, rate), Rate: rate, PCM: pcm[:n]}
		s.n += n
		pcm = pcm[n:]
		told := 0
		for told < len(words) && (words[told].Start < media.Samples(s.n, rate) || len(pcm) == 0) {
			told++
		}
		if !s.yield(tts.Audio{Frame: f, Words: words[:told:told]}, nil) {
			return errLeft
		}
		words = words[told:]
	}
	return nil
}

func silence(mark byte) time.Duration {
	switch mark {
	case 0:
		return afterNothing
	case '.', '!', '?':
		return afterEnd
	}
	return afterClause
}

func count(d time.Duration, rate int) int { return int(d * time.Duration(rate) / time.Second) }
