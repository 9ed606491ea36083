package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"parley/internal/onnx"
)

// The files of one model, with the endings that the model has as shipped and after Prepare.
const (
	encoderName   = "encoder_model"
	decoderName   = "decoder_model_merged"
	tokenizerName = "tokenizer.bin"
	shippedFormat = ".ort"
	madeFormat    = ".onnx"
)

// Prepare makes the model base-en fit for use: as shipped it unpacks every weight at every token, and
// takes as long as the speech lasts. It reads the shipped files in from, folds and quantizes them to 8
// bits, and puts the result in to, which is complete or not there and is right on any processor: see
// [onnx.Quantize]. It takes some seconds and at its peak 1.7 GB, so it is best run in a process of its own.
// library is the path of libonnxruntime.so.
func Prepare(ctx context.Context, library, from, to string) (err error) {
	if err := onnx.Open(library); err != nil {
		return fmt.Errorf("prepare speech model: %w", err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // or half a gigabyte more
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("prepare speech model: %w", err)
	}
	made, err := os.MkdirTemp(filepath.Dir(to), ".preparing-*")
	if err != nil {
		return fmt.Errorf("prepare speech model: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(made)) }()
	for _, name := range []string{encoderName, decoderName} {
		if err := fold(ctx, filepath.Join(from, name+shippedFormat), filepath.Join(made, name+madeFormat)); err != nil {
			return fmt.Errorf("prepare speech model: %w", err)
		}
	}
	tokens, err := os.ReadFile(filepath.Join(from, tokenizerName))
	if err == nil {
		err = os.WriteFile(filepath.Join(made, tokenizerName), tokens, 0o644)
	}
	if err == nil {
		err = os.Chmod(made, 0o755)
	}
	if err == nil {
		err = os.RemoveAll(to)
	}
	if err == nil {
		err = os.Rename(made, to)
	}
	if err != nil {
		return fmt.Errorf("prepare speech model: %w", err)
	}
	return nil
}

// fold turns one shipped model into one whose matrices are constants of 8 bits.
func fold(ctx context.Context, from, to string) error {
	plain, folded := to+".plain", to+".folded"
	steps := []func() error{
		func() error { return onnx.Convert(from, plain, onnx.None) },
		func() error { return onnx.Convert(plain, folded, onnx.Basic) },
		func() error {
			n, err := onnx.Quantize(folded, to)
			if err == nil && n == 0 {
				err = fmt.Errorf("quantize model %s: it has no constant matrix", from)
			}
			return err
		},
		func() error { return errors.Join(os.Remove(plain), os.Remove(folded)) },
	}
	for _, step := range steps {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
