package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// Quantize writes the ONNX model at from to the file to with every product by a constant float32 matrix
// made a product of 8-bit integers: the matrix is stored as integers from -63 to 63 with one scale a column,
// the other operand is quantized to 8 bits when it is computed (the runtime's DynamicQuantizeMatMul). The sums
// of integers are exact on every processor, so the file may be used on another one than it was made on.
// Quantize returns how many matrices were changed. The matrices must be constants of the file: see [Convert]
// and [Basic].
func Quantize(from, to string) (int, error) {
	model, err := os.ReadFile(from)
	if err != nil {
		return 0, fmt.Errorf("quantize model: %w", err)
	}
	q := new(quantizer)
	model, err = q.model(model)
	if err != nil {
		return 0, fmt.Errorf("quantize model %s: %w", from, err)
	}
	if err := os.WriteFile(to, model, 0o644); err != nil {
		return 0, fmt.Errorf("quantize model: %w", err)
	}
	return q.changed, nil
}

const (
	typeFloat = 1
	typeInt8  = 3
	vendor    = "com.microsoft" // the domain of the runtime's own operators
)

type quantizer struct {
	scopes  []scope // the constants of the graph being rewritten and of those around it, innermost last
	changed int
}

type scope map[string]*matrix

// matrix is a constant float32 matrix of a graph.
type matrix struct {
	rows, cols int
	raw        []byte // little-endian
	taken      bool   // a product uses its quantized form
}

func (q *quantizer) model(m []byte) ([]byte, error) {
	m, err := edit(m, []int{modelGraph}, q.graph)
	if err != nil {
		return nil, err
	}
	fs, err := parse(m)
	if err != nil {
		return nil, err
	}
	for _, f := range fs {
		if f.num != modelOpsets {
			continue
		}
		opset, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		if text(opset, opsetDomain) == vendor {
			return m, nil
		}
	}
	return put(m, modelOpsets, putInt(put(nil, opsetDomain, []byte(vendor)), opsetVersion, 1)), nil
}

// graph rewrites one graph: its products first, then the constants that they left without a use.
func (q *quantizer) graph(g []byte) ([]byte, error) {
	if len(q.scopes) > maxDepth {
		return nil, fmt.Errorf("graphs are nested deeper than %d", maxDepth)
	}
	fs, err := parse(g)
	if err != nil {
		return nil, err
	}
	sc, err := matrices(fs)
	if err != nil {
		return nil, err
	}
	q.scopes = append(q.scopes, sc)
	defer func() { q.scopes = q.scopes[:len(q.scopes)-1] }()
	used := map[string]bool{}
	var out []byte
	for _, f := range fs {
		switch f.num {
		case graphInitializer:
			continue // after the nodes
		case graphNode:
			node, err := q.node(f.body)
			if err != nil {
				return nil, err
			}
			out = put(out, graphNode, node)
			if err := uses(node, used, 0); err != nil {
				return nil, err
			}
			continue
		case graphOutput:
			v, err := parse(f.body)
			if err != nil {
				return nil, err
			}
			used[text(v, valueName)] = true
		}
		out = append(out, f.raw...)
	}
	return q.constants(out, fs, sc, used)
}

// constants appends the graph's constants to out, those of products in their quantized form.
func (q *quantizer) constants(out []byte, fs []field, sc scope, used map[string]bool) ([]byte, error) {
	for _, f := range fs {
		if f.num != graphInitializer {
			continue
		}
		t, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		name := text(t, tensorName)
		m := sc[name]
		if m == nil || !m.taken || used[name] {
			out = append(out, f.raw...)
		}
		if m != nil && m.taken {
			weights, scales := m.quantize(name)
			out = put(put(out, graphInitializer, weights), graphInitializer, scales)
			q.changed++
		}
	}
	return out, nil
}

// matrices finds the constant float32 matrices of a graph.
func matrices(graph []field) (scope, error) {
	sc := scope{}
	for _, f := range graph {
		if f.num != graphInitializer {
			continue
		}
		t, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		if m := asMatrix(t); m != nil {
			sc[text(t, tensorName)] = m
		}
	}
	return sc, nil
}

// asMatrix is the matrix that a tensor holds, nil if it holds something else.
func asMatrix(tensor []field) *matrix {
	var dims []uint64
	var typ uint64
	var raw []byte
	for _, f := range tensor {
		switch f.num {
		case tensorDims:
			dims = append(dims, f.numbers()...)
		case tensorType:
			typ = f.n
		case tensorRaw:
			raw = f.body
		}
	}
	const most = 1 << 24
	if typ != typeFloat || len(dims) != 2 || dims[0]-1 >= most || dims[1]-1 >= most || uint64(len(raw)) != 4*dims[0]*dims[1] {
		return nil
	}
	return &matrix{rows: int(dims[0]), cols: int(dims[1]), raw: raw}
}

