// Package local recognizes English speech on this computer: a [stt.Recognizer] on the Moonshine models.
//
// The models hear whole utterances, not streams. An utterance is collected from its first frame with Voice
// on, which gives an Onset, and decoded when a Flush asks for it. What the voice detector did not pass is not
// decoded, but for 200 ms behind speech. Voice that comes within 1.2 s after a Flush continues the same
// utterance, as long as it holds less than 12 s: the next Final has the same Start, replaces the one before
// and is decoded from the beginning. Speech that no Flush asked for becomes a Final of its own when voice
// comes after more than 1.2 s, or after its first pause behind 12 s, and in any case after 20 s.
//
// Each Flush gives exactly one Final, in order. One that adds no voice repeats the text of the utterance,
// or gives an empty one when that is over. One that adds voice to an utterance whose last Final is still
// being decoded stops that decoding: both Finals then come together and have the text of all audio, the
// older one under its own End.
//
// While speech goes on a smaller model may give a Partial for each half second, from the first second on.
// It has what Finals leave: none is begun while a Final is decoded for any call, and after each the call
// rests twice as long as it took.
package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"parley/internal/onnx"
	"parley/media"
)

// Options says where the models are and what they are used for.
type Options struct {
	Library  string // path of libonnxruntime.so; empty when it is open already
	Base     string // folder that Prepare made: the model of Finals
	Tiny     string // folder of tiny-en as shipped: the model of Partials, and of Finals if Base is empty
	Partials bool   // give Partials; needs Tiny
	Decodes  int    // Finals decoded at once, over all calls; zero: one for each processor
}

// Recognizer recognizes English speech. Safe for concurrent use: its models are shared by all calls.
type Recognizer struct {
	final, partial transcriber // partial may be nil
	loaded         []*moonshine
	finals         chan struct{} // holds a token for each Final being decoded
	partials       chan struct{} // and for each Partial
}

// transcriber gives the text of an utterance: mono at media.ListenRate, not changed and not kept.
type transcriber func(ctx context.Context, pcm []int16) (string, error)

// New loads the models: about a second, and 300 MB for base-en, 130 MB for tiny-en.
func New(o Options) (*Recognizer, error) {
	if o.Base == "" && o.Tiny == "" || o.Partials && o.Tiny == "" {
		return nil, errors.New("open recognizer: no folder is given for a model that it needs")
	}
	if o.Library != "" {
		if err := onnx.Open(o.Library); err != nil {
			return nil, fmt.Errorf("open recognizer: %w", err)
		}
	}
	r := newRecognizer(o.Decodes)
	if o.Base != "" {
		m, err := loadMoonshine(o.Base, base)
		if err != nil {
			return nil, fmt.Errorf("open recognizer: %w", err)
		}
		r.final, r.loaded = m.transcribe, append(r.loaded, m)
	}
	if o.Base == "" || o.Partials {
		m, err := loadMoonshine(o.Tiny, tiny)
		if err != nil {
			return nil, fmt.Errorf("open recognizer: %w", errors.Join(err, r.Close()))
		}
		r.loaded = append(r.loaded, m)
		if o.Base == "" {
			r.final = m.transcribe
		}
		if o.Partials {
			r.partial = m.transcribe
		}
	}
	return r, nil
}

func newRecognizer(decodes int) *Recognizer {
	if decodes <= 0 {
		decodes = runtime.NumCPU()
	}
	return &Recognizer{finals: make(chan struct{}, decodes), partials: make(chan struct{}, max(1, decodes/2))}
}

// Warm runs each model once, so that the first call does not wait for memory.
func (r *Recognizer) Warm(ctx context.Context) error {
	pcm := make([]int16, 4*media.ListenRate)
	for _, m := range r.loaded {
		if _, err := m.transcribe(ctx, pcm); err != nil {
			return fmt.Errorf("warm recognizer: %w", err)
		}
	}
	return nil
}

// Close frees the models. No call may be under way or follow.
func (r *Recognizer) Close() error {
	var err error
	for _, m := range r.loaded {
		err = errors.Join(err, m.close())
	}
	return err
}
