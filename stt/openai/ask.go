package openai

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	legacy "github.com/sashabaranov/go-openai"

	"parley/internal/provider"
	"parley/stt"
)

const (
	shortest = 200 * time.Millisecond // audio is filled up to this with silence: OpenAI refuses less than half of it
	goodbye  = 50 * time.Millisecond  // for the end of the body, once the text is there
	again    = 100 * time.Millisecond // pause before a request is sent once more
)

// heard is what a server made of an utterance.
type heard struct {
	text  string
	words []stt.Word
}

// transcribe asks for the text of an utterance, and once more if that fails for a reason that may be gone.
func (r *Recognizer) transcribe(ctx context.Context, j job, partial func(string)) (heard, error) {
	h, err := r.ask(ctx, j, partial)
	if ctx.Err() != nil || !passing(err) {
		return h, err
	}
	select {
	case <-time.After(again):
		return r.ask(ctx, j, partial)
	case <-ctx.Done():
		return h, context.Cause(ctx)
	}
}

// passing is whether the reason of err may be gone in a moment.
func passing(err error) bool {
	var late *provider.Timeout
	var said *provider.Error
	if errors.As(err, &late) || errors.As(err, &said) && said.RetryAfter > again {
		return false
	}
	return errors.Is(err, provider.ErrUnavailable) || errors.Is(err, provider.ErrTruncated)
}

func (r *Recognizer) ask(ctx context.Context, j job, partial func(string)) (h heard, err error) {
	own, watch := provider.NewWatch(ctx, r.o.Limits.Total)
	defer watch.Stop()
	watch.Await("text", r.o.Limits.First)
	x := &provider.Exchange{HTTP: r.http, Open: provider.OpenObject}
	if r.o.Stream {
		x.Open = provider.OpenEvents
		h.text, err = r.stream(own, watch, x, j, partial)
	} else {
		h, err = r.file(own, x, j)
	}
	if err != nil {
		return h, x.Fail(ctx, own, "transcribe speech with "+strconv.Quote(r.o.Model), r.o.Key, err)
	}
	return h, nil
}

// file has an utterance transcribed at once.
func (r *Recognizer) file(ctx context.Context, x *provider.Exchange, j job) (heard, error) {
	req := legacy.AudioRequest{
		Model: r.o.Model, FilePath: "speech.wav", Reader: wave{wav(j)},
		Language: r.o.Language, Prompt: r.o.Prompt, Format: legacy.AudioResponseFormatJSON,
	}
	if r.o.Words {
		req.Format = legacy.AudioResponseFormatVerboseJSON
		req.TimestampGranularities = []legacy.TranscriptionTimestampGranularity{legacy.TranscriptionTimestampGranularityWord}
	}
	resp, err := r.batch(x).CreateTranscription(ctx, req)
	h := heard{text: strings.TrimSpace(resp.Text)}
	at := j.start
	for _, w := range resp.Words {
		word := stt.Word{Text: strings.TrimSpace(w.Word), Start: place(j, w.Start, at)}
		word.End = place(j, w.End, word.Start)
		h.words, at = append(h.words, word), word.Start
	}
	return h, err
}

// place is so many seconds after the utterance's start, not before at nor after its end: servers round, and
// sometimes dream.
func place(j job, seconds float64, at time.Duration) time.Duration {
	if !(seconds < (j.end - j.start).Seconds()) { // also if it is no number
		return j.end
	}
	return max(at, j.start+time.Duration(seconds*float64(time.Second)))
}

// stream has an utterance transcribed, and tells its text as it comes.
func (r *Recognizer) stream(ctx context.Context, watch *provider.Watch, x *provider.Exchange, j job, partial func(string)) (string, error) {
	service := openai.NewAudioTranscriptionService(option.WithBaseURL(r.o.BaseURL), option.WithAPIKey(r.o.Key),
		option.WithHTTPClient(x), option.WithMaxRetries(0))
	req := openai.AudioTranscriptionNewParams{
		Model: r.o.Model, File: openai.File(wav(j), "speech.wav", "audio/wav"), ResponseFormat: openai.AudioResponseFormatJSON,
	}
	if r.o.Language != "" {
		req.Language = openai.String(r.o.Language)
	}
	if r.o.Prompt != "" {
		req.Prompt = openai.String(r.o.Prompt)
	}
	stream := service.NewStreaming(ctx, req)
	defer func() { _ = stream.Close() }() // its error says nothing that the answer did not
	var text strings.Builder
	for stream.Next() {
		e := stream.Current()
		switch {
		case e.Type == "transcript.text.delta" && e.Delta != "":
			watch.Rest()
			text.WriteString(e.Delta)
			if t := strings.TrimSpace(text.String()); t != "" {
				partial(t)
			}
			watch.Await("next text", r.o.Limits.Gap)
		case e.Type == "transcript.text.done", e.Type == "" && e.JSON.Text.Valid(): // of a server that does not stream
			watch.Await("end of the body", goodbye)
			for stream.Next() { // so that the connection can be used again
			}
			watch.Rest()
			return strings.TrimSpace(e.Text), nil
		}
	}
	if err := stream.Err(); err != nil {
		return "", err
	}
	return "", io.ErrUnexpectedEOF
}

// wave tells the library what the file is, which it would otherwise look up on this computer.
type wave struct{ io.Reader }

func (wave) ContentType() string { return "audio/wav" }

// wav is an utterance as a file.
func wav(j job) io.Reader {
	fill := max(0, 2*int(shortest*time.Duration(j.rate)/time.Second)-len(j.pcm))
	size := uint32(len(j.pcm) + fill)
	le := binary.LittleEndian
	h := make([]byte, 0, 44)
	h = le.AppendUint32(append(h, "RIFF"...), size+36)
	h = le.AppendUint32(append(h, "WAVEfmt "...), 16)
	h = le.AppendUint16(h, 1) // PCM
	h = le.AppendUint16(h, 1) // channel
	h = le.AppendUint32(h, uint32(j.rate))
	h = le.AppendUint32(h, uint32(2*j.rate)) // bytes a second
	h = le.AppendUint16(h, 2)                // bytes a sample
	h = le.AppendUint16(h, 16)
	h = le.AppendUint32(append(h, "data"...), size)
	return io.MultiReader(bytes.NewReader(h), bytes.NewReader(j.pcm), bytes.NewReader(slices.Repeat([]byte{0}, fill)))
}
