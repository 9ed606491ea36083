package onnx

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
)

// Narrow gives an ONNX model back with its 8-bit constants in 7 bits: those that a DequantizeLinear node unpacks, and the 32-bit ones that are added
// to their products, are halved and their scales doubled, so that the model computes nearly the same. Without that a processor may compute something
// else: see mostWeight. A model without such constants comes back as it is.
func Narrow(model []byte) ([]byte, error) {
	narrowed, err := edit(model, []int{modelGraph}, narrowGraph)
	if err != nil {
		return nil, fmt.Errorf("narrow model: %w", err)
	}
	return narrowed, nil
}

const (
	tensorFloats = 4 // packed; where there is no tensorRaw
	typeInt32    = 6
)

func narrowGraph(g []byte) ([]byte, error) {
	fs, err := parse(g)
	if err != nil {
		return nil, err
	}
	scaleOf, err := unpacked(fs)
	if err != nil || len(scaleOf) == 0 {
		return g, err
	}
	double := map[string]bool{}
	for i, f := range fs {
		if f.num != graphInitializer {
			continue
		}
		t, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		if scale := scaleOf[text(t, tensorName)]; scale != "" && halve(t) {
			double[scale] = true
			fs[i].body = joined(t)
		}
	}
	var out []byte
	for _, f := range fs {
		if f.num != graphInitializer {
			out = append(out, f.raw...)
			continue
		}
		t, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		if double[text(t, tensorName)] && !doubled(t) {
			return nil, fmt.Errorf("the scale %q has no float32 values", text(t, tensorName))
		}
		out = put(out, graphInitializer, joined(t))
	}
	return out, nil
}

// unpacked are the names of what DequantizeLinear nodes unpack, with those of their scales, where nothing else uses these.
func unpacked(graph []field) (map[string]string, error) {
	scaleOf, uses := map[string]string{}, map[string]int{}
	for _, f := range graph {
		if f.num != graphNode {
			continue
		}
		node, err := parse(f.body)
		if err != nil {
			return nil, err
		}
		var in []string
		for _, f := range node {
			if f.num == nodeInput {
				in = append(in, string(f.body))
				uses[string(f.body)]++
			}
		}
		if text(node, nodeOp) == "DequantizeLinear" && len(in) >= 2 {
			scaleOf[in[0]] = in[1]
		}
	}
	maps.DeleteFunc(scaleOf, func(name, scale string) bool { return uses[name] > 1 || uses[scale] > 1 })
	return scaleOf, nil
}

// halve halves the values of a tensor of integers, in place in its fields, and says whether it is one.
func halve(t []field) bool {
	var typ uint64
	for _, f := range t {
		if f.num == tensorType {
			typ = f.n
		}
	}
	for i, f := range t {
		if f.num != tensorRaw {
			continue
		}
		half := append([]byte{}, f.body...)
		switch typ {
		case typeInt8:
			for k, b := range half {
				half[k] = byte(int8(math.RoundToEven(float64(int8(b)) / 2))) // at most 64: 2 × 255 × 64 fits too
			}
		case typeInt32:
			for k := 0; k+4 <= len(half); k += 4 {
				v := int32(binary.LittleEndian.Uint32(half[k:]))
				binary.LittleEndian.PutUint32(half[k:], uint32(int32(math.RoundToEven(float64(v)/2))))
			}
		default:
			return false
		}
		t[i].body = half
		return true
	}
	return false
}

// doubled doubles the values of a tensor of floats, in place in its fields, and says whether it is one.
func doubled(t []field) bool {
	for i, f := range t {
		if f.num != tensorRaw && (f.num != tensorFloats || f.raw[0]&7 != 2) || len(f.body) == 0 || len(f.body)%4 != 0 {
			continue
		}
		twice := append([]byte{}, f.body...)
		for k := 0; k < len(twice); k += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(twice[k:]))
			binary.LittleEndian.PutUint32(twice[k:], math.Float32bits(2*v))
		}
		t[i].body = twice
		return true
	}
	return false
}

// joined is the message of these fields.
func joined(fs []field) (m []byte) {
	for _, f := range fs {
		if f.raw[0]&7 == 2 {
			m = put(m, f.num, f.body)
		} else {
			m = append(m, f.raw...)
		}
	}
	return m
}
