package onnx

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"parley/internal/models"
)

// opened opens the library that is fetched with the models.
func opened(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the fetched ONNX Runtime")
	}
	if err := Open(filepath.Join(models.Dir(), models.RuntimeFile)); err != nil {
		t.Fatal(err)
	}
}

// These build small models, as far as the tests need them.

func str(m []byte, num int, s string) []byte { return put(m, num, []byte(s)) }

func node(op string, out string, in ...string) []byte {
	var n []byte
	for _, s := range in {
		n = str(n, nodeInput, s)
	}
	return str(str(n, nodeOutput, out), nodeOp, op)
}

// value is a float32 input or output of the given shape.
func value(name string, dims ...int) []byte {
	var shape []byte
	for _, d := range dims {
		shape = put(shape, 1, putInt(nil, 1, uint64(d)))
	}
	return put(str(nil, valueName, name), 2, put(nil, 1, put(putInt(nil, 1, typeFloat), 2, shape)))
}

func floats(name string, v []float32, dims ...int) []byte {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return constant(name, typeFloat, raw, dims...)
}

const graphInput = 11

func modelOf(graph []byte) []byte {
	m := putInt(nil, 1, 8) // the version of the format
	m = put(m, modelGraph, graph)
	return put(m, modelOpsets, putInt(str(nil, opsetDomain, ""), opsetVersion, 17))
}

func saved(t testing.TB, model []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, model, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const side = 8

// weights is a matrix with a different scale in each column.
func weights() []float32 {
	w := make([]float32, side*side)
	for i := range w {
		w[i] = float32(math.Sin(float64(i*i))) * float32(1+i%side)
	}
	return w
}

// product is x·w + x·w of two graphs: the second product is inside a condition that is always true.
func product() []byte {
	then := put(nil, graphNode, node("MatMul", "z", "x", "w"))
	then = put(then, graphOutput, value("z", 1, side))
	branch := func(name string) []byte {
		return put(putInt(str(nil, 1, name), 20, 5), attributeSub, then) // an attribute of type graph
	}
	condition := node("If", "b", "yes")
	condition = put(condition, nodeAttribute, branch("then_branch"))
	condition = put(condition, nodeAttribute, branch("else_branch"))
	g := put(nil, graphNode, node("MatMul", "a", "x", "w"))
	g = put(g, graphNode, condition)
	g = put(g, graphNode, node("Add", "y", "a", "b"))
	g = str(g, graphName, "main")
	g = put(g, graphInitializer, floats("w", weights(), side, side))
	g = put(g, graphInitializer, constant("yes", 9, []byte{1})) // of type bool, a scalar
	g = put(g, graphInput, value("x", 1, side))
	return modelOf(put(g, graphOutput, value("y", 1, side)))
}

// multiply is the product of x and the matrix w.
func multiply(w []float32, rows, deep, cols int) []byte {
	g := put(nil, graphNode, node("MatMul", "y", "x", "w"))
	g = str(g, graphName, "main")
	g = put(g, graphInitializer, floats("w", w, deep, cols))
	g = put(g, graphInput, value("x", rows, deep))
	return modelOf(put(g, graphOutput, value("y", rows, cols)))
}

// chain multiplies a square matrix by itself again and again: seconds of work in many operators.
func chain(size, times int) []byte {
	var g []byte
	last := "x"
	for i := range times {
		name := "y"
		if i < times-1 {
			name = "n" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		}
		g = put(g, graphNode, node("MatMul", name, last, "x"))
		last = name
	}
	g = str(g, graphName, "main")
	g = put(g, graphInput, value("x", size, size))
	return modelOf(put(g, graphOutput, value("y", size, size)))
}
