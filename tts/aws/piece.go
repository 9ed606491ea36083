package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/polly"
	"github.com/aws/aws-sdk-go-v2/service/polly/types"

	"parley/internal/provider"
	"parley/media"
	"parley/tts"
)

const (
	frame    = 20 * time.Millisecond  // of audio, at a time
	again    = 50 * time.Millisecond  // before a request is made once more
	forWords = 300 * time.Millisecond // they may come so much later than the audio
	mostMark = 1 << 20                // bytes of marks that are read
)

// piece speaks what fits a request.
func (s *speech) piece(ctx context.Context, p piece) error {
	before := s.n
	err := s.request(ctx, p)
	if said := (*provider.Error)(nil); p.ssml && s.n == before && errors.As(err, &said) && strings.Contains(strings.ToLower(said.Code), "ssml") {
		s.o.Logger.Warn("Amazon Polly refuses the SSML, its text is spoken", "err", err)
		for _, q := range split(stripped(p.text)) {
			if err := s.piece(ctx, piece{text: q}); err != nil {
				return err
			}
		}
		return nil
	}
	if s.n > before || !errors.Is(err, provider.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	s.o.Logger.Info("Amazon Polly is asked again", "err", err)
	select {
	case <-time.After(again):
		return s.request(ctx, p)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// input is the request for a piece.
func (v *Voice) input(p piece) *polly.SynthesizeSpeechInput {
	in := &polly.SynthesizeSpeechInput{
		Engine: types.Engine(v.o.Engine), VoiceId: types.VoiceId(v.o.Name), LanguageCode: types.LanguageCode(v.o.Language),
		OutputFormat: types.OutputFormatPcm, SampleRate: aws.String(strconv.Itoa(v.o.Rate)),
		Text: &p.text, TextType: types.TextTypeText,
	}
	if p.ssml {
		in.TextType = types.TextTypeSsml
	}
	return in
}

// request asks for a piece and plays it as it comes.
func (s *speech) request(ctx context.Context, p piece) error {
	ctx, cancel := context.WithCancel(ctx)
	words := s.ask(ctx, p)
	defer func() {
		cancel()
		<-words // it ends with ctx
	}()
	s.watch.Await("first audio", s.o.Limits.First)
	defer s.watch.Rest()
	if _, err := s.credentials(ctx); err != nil {
		return err
	}
	out, err := s.polly.SynthesizeSpeech(ctx, s.input(p))
	if err != nil {
		return s.failure(ctx, err)
	}
	defer func() { _ = out.AudioStream.Close() }() // its error says nothing that reading did not
	if kind := aws.ToString(out.ContentType); !strings.HasPrefix(kind, "audio/pcm") {
		return fmt.Errorf("%w: answer is not audio/pcm but %.40q", provider.ErrUnavailable, kind)
	}
	buf := make([]byte, 2*int(frame*time.Duration(s.o.Rate)/time.Second))
	begun, first := s.n, true
	for {
		n, err := fill(out.AudioStream, buf)
		if n > 0 {
			s.watch.Rest()
			if first {
				first = false
				s.words = s.await(ctx, words)
			}
			if err := s.play(buf[:n]); err != nil {
				return err
			}
			s.watch.Await("next audio", s.o.Limits.Gap)
		}
		if err != nil {
			return s.ended(ctx, err, s.n > begun)
		}
	}
}

// fill reads until buf is full or there is no more.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// ended is what the end of a body means.
func (s *speech) ended(ctx context.Context, err error, some bool) error {
	half := len(s.odd) > 0
	s.odd, s.words = nil, nil
	var late *provider.Timeout
	switch {
	case errors.As(context.Cause(ctx), &late):
		return late
	case err == io.EOF && !half:
		return nil
	case err == io.EOF:
		return fmt.Errorf("%w: it ends in the middle of a sample", provider.ErrTruncated)
	case some:
		return fmt.Errorf("%w: %w", provider.ErrTruncated, err)
	}
	return fmt.Errorf("%w: %w", provider.ErrUnavailable, err)
}

// ask fetches the times of a piece's words, if they are wanted. The channel is closed behind them.
func (s *speech) ask(ctx context.Context, p piece) <-chan []tts.Word {
	words := make(chan []tts.Word, 1)
	if !s.o.Words {
		close(words)
		return words
	}
	base := media.Samples(s.n, s.o.Rate)
	go func() { // request waits for it
		defer close(words)
		in := s.input(p)
		in.OutputFormat, in.SampleRate = types.OutputFormatJson, nil
		in.SpeechMarkTypes = []types.SpeechMarkType{types.SpeechMarkTypeWord, types.SpeechMarkTypeViseme}
		out, err := s.polly.SynthesizeSpeech(ctx, in)
		if err == nil {
			var w []tts.Word
			w, err = marks(out.AudioStream, base)
			words <- w // there is room
			_ = out.AudioStream.Close()
		}
		if err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("Amazon Polly tells no words", "err", s.failure(ctx, err))
		}
	}()
	return words
}

// await waits a little for the words: the audio is there.
func (s *speech) await(ctx context.Context, words <-chan []tts.Word) []tts.Word {
	if !s.o.Words {
		return nil
	}
	t := time.NewTimer(forWords)
	defer t.Stop()
	select {
	case w := <-words:
		return w
	case <-t.C:
	case <-ctx.Done():
	}
	return nil
}

// marks reads speech marks, a JSON object a line, whose times count from base. A word ends where the next one
// begins, and the last one where the mouth closes.
func marks(r io.Reader, base time.Duration) (words []tts.Word, err error) {
	d := json.NewDecoder(io.LimitReader(r, mostMark))
	for {
		var m struct {
			Time        float64 // ms
			Type, Value string
		}
		err := d.Decode(&m)
		if err == io.EOF {
			return words, nil
		}
		if err != nil {
			return words, fmt.Errorf("%w: malformed speech mark: %w", provider.ErrUnavailable, err)
		}
		at := base + time.Duration(min(max(m.Time, 0), 3600e3)*float64(time.Millisecond))
		if n := len(words); n > 0 {
			if at = max(at, words[n-1].Start); m.Type == "word" || m.Value == "sil" {
				words[n-1].End = at
			}
		}
		if value := strings.TrimSpace(strings.ToValidUTF8(m.Value, "")); m.Type == "word" && value != "" {
			words = append(words, tts.Word{Text: value, Start: at, End: at})
		}
	}
}
