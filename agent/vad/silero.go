package vad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/onnx"
	"parley/media"
)

// The shape of Silero VAD at 16 kHz: a run hears a hop and the end of the hop before it.
const (
	sileroContext = 64
	sileroState   = 2 * 128
)

// Silero is a Detector on the neural model Silero VAD (https://github.com/snakers4/silero-vad), version 5
// or 6. A hop takes about 0.1 ms of one core. Safe for concurrent use.
type Silero struct {
	session *onnx.Session
	spares  spares[*sileroRun]
}

// NewSilero loads the model at path; the runtime must be open (package onnx).
func NewSilero(path string) (*Silero, error) {
	s, err := onnx.Load(path, []string{"input", "state", "sr"}, []string{"output", "stateN"})
	if err != nil {
		return nil, fmt.Errorf("open voice detector: %w", err)
	}
	d := &Silero{session: s}
	if _, err := d.Open().Score(media.Frame{Rate: media.ListenRate, PCM: make([]int16, Hop)}); err != nil {
		return nil, fmt.Errorf("open voice detector: %w", errors.Join(err, d.Close()))
	}
	return d, nil
}

// Open opens the detector for one call.
func (d *Silero) Open() Stream { return &sileroStream{detector: d} }

// Close frees the model. No stream of it may be used again.
func (d *Silero) Close() error {
	d.spares.drop((*sileroRun).free)
	return d.session.Close()
}

// sileroRun holds the tensors of one run and the memory below them.
type sileroRun struct {
	input, state, next, voice []float32
	ins, outs                 []*onnx.Tensor
}

func newSileroRun() (*sileroRun, error) {
	r := &sileroRun{
		input: make([]float32, sileroContext+Hop),
		state: make([]float32, sileroState),
		next:  make([]float32, sileroState),
		voice: make([]float32, 1),
	}
	input, err1 := onnx.NewTensor(r.input, 1, sileroContext+Hop)
	state, err2 := onnx.NewTensor(r.state, 2, 1, sileroState/2)
	rate, err3 := onnx.NewTensor([]int64{media.ListenRate})
	voice, err4 := onnx.NewTensor(r.voice, 1, 1)
	next, err5 := onnx.NewTensor(r.next, 2, 1, sileroState/2)
	r.ins, r.outs = []*onnx.Tensor{input, state, rate}, []*onnx.Tensor{voice, next}
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

func (r *sileroRun) free() {
	onnx.Free(r.ins...)
	onnx.Free(r.outs...)
}

type sileroStream struct {
	detector *Silero
	hops     hopper
	before   [sileroContext]float32 // the end of the last hop
	state    [sileroState]float32
	scores   []Score
}

// Score runs the model on each hop.
func (s *sileroStream) Score(f media.Frame) ([]Score, error) {
	s.scores = s.scores[:0]
	err := s.hops.cut(f, func(end time.Duration) error {
		voice, err := s.hear()
		if err != nil {
			return fmt.Errorf("score voice: %w", err)
		}
		s.scores = append(s.scores, Score{At: end, Voice: voice, Level: level(s.hops.pcm[:])})
		return nil
	})
	return s.scores, err
}

func (s *sileroStream) hear() (float32, error) {
	r, err := s.detector.spares.take(newSileroRun)
	if err != nil {
		return 0, err
	}
	defer s.detector.spares.put(r)
	copy(r.input, s.before[:])
	for i, v := range s.hops.pcm {
		r.input[sileroContext+i] = float32(v) / 32768
	}
	copy(r.state, s.state[:])
	copy(s.before[:], r.input[Hop:])
	if err := s.detector.session.Run(context.Background(), r.ins, r.outs); err != nil {
		return 0, err
	}
	copy(s.state[:], r.next)
	return r.voice[0], nil
}
