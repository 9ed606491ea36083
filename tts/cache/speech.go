package cache

import (
	"context"
	"fmt"
	"iter"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

// line is the timeline on which several calls follow each other.
type line struct {
	base time.Duration // where this call begins
	long time.Duration // of what was yielded
}

// begin begins the next call.
func (l *line) begin() { l.base = l.long }

// place puts a frame of this call behind those before it. Its words are copied: they are its voice's, or the memory's.
func (l *line) place(a tts.Audio) tts.Audio {
	a.At = l.long
	l.long += a.Duration()
	var words []tts.Word
	for _, w := range a.Words {
		words = append(words, tts.Word{Text: w.Text, Start: w.Start + l.base, End: w.End + l.base})
	}
	a.Words = words
	return a
}

func (s *speech) speak(ctx context.Context) error {
	for !s.left {
		p, ok := s.text.Next(ctx, s.next)
		if !ok {
			return nil
		}
		s.text.Forget(s.next)
		s.line.begin()
		key, again := s.repeated(p)
		frames, known := s.known(key)
		var err error
		switch {
		case !again:
			s.over = false
			err = s.say(s.o.Voice.Speak(ctx, s.others), func(tts.Audio, error) {})
			if err == nil && !s.over && !s.left {
				err = fmt.Errorf("the voice ended before its text: %w", provider.ErrTruncated)
			}
		case known:
			s.next++
			err = s.play(ctx, frames)
		default:
			s.next++
			t := take{room: s.room()}
			if err = s.say(s.o.Voice.Speak(ctx, media.Of(p)), t.add); !s.left {
				s.keep(key, t)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// others are the phrases up to the next that is repeated.
func (s *speech) others(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			p, ok := s.text.Next(ctx, s.next)
			if !ok && ctx.Err() != nil {
				return
			}
			_, again := s.repeated(p)
			if s.over = again || !ok; s.over {
				return
			}
			s.next++
			if !yield(p) {
				return
			}
		}
	}
}

// say yields what the voice inside says; taken is told, too.
func (s *speech) say(frames iter.Seq2[tts.Audio, error], taken func(tts.Audio, error)) error {
	for a, err := range frames {
		taken(a, err)
		if err != nil {
			return err
		}
		if s.left = !s.yield(s.line.place(a), nil); s.left {
			return nil
		}
	}
	return nil
}

// play yields a phrase from memory: a copy, for the consumer may change what it is given.
func (s *speech) play(ctx context.Context, frames []tts.Audio) error {
	for _, a := range frames {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.pcm = append(s.pcm[:0], a.PCM...)
		a.PCM = s.pcm
		if s.left = !s.yield(s.line.place(a), nil); s.left {
			return nil
		}
	}
	return nil
}