// node rewrites a product by a constant matrix, and the graphs inside any other node.
func (q *quantizer) node(n []byte) ([]byte, error) {
	fs, err := parse(n)
	if err != nil {
		return nil, err
	}
	var in []string
	for _, f := range fs {
		if f.num == nodeInput {
			in = append(in, string(f.body))
		}
	}
	if text(fs, nodeOp) != "MatMul" || text(fs, nodeDomain) != "" || len(in) != 2 {
		return edit(n, []int{nodeAttribute, attributeSub}, q.graph)
	}
	m := q.find(in[1])
	if m == nil {
		return n, nil
	}
	m.taken = true
	var out []byte
	for _, name := range []string{in[0], in[1] + weightsSuffix, in[1] + scalesSuffix} {
		out = put(out, nodeInput, []byte(name))
	}
	out = put(out, nodeOutput, []byte(text(fs, nodeOutput)))
	out = put(out, nodeName, []byte(text(fs, nodeName)))
	out = put(out, nodeOp, []byte("DynamicQuantizeMatMul"))
	return put(out, nodeDomain, []byte(vendor)), nil
}

func (q *quantizer) find(name string) *matrix {
	for i := len(q.scopes) - 1; i >= 0; i-- {
		if m := q.scopes[i][name]; m != nil {
			return m
		}
	}
	return nil
}

// uses notes every name that a node reads, those of graphs inside it too.
func uses(node []byte, used map[string]bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("graphs are nested deeper than %d", maxDepth)
	}
	fs, err := parse(node)
	if err != nil {
		return err
	}
	for _, f := range fs {
		switch f.num {
		case nodeInput:
			used[string(f.body)] = true
		case nodeAttribute:
			attribute, err := parse(f.body)
			if err != nil {
				return err
			}
			for _, a := range attribute {
				if a.num != attributeSub {
					continue
				}
				if err := usesOfGraph(a.body, used, depth); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func usesOfGraph(g []byte, used map[string]bool, depth int) error {
	fs, err := parse(g)
	if err != nil {
		return err
	}
	for _, f := range fs {
		switch f.num {
		case graphNode:
			if err := uses(f.body, used, depth+1); err != nil {
				return err
			}
		case graphOutput:
			v, err := parse(f.body)
			if err != nil {
				return err
			}
			used[text(v, valueName)] = true
		}
	}
	return nil
}

const weightsSuffix, scalesSuffix = "_int8", "_scale"

// mostWeight is the largest magnitude of a quantized weight: 7 of the 8 bits. Where an x86 processor has no
// VNNI, the runtime multiplies unsigned by signed bytes with an instruction (VPMADDUBSW) that adds pairs of
// products in 16 bits and clips the result: 2 × 255 × 63 fits, 2 × 255 × 127 is cut to half.
const mostWeight = 63

// quantize gives the matrix as 8-bit weights and one scale a column: weight × scale is near the original.
func (m *matrix) quantize(name string) (weights, scales []byte) {
	at := func(i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(m.raw[4*i:])))
	}
	scale := make([]float64, m.cols)
	for i := range m.rows * m.cols {
		scale[i%m.cols] = max(scale[i%m.cols], math.Abs(at(i))/mostWeight)
	}
	w, s := make([]byte, m.rows*m.cols), make([]byte, 0, 4*m.cols)
	for c, v := range scale {
		if v == 0 {
			scale[c] = 1
		}
		s = binary.LittleEndian.AppendUint32(s, math.Float32bits(float32(scale[c])))
	}
	for i := range w {
		w[i] = byte(int8(max(-mostWeight, min(mostWeight, math.RoundToEven(at(i)/scale[i%m.cols])))))
	}
	return constant(name+weightsSuffix, typeInt8, w, m.rows, m.cols), constant(name+scalesSuffix, typeFloat, s, m.cols)
}

func constant(name string, typ uint64, raw []byte, dims ...int) []byte {
	var t []byte
	for _, d := range dims {
		t = putInt(t, tensorDims, uint64(d))
	}
	t = putInt(t, tensorType, typ)
	return put(put(t, tensorName, []byte(name)), tensorRaw, raw)
}
