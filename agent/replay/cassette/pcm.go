package cassette

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// pcmMagic begins a blob of samples.
const pcmMagic = "pcm1"

var errPCM = errors.New("no samples of this format")

// packPCM is pcm so that DEFLATE finds something to save; the package comment says how.
func packPCM(pcm []int16) []byte {
	out := binary.AppendUvarint([]byte(pcmMagic), uint64(len(pcm)))
	n, at := len(pcm), len(out)
	out = append(out, make([]byte, 2*n)...)
	var last, before int16
	for i, v := range pcm {
		d := v - 2*last + before // wraps around, and so back
		u := uint16(d<<1) ^ uint16(d>>15)
		out[at+i], out[at+n+i] = byte(u), byte(u>>8)
		last, before = v, last
	}
	return out
}

// unpackPCM is the samples of a blob.
func unpackPCM(b []byte) ([]int16, error) {
	b, ok := bytes.CutPrefix(b, []byte(pcmMagic))
	n, k := binary.Uvarint(b)
	if !ok || k <= 0 || n != uint64(len(b)-k)/2 || (len(b)-k)%2 != 0 {
		return nil, errPCM
	}
	low, high := b[k:k+int(n)], b[k+int(n):]
	pcm := make([]int16, n)
	var last, before int16
	for i := range pcm {
		u := uint16(low[i]) | uint16(high[i])<<8
		d := int16(u>>1) ^ -int16(u&1)
		pcm[i] = d + 2*last - before
		last, before = pcm[i], last
	}
	return pcm, nil
}
