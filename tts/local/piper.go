package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"parley/internal/onnx"
)

// piper is a voice of the Piper project: a VITS network that turns phoneme numbers into samples.
type piper struct {
	session  *onnx.Session
	ids      map[rune][]int64
	rate     int
	language string // as espeak-ng names it
	scales   [3]float32
}

// The special phonemes: start, end, and what goes between any two.
const (
	first = '^'
	last  = '$'
	pad   = '_'
)

// parseConfig reads the description that comes with a voice.
func parseConfig(b []byte) (*piper, error) {
	var c struct {
		Audio struct {
			Rate int `json:"sample_rate"`
		} `json:"audio"`
		Espeak struct {
			Voice string `json:"voice"`
		} `json:"espeak"`
		IDs       map[string][]int64 `json:"phoneme_id_map"`
		Inference struct {
			Noise  float32 `json:"noise_scale"`
			Length float32 `json:"length_scale"`
			NoiseW float32 `json:"noise_w"`
		} `json:"inference"`
		Speakers int `json:"num_speakers"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	p := &piper{
		ids: map[rune][]int64{}, rate: c.Audio.Rate, language: c.Espeak.Voice,
		scales: [3]float32{c.Inference.Noise, c.Inference.Length, c.Inference.NoiseW},
	}
	for s, ids := range c.IDs {
		if r, n := utf8.DecodeRuneInString(s); n == len(s) && n > 0 {
			p.ids[r] = ids
		}
	}
	switch {
	case p.rate < 8000 || p.rate > 48000:
		return nil, fmt.Errorf("sample rate of %d is out of range", p.rate)
	case c.Speakers > 1:
		return nil, fmt.Errorf("voices of %d speakers are not supported", c.Speakers)
	case p.language == "" || strings.HasPrefix(p.language, "-"):
		return nil, fmt.Errorf("espeak voice %q is not valid", p.language)
	case len(p.ids[first]) == 0 || len(p.ids[last]) == 0 || len(p.ids[pad]) == 0:
		return nil, fmt.Errorf("phoneme_id_map lacks %c, %c or %c", first, last, pad)
	}
	return p, nil
}

// loadPiper loads the voice at model and model.json; library is ONNX Runtime's.
func loadPiper(library, model string) (*piper, error) {
	b, err := os.ReadFile(model + ".json")
	if err != nil {
		return nil, fmt.Errorf("load voice: %w", err)
	}
	p, err := parseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("load voice %s.json: %w", model, err)
	}
	if err := onnx.Open(library); err != nil {
		return nil, fmt.Errorf("load voice: %w", err)
	}
	p.session, err = onnx.Load(model, []string{"input", "input_lengths", "scales"}, []string{"output"})
	if err != nil {
		return nil, fmt.Errorf("load voice: %w", err)
	}
	return p, nil
}

// numbers turns clauses of phonemes, and the marks after them, into the network's input.
func (p *piper) numbers(chunk []clause, ipa []string) []int64 {
	ids := append(append([]int64{}, p.ids[first]...), p.ids[pad]...)
	for i, c := range chunk {
		text := ipa[i] + mark(c.mark)
		if i > 0 {
			text = " " + text
		}
		for _, r := range text {
			if v, ok := p.ids[r]; ok {
				ids = append(append(ids, v...), p.ids[pad]...)
			}
		}
	}
	return append(ids, p.ids[last]...)
}

// mark is how a clause mark is written for the network. A clause without one goes on.
func mark(m byte) string {
	if m == 0 {
		return ","
	}
	return string(rune(m))
}

// run synthesizes: mono samples in −1…1 at p.rate. The end of ctx stops it within milliseconds.
func (p *piper) run(ctx context.Context, ids []int64) ([]float32, error) {
	scales := p.scales // a tensor is made over its caller's memory
	input, err1 := onnx.NewTensor(ids, 1, int64(len(ids)))
	length, err2 := onnx.NewTensor([]int64{int64(len(ids))}, 1)
	scale, err3 := onnx.NewTensor(scales[:], 3)
	out := make([]*onnx.Tensor, 1)
	defer func() { onnx.Free(input, length, scale, out[0]) }()
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, err
		}
	}
	if err := p.session.Run(ctx, []*onnx.Tensor{input, length, scale}, out); err != nil {
		return nil, err
	}
	return append([]float32(nil), out[0].Floats()...), nil
}
