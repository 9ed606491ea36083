package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// unpacking is a graph that multiplies x by a matrix of signed bytes, unpacked with one scale, and adds 32-bit integers, unpacked with another.
// shared: both have the same scale.
func unpacking(shared bool) []byte {
	w := make([]byte, side*side)
	for i := range w {
		w[i] = byte(int8(i*37%255 - 127))
	}
	var bias []byte
	for i := range side {
		bias = binary.LittleEndian.AppendUint32(bias, uint32(int32(i*90-150)))
	}
	second := "t"
	if shared {
		second = "s"
	}
	g := put(nil, graphNode, node("DequantizeLinear", "wf", "w", "s"))
	g = put(g, graphNode, node("DequantizeLinear", "bf", "b", second))
	g = put(g, graphNode, node("MatMul", "p", "x", "wf"))
	g = put(g, graphNode, node("Add", "y", "p", "bf"))
	g = str(g, graphName, "g")
	g = put(g, graphInitializer, constant("w", typeInt8, w, side, side))
	g = put(g, graphInitializer, constant("b", typeInt32, bias, side))
	g = put(g, graphInitializer, floats("s", []float32{0.03}))
	g = put(g, graphInitializer, floats("t", []float32{0.01}))
	return put(put(g, graphInput, value("x", 1, side)), graphOutput, value("y", 1, side))
}

// tensors are the raw values of the constants of a model, by name.
func tensors(t *testing.T, model []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	_, err := edit(model, []int{modelGraph, graphInitializer}, func(m []byte) ([]byte, error) {
		fs, err := parse(m)
		all[text(fs, tensorName)] = []byte(text(fs, tensorRaw))
		return m, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNarrow(t *testing.T) {
	model := modelOf(unpacking(false))
	narrow, err := Narrow(model)
	if err != nil {
		t.Fatal(err)
	}
	was, is := tensors(t, model), tensors(t, narrow)
	for i, b := range is["w"] {
		if w, old := int(int8(b)), int(int8(was["w"][i])); w > 64 || w < -64 || 2*w-old > 1 || old-2*w > 1 {
			t.Errorf("weight %d was %d and is %d", i, old, w)
		}
	}
	for i := 0; i < len(is["b"]); i += 4 {
		if b, old := int32(binary.LittleEndian.Uint32(is["b"][i:])), int32(binary.LittleEndian.Uint32(was["b"][i:])); 2*b-old > 1 || old-2*b > 1 {
			t.Errorf("bias %d was %d and is %d", i, old, b)
		}
	}
	for name, want := range map[string]float32{"s": 0.06, "t": 0.02} {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(is[name])); got != want {
			t.Errorf("scale %s is %v, want %v", name, got, want)
		}
	}
	if len(was["w"]) != side*side || len(is) != len(was) {
		t.Errorf("%d constants, were %d", len(is), len(was))
	}
}

// What cannot be halved alone stays as it is.
func TestNarrowLeavesOthers(t *testing.T) {
	for name, model := range map[string][]byte{"a shared scale": modelOf(unpacking(true)), "no such constant": product(), "empty": {}} {
		if got, err := Narrow(model); err != nil || !bytes.Equal(got, model) {
			t.Errorf("%s: changed, %v", name, err)
		}
	}
	if _, err := Narrow([]byte{0x3a, 0x05, 0xff}); !errors.Is(err, errMalformed) {
		t.Errorf("a damaged model: %v", err)
	}
}

// The narrowed model computes what the model does, but for what was rounded.
func TestNarrowComputesTheSame(t *testing.T) {
	opened(t)
	path := saved(t, modelOf(unpacking(false)))
	full := load1(t, path)
	narrow, err := LoadNarrow(path, []string{"x"}, []string{"y"})
	if err != nil {
		t.Fatal(err)
	}
	defer narrow.Close()
	x := make([]float32, side)
	for i := range x {
		x[i] = float32(i%3) - 1
	}
	want, got := run(t, full, x), run(t, narrow, x)
	for i := range want {
		if math.Abs(float64(want[i]-got[i])) > 0.03*side+0.01 {
			t.Errorf("column %d: %v, want %v", i, got[i], want[i])
		}
	}
	if _, err := LoadNarrow("no/such.onnx", nil, nil); err == nil {
		t.Error("a model that is not there was loaded")
	}
}

func FuzzNarrow(f *testing.F) {
	f.Add(modelOf(unpacking(false)))
	f.Add(product())
	f.Fuzz(func(t *testing.T, model []byte) {
		narrow, err := Narrow(model)
		if err == nil && len(narrow) > 2*len(model)+64 {
			t.Errorf("%d bytes became %d", len(model), len(narrow))
		}
	})
}
