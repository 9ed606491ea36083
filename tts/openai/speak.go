package openai

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

const (
	frame   = media.FrameDuration   // of what is yielded, but for the end of a phrase
	most    = 48000 / 50            // samples of a frame
	goodbye = 50 * time.Millisecond // for the end of the body, once the sound has ended
)

var errLeft = errors.New("the loop was left")

// Speak follows the contract of package tts. Frames are of 20 ms, the last of a phrase shorter. Errors
// are those of package provider: [*provider.Error], [*provider.Timeout], or one that wraps a class.
func (v *Voice) Speak(ctx context.Context, text media.Source[string]) iter.Seq2[tts.Audio, error] {
	return func(yield func(tts.Audio, error) bool) {
		own, watch := provider.NewWatch(ctx, v.o.Limits.Total)
		defer watch.Stop()
		s := speech{Voice: v, watch: watch, yield: yield}
		err := s.all(ctx, own, text)
		switch {
		case err == errLeft:
		case ctx.Err() != nil:
			yield(tts.Audio{}, context.Cause(ctx))
		case err != nil:
			yield(tts.Audio{}, err)
		}
	}
}

// speech is the state of one call to Speak.
type speech struct {
	*Voice
	watch *provider.Watch
	yield func(tts.Audio, error) bool
	rate  int // 0 before the first sound
	n     int // samples so far
	raw   [2 * most]byte
	pcm   [most]int16
}

func (s *speech) all(ctx, own context.Context, text media.Source[string]) error {
	for phrase := range text(own) {
		for _, part := range parts(phrase, maxInput) {
			if err := s.say(ctx, own, part); err != nil {
				return err
			}
		}
	}
	return nil
}

// say has a text spoken.
func (s *speech) say(ctx, own context.Context, text string) error {
	defer s.watch.Rest()
	s.watch.Await("first sound", s.o.Limits.First)
	x := &provider.Exchange{HTTP: s.http}
	if s.o.Events {
		x.Amend = eventful
	}
	err := s.answer(own, x, text)
	if err == nil || err == errLeft {
		return err
	}
	return x.Fail(ctx, own, "speak with "+strconv.Quote(s.o.Model), s.o.Key, err)
}

func (s *speech) answer(ctx context.Context, x *provider.Exchange, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := s.client(x).CreateSpeech(ctx, s.request(text))
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // its error says nothing that the sound did not
	sound, rate, err := open(body, body.Header().Get("Content-Type"), s.o.Rate)
	switch {
	case err != nil:
		return err
	case s.n > 0 && rate != s.rate:
		return &provider.Error{Class: provider.ErrUnavailable, Text: fmt.Sprintf("sound of %d Hz came after some of %d Hz", rate, s.rate)}
	}
	s.rate = rate
	if err := s.play(sound); err != nil {
		return err
	}
	s.watch.Rest()
	late := time.AfterFunc(goodbye, cancel)
	_, _ = io.CopyN(io.Discard, body, provider.MaxErrorBody) // only for the connection's sake
	late.Stop()
	return nil
}

// play yields a sound as it comes.
func (s *speech) play(sound io.Reader) error {
	size := 2 * int(frame*time.Duration(s.rate)/time.Second)
	for {
		n, err := 0, error(nil)
		for n < size && err == nil {
			var k int
			k, err = sound.Read(s.raw[n:size])
			n += k
		}
		if n > 1 {
			s.watch.Rest()
			if !s.frame(n / 2) {
				return errLeft
			}
			s.watch.Await("next sound", s.o.Limits.Gap)
		}
		switch {
		case err == io.EOF && n%2 == 0:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// frame yields the first n samples of raw; false when the loop was left.
func (s *speech) frame(n int) bool {
	for i := range n {
		s.pcm[i] = int16(binary.LittleEndian.Uint16(s.raw[2*i:]))
	}
	f := media.Frame{At: media.Samples(s.n, s.rate), Rate: s.rate, PCM: s.pcm[:n]}
	s.n += n
	return s.yield(tts.Audio{Frame: f}, nil)
}
