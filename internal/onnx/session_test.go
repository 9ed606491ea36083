package onnx

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/models"
)

// run gives x to a model of one input and one output.
func run(t testing.TB, s *Session, x []float32) []float32 {
	t.Helper()
	in, err := NewTensor(x, 1, int64(len(x)))
	if err != nil {
		t.Fatal(err)
	}
	defer Free(in)
	out := []*Tensor{nil}
	if err := s.Run(t.Context(), []*Tensor{in}, out); err != nil {
		t.Fatal(err)
	}
	defer Free(out...)
	if shape := out[0].Shape(); len(shape) != 2 || shape[1] != side {
		t.Fatalf("shape %v of the output", shape)
	}
	return append([]float32{}, out[0].Floats()...)
}

// named gives the graphs inside another their names, without which a model cannot be loaded.
func named(t testing.TB, model []byte) []byte {
	t.Helper()
	model, err := nameGraphs(model)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func load1(t testing.TB, path string) *Session {
	t.Helper()
	s, err := Load(path, []string{"x"}, []string{"y"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRunQuantizedAndConverted(t *testing.T) {
	opened(t)
	plain := saved(t, named(t, product()))
	dir := t.TempDir()
	converted, quantized := filepath.Join(dir, "converted"), filepath.Join(dir, "quantized")
	if err := Convert(plain, converted, Basic); err != nil {
		t.Fatal(err)
	}
	if n, err := Quantize(plain, quantized); err != nil || n != 1 {
		t.Fatalf("%d matrices quantized, %v", n, err)
	}
	x := []float32{1, -2, 3, 0.5, 0, -1, 2, 0.25}
	exact := run(t, load1(t, plain), x)
	// A weight is off by at most 1/126 of its column's largest, an element of x by 5/510: 0.32 over both products.
	var wg sync.WaitGroup
	for name, bound := range map[string]float64{converted: 1e-5, quantized: 0.05} {
		s := load1(t, name)
		for range 4 { // one session serves all
			wg.Go(func() {
				for i, y := range run(t, s, x) {
					column := 1 + float64(i%side)
					var want float64
					for k, v := range x {
						want += 2 * float64(v) * float64(weights()[k*side+i])
					}
					if math.Abs(float64(exact[i])-want) > 1e-4 || math.Abs(float64(y)-want) > bound*column*8 {
						t.Errorf("%s: column %d: %v, %v as made, want %v", filepath.Base(name), i, y, exact[i], want)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestSumsDoNotSaturate multiplies the largest numbers that there are, in shapes that the runtime's kernels
// for one row, few rows, whole vectors and what is left of them take apart differently.
func TestSumsDoNotSaturate(t *testing.T) {
	opened(t)
	if 2*255*mostWeight > math.MaxInt16 { // on a processor with VNNI only this fails
		t.Errorf("two products with the weight %d do not fit 16 bits", mostWeight)
	}
	for _, rows := range []int{1, 2, 5, 12} {
		for _, deep := range []int{2, 3, 4, 5, 33, 416} {
			for _, cols := range []int{1, 8, 33} {
				if got, want := extremes(t, rows, deep, cols); math.Abs(got-want) > 1e-4*want {
					t.Errorf("%d×%d by %d×%d: %v, want %v", rows, deep, deep, cols, got, want)
				}
			}
		}
	}
}

// extremes multiplies two matrices, quantized, whose elements are one number each, the largest that their
// 8 bits hold, and gives the element of the result that is most wrong.
func extremes(t *testing.T, rows, deep, cols int) (got, want float64) {
	t.Helper()
	w, x := slices.Repeat([]float32{0.5}, deep*cols), slices.Repeat([]float32{2}, rows*deep)
	to := filepath.Join(t.TempDir(), "quantized")
	if n, err := Quantize(saved(t, multiply(w, rows, deep, cols)), to); err != nil || n != 1 {
		t.Fatalf("%d matrices quantized, %v", n, err)
	}
	in, err := NewTensor(x, int64(rows), int64(deep))
	if err != nil {
		t.Fatal(err)
	}
	defer Free(in)
	out := []*Tensor{nil}
	if err := load1(t, to).Run(t.Context(), []*Tensor{in}, out); err != nil {
		t.Fatal(err)
	}
	defer Free(out...)
	got, want = float64(deep), float64(deep)
	for _, y := range out[0].Floats() {
		if math.Abs(float64(y)-want) > math.Abs(got-want) {
			got = float64(y)
		}
	}
	return got, want
}

func TestRunStopsWithItsContext(t *testing.T) {
	opened(t)
	const size = 512
	s := load1(t, saved(t, chain(size, 300)))
	x, err := NewTensor(make([]float32, size*size), size, size)
	if err != nil {
		t.Fatal(err)
	}
	defer Free(x)
	why := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	var canceled time.Time
	time.AfterFunc(50*time.Millisecond, func() {
		canceled = time.Now()
		cancel(why)
	})
	err = s.Run(ctx, []*Tensor{x}, []*Tensor{nil})
	late := time.Since(canceled)
	if !errors.Is(err, why) || late > 500*time.Millisecond {
		t.Errorf("error %v, %v after the cancel", err, late)
	}
	if err := s.Run(ctx, []*Tensor{x}, []*Tensor{nil}); !errors.Is(err, why) {
		t.Errorf("begun after the cancel: %v", err)
	}
}

func TestErrorsOfUse(t *testing.T) {
	opened(t)
	s := load1(t, saved(t, named(t, product())))
	x, err := NewTensor(make([]float32, side+1), 1, side+1)
	if err != nil {
		t.Fatal(err)
	}
	defer Free(x, nil)
	for name, err := range map[string]error{
		"wrong shape":      s.Run(t.Context(), []*Tensor{x}, []*Tensor{nil}),
		"too few inputs":   s.Run(t.Context(), nil, []*Tensor{nil}),
		"too many outputs": s.Run(t.Context(), []*Tensor{x}, []*Tensor{nil, nil}),
		"no model":         second(Load(filepath.Join(t.TempDir(), "none"), nil, nil)),
		"a broken model":   second(Load(saved(t, []byte("nothing")), nil, nil)),
		"too little data":  second(NewTensor([]float32{1}, 2)),
		"no scalar":        second(NewTensor([]int64{1, 2})),
		"another library":  Open(filepath.Join(t.TempDir(), "other.so")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := Open(filepath.Join(models.Dir(), models.RuntimeFile)); err != nil {
		t.Errorf("opened again: %v", err)
	}
	if v := Version(); !strings.HasPrefix(v, "1.") {
		t.Errorf("version %q", v)
	}
	if os.Getenv("ORT_DISABLE_TELEMETRY") != "1" {
		t.Error("telemetry is on")
	}
}

func second[T any](_ T, err error) error { return err }
