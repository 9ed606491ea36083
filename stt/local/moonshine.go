package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"parley/internal/onnx"
	"parley/media"
)

// variant is a size of the Moonshine models (https://arxiv.org/abs/2410.15608).
type variant struct {
	layers int
	dim    int64 // of one head
	masked bool  // it takes masks of what is audio
	format string
}

var (
	base = variant{layers: 8, dim: 52, format: madeFormat}
	tiny = variant{layers: 6, dim: 36, masked: true, format: shippedFormat}
)

const (
	heads        = 8
	samplesAHead = 384  // samples that one state of the encoder stands for
	silentBefore = 1600 // samples of silence put before the audio
	silentAfter  = 3200 // and behind it: without, words at the edges are lost and whole sentences repeated
	tokensBase   = 3    // a transcript has at most this many tokens
	tokensASec   = 6.5  // and this many for each second: in noise the models repeat themselves without end
)

// moonshine is one loaded model. Safe for concurrent use.
type moonshine struct {
	variant
	tokens           tokens
	encoder, decoder *onnx.Session
}

func loadMoonshine(dir string, v variant) (*moonshine, error) {
	t, err := loadTokens(filepath.Join(dir, tokenizerName))
	if err != nil {
		return nil, fmt.Errorf("load speech model: %w", err)
	}
	m := &moonshine{variant: v, tokens: t}
	audio := []string{"input_values"}
	in := []string{"input_ids", "encoder_hidden_states"}
	if v.masked {
		audio = append(audio, "attention_mask")
		in = append(in, "encoder_attention_mask")
	}
	in = append(in, "use_cache_branch")
	out := []string{"logits"}
	for i := range v.layers {
		for _, kv := range [...]string{"decoder.key", "decoder.value", "encoder.key", "encoder.value"} {
			in = append(in, fmt.Sprintf("past_key_values.%d.%s", i, kv))
			out = append(out, fmt.Sprintf("present.%d.%s", i, kv))
		}
	}
	if m.encoder, err = onnx.Load(filepath.Join(dir, encoderName+v.format), audio, []string{"last_hidden_state"}); err != nil {
		return nil, fmt.Errorf("load speech model: %w", err)
	}
	if m.decoder, err = onnx.Load(filepath.Join(dir, decoderName+v.format), in, out); err != nil {
		return nil, fmt.Errorf("load speech model: %w", errors.Join(err, m.encoder.Close()))
	}
	return m, nil
}

func (m *moonshine) close() error { return errors.Join(m.encoder.Close(), m.decoder.Close()) }

// transcribe is the text of pcm, mono at media.ListenRate. The end of ctx ends it within milliseconds.
func (m *moonshine) transcribe(ctx context.Context, pcm []int16) (string, error) {
	states, err := m.encode(ctx, pcm)
	if err != nil {
		return "", err
	}
	defer onnx.Free(states)
	d, err := m.newDecoding(states)
	defer d.free()
	if err != nil {
		return "", err
	}
	var ids []int64
	last := int64(tokenBegin)
	for most := tokensBase + int(tokensASec*float64(len(pcm))/media.ListenRate); len(ids) < most; {
		if last, err = d.next(ctx, last); err != nil {
			return "", err
		}
		if last == tokenEnd {
			break
		}
		ids = append(ids, last)
	}
	return m.tokens.text(ids), nil
}

func (m *moonshine) encode(ctx context.Context, pcm []int16) (*onnx.Tensor, error) {
	audio := make([]float32, silentBefore+len(pcm)+silentAfter)
	for i, v := range pcm {
		audio[silentBefore+i] = float32(v) / 32768
	}
	n := int64(len(audio))
	var in [2]*onnx.Tensor
	defer func() { onnx.Free(in[:]...) }()
	var err error
	if in[0], err = onnx.NewTensor(audio, 1, n); err != nil {
		return nil, err
	}
	given := in[:1]
	if m.masked {
		if in[1], err = onnx.NewTensor(ones(n), 1, n); err != nil {
			return nil, err
		}
		given = in[:2]
	}
	var out [1]*onnx.Tensor
	err = m.encoder.Run(ctx, given, out[:])
	return out[0], err
}

func ones(n int64) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// decoding is one transcript being made.
type decoding struct {
	m      *moonshine
	id     []int64        // the memory of two inputs: the last token,
	cached []bool         // and whether the audio's half of the cache is made
	own    []*onnx.Tensor // the inputs that stay
	cache  []*onnx.Tensor // keys and values: for each layer two of the text, then two of the audio
	in     []*onnx.Tensor // own and cache
	out    []*onnx.Tensor
}

// newDecoding begins a transcript of what the encoder heard. What it returns must be freed, with an error too.
func (m *moonshine) newDecoding(states *onnx.Tensor) (*decoding, error) {
	d := &decoding{m: m, id: make([]int64, 1), cached: make([]bool, 1), out: make([]*onnx.Tensor, 1+4*m.layers)}
	id, err := onnx.NewTensor(d.id, 1, 1)
	d.own = append(d.own, id)
	d.in = append(d.in, id, states)
	if m.masked {
		n := states.Shape()[1] * samplesAHead
		mask, err2 := onnx.NewTensor(ones(n), 1, n)
		d.own, d.in = append(d.own, mask), append(d.in, mask)
		err = errors.Join(err, err2)
	}
	cached, err2 := onnx.NewTensor(d.cached, 1)
	d.own, d.in = append(d.own, cached), append(d.in, cached)
	for range 4 * m.layers {
		t, err3 := onnx.NewTensor([]float32{}, 1, heads, 0, m.dim)
		d.cache = append(d.cache, t)
		err = errors.Join(err, err3)
	}
	return d, errors.Join(err, err2)
}

// next is the most likely token after last.
func (d *decoding) next(ctx context.Context, last int64) (int64, error) {
	first := !d.cached[0]
	d.id[0] = last
	fixed := len(d.in)
	err := d.m.decoder.Run(ctx, append(d.in, d.cache...), d.out)
	d.in = d.in[:fixed]
	if err != nil {
		return 0, err
	}
	d.cached[0] = true
	for i := range d.cache {
		t := d.out[1+i]
		d.out[1+i] = nil
		if first || i%4 < 2 { // the audio's keys and values are made once
			t, d.cache[i] = d.cache[i], t
		}
		onnx.Free(t)
	}
	best, most := int64(tokenEnd), float32(0)
	for i, v := range d.out[0].Floats() { // written in place from the second token on
		if i == 0 || v > most {
			best, most = int64(i), v
		}
	}
	return best, nil
}

func (d *decoding) free() {
	onnx.Free(d.own...)
	onnx.Free(d.cache...)
	onnx.Free(d.out...)
}
