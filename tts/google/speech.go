package google

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"cloud.google.com/go/texttospeech/apiv1/texttospeechpb"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

const (
	tries = 2                      // new ones of a phrase
	pause = 100 * time.Millisecond // before the first; the second waits twice as long
)

// speech is one call to Speak.
type speech struct {
	v     *Voice
	watch *provider.Watch
	yield func(tts.Audio, error) bool
	n     int // samples so far
	rate  int // theirs; 0 before the first
	pcm   []int16
	odd   []byte // the first half of a sample
	begun bool   // something of this phrase was heard
}

// phrase speaks one phrase.
func (s *speech) phrase(ctx context.Context, text string) error {
	s.begun = false
	marked := ssml(text)
	switch {
	case marked && s.v.stream:
		return fmt.Errorf("%w: voices that stream take no SSML", provider.ErrBadRequest)
	case marked && len(text) > mostText:
		return fmt.Errorf("%w: %d bytes of SSML, Google takes %d", provider.ErrBadRequest, len(text), mostText)
	case marked:
		return s.patiently(ctx, func() error { return s.whole(ctx, text, true) })
	case s.v.stream:
		return s.patiently(ctx, func() error { return s.stream(ctx, split(text, mostText)) })
	}
	for _, part := range split(text, mostText) {
		s.begun = false
		if err := s.patiently(ctx, func() error { return s.whole(ctx, part, false) }); err != nil {
			return err
		}
	}
	return nil
}

// patiently tries again what failed before anything was heard. No try begins later than First.
func (s *speech) patiently(ctx context.Context, try func() error) error {
	began := time.Now()
	for n := 0; ; n++ {
		err := try()
		s.watch.Rest()
		if n == tries || s.begun || ctx.Err() != nil || !errors.Is(err, provider.ErrUnavailable) {
			return err
		}
		if time.Since(began)+pause<<n >= s.v.o.Limits.First {
			return err
		}
		t := time.NewTimer(pause << n)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

func (s *speech) voice() *texttospeechpb.VoiceSelectionParams {
	return &texttospeechpb.VoiceSelectionParams{LanguageCode: s.v.o.Language, Name: s.v.o.Voice}
}

// whole speaks by one request.
func (s *speech) whole(ctx context.Context, text string, marked bool) error {
	in := &texttospeechpb.SynthesisInput{InputSource: &texttospeechpb.SynthesisInput_Text{Text: text}}
	if marked {
		in.InputSource = &texttospeechpb.SynthesisInput_Ssml{Ssml: text}
	}
	s.watch.Await("first audio", s.v.o.Limits.First)
	resp, err := s.v.client.SynthesizeSpeech(ctx, &texttospeechpb.SynthesizeSpeechRequest{
		Input: in,
		Voice: s.voice(),
		AudioConfig: &texttospeechpb.AudioConfig{
			AudioEncoding: texttospeechpb.AudioEncoding_LINEAR16, SampleRateHertz: int32(s.v.o.Rate), SpeakingRate: s.v.o.Speed,
		},
	})
	if err != nil {
		return failed(err, false)
	}
	pcm, rate, err := unwrap(resp.GetAudioContent(), s.v.o.Rate)
	if err != nil {
		return err
	}
	if s.rate != 0 && rate != s.rate {
		return odd(fmt.Sprintf("%d Hz after %d Hz", rate, s.rate))
	}
	s.odd = s.odd[:0]
	return s.say(ctx, pcm, rate)
}

// stream speaks by a stream that is half-closed when all parts are sent.
func (s *speech) stream(ctx context.Context, parts []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.watch.Await("connection", s.v.o.Limits.Connect)
	stream, err := s.v.client.StreamingSynthesize(ctx)
	if err != nil {
		return failed(err, false)
	}
	s.watch.Await("first audio", s.v.o.Limits.First)
	// Why a message could not be sent is what Recv tells.
	_ = stream.Send(&texttospeechpb.StreamingSynthesizeRequest{
		StreamingRequest: &texttospeechpb.StreamingSynthesizeRequest_StreamingConfig{StreamingConfig: &texttospeechpb.StreamingSynthesizeConfig{
			Voice: s.voice(),
			StreamingAudioConfig: &texttospeechpb.StreamingAudioConfig{
				AudioEncoding: texttospeechpb.AudioEncoding_PCM, SampleRateHertz: int32(s.v.o.Rate), SpeakingRate: s.v.o.Speed,
			},
		}},
	})
	for _, part := range parts {
		_ = stream.Send(&texttospeechpb.StreamingSynthesizeRequest{
			StreamingRequest: &texttospeechpb.StreamingSynthesizeRequest_Input{Input: &texttospeechpb.StreamingSynthesisInput{
				InputSource: &texttospeechpb.StreamingSynthesisInput_Text{Text: part},
			}},
		})
	}
	_ = stream.CloseSend()
	s.odd = s.odd[:0]
	for {
		resp, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failed(err, s.begun)
		}
		if len(resp.GetAudioContent()) == 0 {
			continue
		}
		if err := s.say(ctx, resp.GetAudioContent(), s.v.o.Rate); err != nil {
			return err
		}
		s.watch.Await("next audio", s.v.o.Limits.Gap)
	}
}

// say yields samples in frames. Half a sample at the end waits for its other half.
func (s *speech) say(ctx context.Context, data []byte, rate int) error {
	s.watch.Rest()
	if len(s.odd) > 0 && len(data) > 0 {
		data = append(s.odd, data...)
		s.odd = nil
	}
	if len(data)%2 == 1 {
		s.odd = []byte{data[len(data)-1]}
		data = data[:len(data)-1]
	}
	s.rate = rate
	most := int(2 * frame * time.Duration(rate) / time.Second)
	for len(data) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(most&^1, len(data))
		s.pcm = s.pcm[:0]
		for i := 0; i < n; i += 2 {
			s.pcm = append(s.pcm, int16(binary.LittleEndian.Uint16(data[i:])))
		}
		data = data[n:]
		f := media.Frame{At: media.Samples(s.n, rate), Rate: rate, PCM: s.pcm}
		s.n += len(s.pcm)
		s.begun = true
		if !s.yield(tts.Audio{Frame: f}, nil) {
			return errLeft
		}
	}
	return nil
}
