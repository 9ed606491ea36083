package vad

import (
	"context"
	"errors"
	"fmt"

	"parley/internal/onnx"
)

// SmartTurn is a Finisher on the neural model Smart Turn (https://github.com/pipecat-ai/smart-turn),
// version 3. A run takes 98 ms of CPU on two cores with ten times as much to do, 3 to 5 of them for the
// features of 4 to 8 s (medians of 5: go test ./agent/vad -run '^$' -bench 'SmartTurn|Mel' -benchtime 8x).
// Silence counts as a sign of the end: of 46 read-out sentences after 100, 200 and 400 ms of it, 83, 87 and
// 93 % of the whole ones are taken for finished, and 22, 39 and 70 % of those cut in their middle. So ask
// early; a low probability is a reason to wait longer, a high one none not to wait. It is loaded with constants of 7 bits ([onnx.Narrow]): with
// 8 it hears ends worse on processors without VNNI. Safe for concurrent use.
type SmartTurn struct {
	session *onnx.Session
	spares  spares[*smartTurnRun]
}

// NewSmartTurn loads the model at path; the runtime must be open (package onnx).
func NewSmartTurn(path string) (*SmartTurn, error) {
	s, err := onnx.LoadNarrow(path, []string{"input_features"}, []string{"logits"})
	if err != nil {
		return nil, fmt.Errorf("open turn detector: %w", err)
	}
	d := &SmartTurn{session: s}
	if _, err := d.Finished(nil); err != nil {
		return nil, fmt.Errorf("open turn detector: %w", errors.Join(err, d.Close()))
	}
	return d, nil
}

// Close frees the model. It may not be used again.
func (d *SmartTurn) Close() error {
	d.spares.drop((*smartTurnRun).free)
	return d.session.Close()
}

// smartTurnRun holds the tensors of one run and the memory below them.
type smartTurnRun struct {
	mel                   *mel
	features, probability []float32
	in, out               *onnx.Tensor
}

func newSmartTurnRun() (*smartTurnRun, error) {
	r := &smartTurnRun{mel: newMel(), features: make([]float32, melBands*melFrames), probability: make([]float32, 1)}
	var err1, err2 error
	r.in, err1 = onnx.NewTensor(r.features, 1, melBands, melFrames)
	r.out, err2 = onnx.NewTensor(r.probability, 1, 1)
	if err := errors.Join(err1, err2); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

func (r *smartTurnRun) free() { onnx.Free(r.in, r.out) }

// Finished is the probability that the speaker has finished.
func (d *SmartTurn) Finished(pcm []int16) (float32, error) {
	r, err := d.spares.take(newSmartTurnRun)
	if err != nil {
		return 0, fmt.Errorf("score end of turn: %w", err)
	}
	defer d.spares.put(r)
	r.mel.features(pcm, r.features)
	if err := d.session.Run(context.Background(), []*onnx.Tensor{r.in}, []*onnx.Tensor{r.out}); err != nil {
		return 0, fmt.Errorf("score end of turn: %w", err)
	}
	return r.probability[0], nil
}
