package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// An ONNX file is one protobuf message. What is edited here are a few fields of it, by their numbers in
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the rest is copied as it stands.
const (
	modelGraph  = 7
	modelOpsets = 8

	opsetDomain  = 1
	opsetVersion = 2

	graphNode        = 1
	graphName        = 2
	graphInitializer = 5
	graphOutput      = 12
	valueName        = 1

	nodeInput     = 1
	nodeOutput    = 2
	nodeName      = 3
	nodeOp        = 4
	nodeAttribute = 5
	nodeDomain    = 7
	attributeSub  = 6 // a graph inside an attribute

	tensorDims = 1
	tensorType = 2
	tensorName = 8
	tensorRaw  = 9
)

var errMalformed = errors.New("malformed protobuf message")

// field is one field of a message.
type field struct {
	num  int
	raw  []byte // all of it
	body []byte // what is in it, if it has a length: a message, a string or bytes
	n    uint64 // its value, if it is a number of variable length
}

// parse splits a message into its fields, which share its memory.
func parse(m []byte) ([]field, error) {
	var fs []field
	for len(m) > 0 {
		tag, k := binary.Uvarint(m)
		if k <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return nil, errMalformed
		}
		f := field{num: int(tag >> 3)}
		size := k
		switch tag & 7 {
		case 0:
			v, l := binary.Uvarint(m[k:])
			if l <= 0 {
				return nil, errMalformed
			}
			f.n = v
			size += l
		case 1:
			size += 8
		case 5:
			size += 4
		case 2:
			n, l := binary.Uvarint(m[k:])
			if l <= 0 || n > uint64(len(m)-k-l) {
				return nil, errMalformed
			}
			f.body = m[k+l : k+l+int(n)]
			size += l + int(n)
		default:
			return nil, errMalformed
		}
		if size > len(m) {
			return nil, errMalformed
		}
		f.raw, m = m[:size], m[size:]
		fs = append(fs, f)
	}
	return fs, nil
}

// numbers are the field's values: one, or several packed into its body.
func (f field) numbers() []uint64 {
	if f.raw[0]&7 == 0 {
		return []uint64{f.n}
	}
	var ns []uint64
	for b := f.body; len(b) > 0; {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			break
		}
		ns, b = append(ns, n), b[k:]
	}
	return ns
}

// text is the value of the first field with the number num, empty if there is none.
func text(fs []field, num int) string {
	for _, f := range fs {
		if f.num == num {
			return string(f.body)
		}
	}
	return ""
}

// put appends a field with a body to a message.
func put(m []byte, num int, body []byte) []byte {
	m = binary.AppendUvarint(m, uint64(num<<3|2))
	return append(binary.AppendUvarint(m, uint64(len(body))), body...)
}

// putInt appends a number to a message.
func putInt(m []byte, num int, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(num<<3)), n)
}

// edit copies a message with f applied to every message at path below it.
func edit(m []byte, path []int, f func([]byte) ([]byte, error)) ([]byte, error) {
	fs, err := parse(m)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(m)+16)
	for _, x := range fs {
		if x.num != path[0] || x.raw[0]&7 != 2 {
			out = append(out, x.raw...)
			continue
		}
		var body []byte
		if len(path) > 1 {
			body, err = edit(x.body, path[1:], f)
		} else {
			body, err = f(x.body)
		}
		if err != nil {
			return nil, err
		}
		out = put(out, x.num, body)
	}
	return out, nil
}

// maxDepth bounds how deep graphs may lie in graphs.
const maxDepth = 16

// nameGraphs gives every graph of a model a name. The runtime writes the graphs inside another without one,
// and then refuses its own file.
func nameGraphs(model []byte) ([]byte, error) {
	return edit(model, []int{modelGraph}, func(g []byte) ([]byte, error) { return nameGraph(g, 0) })
}

func nameGraph(g []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("graphs are nested deeper than %d", maxDepth)
	}
	g, err := edit(g, []int{graphNode, nodeAttribute, attributeSub}, func(g []byte) ([]byte, error) { return nameGraph(g, depth+1) })
	if err != nil {
		return nil, err
	}
	fs, err := parse(g)
	if err != nil || text(fs, graphName) != "" {
		return g, err
	}
	return put(slices.Clip(g), graphName, []byte("g")), nil
}
