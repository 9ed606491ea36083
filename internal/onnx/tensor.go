package onnx

import (
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// Element is what a tensor that Go makes may hold.
type Element interface{ float32 | int64 | bool }

// Tensor is an array that a model reads or writes. It must be freed.
type Tensor struct{ v ort.Value }

// NewTensor makes a tensor of the given shape over data itself: who writes to data changes the tensor. The
// memory may not be a part of something that holds Go pointers. Without a shape it is a scalar and copies
// data[0].
func NewTensor[T Element](data []T, shape ...int64) (*Tensor, error) {
	var v ort.Value
	var err error
	if len(shape) == 0 {
		if len(data) != 1 {
			return nil, fmt.Errorf("make scalar: %d elements given", len(data))
		}
		v, err = ort.NewScalar(data[0])
	} else {
		v, err = ort.NewTensor(shape, data)
	}
	if err != nil {
		return nil, fmt.Errorf("make tensor %v: %w", shape, err)
	}
	return &Tensor{v}, nil
}

// Floats is the tensor's own memory, valid until Free; nil if it does not hold float32.
func (t *Tensor) Floats() []float32 {
	if f, ok := t.v.(*ort.Tensor[float32]); ok {
		return f.GetData()
	}
	return nil
}

// Shape is a copy of the tensor's dimensions.
func (t *Tensor) Shape() []int64 { return t.v.GetShape() }

// Free gives the tensors back to the runtime; nil ones are skipped. A tensor is freed once.
func Free(ts ...*Tensor) {
	for _, t := range ts {
		if t != nil {
			_ = t.v.Destroy() // it has no error to return
		}
	}
}
