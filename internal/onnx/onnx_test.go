package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenRefusesWhatIsNoLibrary(t *testing.T) {
	fresh := Version() == "" // true unless tests are shuffled: this is the first
	if _, err := Load("model", nil, nil); err == nil || fresh && !errors.Is(err, ErrNotOpen) {
		t.Errorf("a model before the library: %v", err)
	}
	if err := Open(filepath.Join(t.TempDir(), "none.so")); err == nil || fresh && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing library: %v", err)
	}
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Open(text); err == nil || fresh && Version() != "" {
		t.Errorf("a text file: %v", err)
	}
}

func TestQuantizeKeepsWhatIsNeeded(t *testing.T) {
	g := put(nil, graphNode, node("MatMul", "a", "x", "w"))
	g = put(g, graphNode, node("MatMul", "b", "x", "v"))
	g = put(g, graphNode, node("Transpose", "c", "v")) // v is used elsewhere
	g = put(g, graphNode, node("MatMul", "d", "x", "vector"))
	for _, name := range []string{"w", "v"} {
		g = put(g, graphInitializer, floats(name, weights(), side, side))
	}
	g = put(g, graphInitializer, floats("vector", weights()[:side], side))
	from, to := saved(t, modelOf(g)), filepath.Join(t.TempDir(), "to")
	if n, err := Quantize(from, to); err != nil || n != 2 {
		t.Fatalf("%d matrices quantized, %v", n, err)
	}
	m, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	_, err = edit(m, []int{modelGraph, graphInitializer}, func(b []byte) ([]byte, error) {
		fs, err := parse(b)
		have = append(have, text(fs, tensorName))
		return b, err
	})
	if want := "[w_int8 w_scale v v_int8 v_scale vector]"; err != nil || want != fmt.Sprint(have) {
		t.Errorf("constants %v, want %v; %v", have, want, err)
	}
	if !bytes.Contains(m, []byte(vendor)) {
		t.Error("the operators' domain is not declared")
	}
	if _, err := Quantize(filepath.Join(t.TempDir(), "none"), to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing model: %v", err)
	}
	if _, err := Quantize(saved(t, m[:len(m)/2]), to); !errors.Is(err, errMalformed) {
		t.Errorf("half a model: %v", err)
	}
}

func TestNameGraphs(t *testing.T) {
	m, err := nameGraphs(product())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	note := func(g []byte) ([]byte, error) {
		fs, err := parse(g)
		names = append(names, text(fs, graphName))
		return g, err
	}
	_, err1 := edit(m, []int{modelGraph}, note)
	_, err2 := edit(m, []int{modelGraph, graphNode, nodeAttribute, attributeSub}, note)
	if err := errors.Join(err1, err2); err != nil || fmt.Sprint(names) != "[main g g]" {
		t.Errorf("names %v, %v", names, err)
	}
}

func TestGraphsInGraphsHaveAnEnd(t *testing.T) {
	g := put(nil, graphNode, node("Add", "y", "x", "x"))
	for range 2 * maxDepth {
		n := put(node("If", "y", "x"), nodeAttribute, put(nil, attributeSub, g))
		g = put(nil, graphNode, n)
	}
	if _, err := nameGraphs(modelOf(g)); err == nil {
		t.Error("named without end")
	}
	if _, err := new(quantizer).model(modelOf(g)); err == nil {
		t.Error("quantized without end")
	}
}

func FuzzModel(f *testing.F) {
	f.Add(product())
	f.Add(chain(2, 2))
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, m []byte) {
		if fs, err := parse(m); err == nil {
			var again []byte
			for _, x := range fs {
				again = append(again, x.raw...)
			}
			if !bytes.Equal(m, again) {
				t.Error("the fields are not the message")
			}
		}
		named, err := nameGraphs(m)
		if err == nil {
			if _, err := parse(named); err != nil {
				t.Errorf("a model with names cannot be read: %v", err)
			}
		}
		if q, err := new(quantizer).model(m); err == nil {
			if _, err := parse(q); err != nil {
				t.Errorf("a quantized model cannot be read: %v", err)
			}
		}
	})
}
