package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	ort "github.com/yalue/onnxruntime_go"
)

// Session is a loaded model. Safe for concurrent use: one value serves every call.
type Session struct {
	s       *ort.DynamicAdvancedSession
	path    string
	in, out int
}

// Load reads the model at path (.onnx or .ort) for runs that give the named inputs and take the named
// outputs, in these orders.
func Load(path string, in, out []string) (*Session, error) {
	s, err := load(path, "", All, in, out)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return &Session{s, path, len(in), len(out)}, nil
}

// LoadNarrow is Load for an ONNX model whose 8-bit constants must be in 7 bits: see [Narrow].
func LoadNarrow(path string, in, out []string) (*Session, error) {
	model, err := os.ReadFile(path)
	if err == nil {
		model, err = Narrow(model)
	}
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	o, err := options(All)
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(model, in, out, o)
	if err = errors.Join(err, o.Destroy()); err != nil {
		return nil, fmt.Errorf("load model %s: %w", path, err)
	}
	return &Session{s, path, len(in), len(out)}, nil
}

// Level says how far the runtime rewrites a model's graph.
type Level uint8

// The levels, each including the ones before it.
const (
	None  Level = iota // keep the graph as it is
	Basic              // fold constants, drop what is redundant
	All                // fuse for this processor: the result is not portable
)

// Convert loads the model at from, rewrites it up to level and writes it to the file to in the ONNX
// format, whatever the format of from.
func Convert(from, to string, level Level) error {
	s, err := load(from, to, level, nil, nil)
	if err != nil {
		return fmt.Errorf("convert model %s: %w", from, err)
	}
	if err := s.Destroy(); err != nil {
		return fmt.Errorf("convert model %s: %w", from, err)
	}
	model, err := os.ReadFile(to)
	if err != nil {
		return fmt.Errorf("convert model: %w", err)
	}
	if model, err = nameGraphs(model); err != nil {
		return fmt.Errorf("convert model %s: %w", from, err)
	}
	if err := os.WriteFile(to, model, 0o644); err != nil {
		return fmt.Errorf("convert model: %w", err)
	}
	return nil
}

func load(path, saveTo string, level Level, in, out []string) (s *ort.DynamicAdvancedSession, err error) {
	o, err := options(level)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Destroy()) }()
	if saveTo != "" {
		err = errors.Join(err, o.SetOptimizedModelFilePath(saveTo), o.AddSessionConfigEntry("session.save_model_format", "ONNX"))
	}
	if err != nil {
		return nil, err
	}
	return ort.NewDynamicAdvancedSession(path, in, out, o)
}

// options are those of every session: one thread, as there are more calls than processors.
func options(level Level) (*ort.SessionOptions, error) {
	if Version() == "" {
		return nil, ErrNotOpen
	}
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(1),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		o.SetGraphOptimizationLevel(levels[level]))
	if err != nil {
		return nil, errors.Join(err, o.Destroy())
	}
	return o, nil
}

var levels = [...]ort.GraphOptimizationLevel{
	None:  ort.GraphOptimizationLevelDisableAll,
	Basic: ort.GraphOptimizationLevelEnableBasic,
	All:   ort.GraphOptimizationLevelEnableAll,
}

// maxValues is how many inputs or outputs a run may have before its bookkeeping is allocated.
const maxValues = 48

// Run computes the outputs from the inputs. A nil element of out is replaced by a new tensor, which the
// caller frees; others are filled in place and must have the right shape. The end of ctx stops the run
// between two operators of the model, typically within milliseconds; the error is then ctx's cause, and
// what the outputs hold is undefined. The tensors may not be used by two runs at once.
func (s *Session) Run(ctx context.Context, in, out []*Tensor) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(in) != s.in || len(out) != s.out {
		return fmt.Errorf("run model %s: %d inputs and %d outputs given, %d and %d needed", s.path, len(in), len(out), s.in, s.out)
	}
	var inBuf, outBuf [maxValues]ort.Value
	ins, outs := values(inBuf[:0], in), values(outBuf[:0], out)
	err := s.run(ctx, ins, outs)
	runtime.KeepAlive(in)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("run model %s: %w", s.path, err)
	}
	for i, v := range outs {
		if out[i] == nil {
			out[i] = &Tensor{v}
		}
	}
	return nil
}

func values(buf []ort.Value, ts []*Tensor) []ort.Value {
	for _, t := range ts {
		if t == nil {
			buf = append(buf, nil)
			continue
		}
		buf = append(buf, t.v)
	}
	return buf
}

func (s *Session) run(ctx context.Context, in, out []ort.Value) error {
	if ctx.Done() == nil {
		return s.s.Run(in, out)
	}
	o, err := ort.NewRunOptions()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	var terminating error
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		terminating = o.Terminate()
	})
	err = s.s.RunWithOptions(in, out, o)
	if !stop() {
		<-ended // o must outlive the call that uses it
	}
	return errors.Join(err, terminating, o.Destroy())
}

// Close frees the model. No run may be under way or follow.
func (s *Session) Close() error { return s.s.Destroy() }
