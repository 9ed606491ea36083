package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

const headerBytes = 44

// Writer writes one 16-bit mono file. Until Close its header says that the samples go on to the end of the file,
// so that what a crash leaves is readable. Not safe for concurrent use.
type Writer struct {
	f    *os.File
	n    int64 // samples
	buf  []byte
	done bool
}

// Create makes or truncates the file at path. It panics if rate is not one that [Decode] accepts.
func Create(path string, rate int) (*Writer, error) {
	if rate < minRate || rate > MaxRate {
		panic(fmt.Sprintf("wav: rate %d", rate))
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create WAV: %w", err)
	}
	if _, err := f.WriteAt(header(rate), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("write WAV header: %w", err), f.Close())
	}
	return &Writer{f: f}, nil
}

func header(rate int) []byte {
	le := binary.LittleEndian
	h := append(make([]byte, 0, headerBytes), "RIFF\xff\xff\xff\xffWAVEfmt "...)
	h = le.AppendUint32(h, 16)
	h = le.AppendUint16(h, formatPCM)
	h = le.AppendUint16(h, 1)
	h = le.AppendUint32(h, uint32(rate))
	h = le.AppendUint32(h, uint32(rate)*2)
	h = le.AppendUint16(h, 2)
	h = le.AppendUint16(h, 16)
	return append(h, "data\xff\xff\xff\xff"...)
}

// Samples is the length of the file so far.
func (w *Writer) Samples() int64 { return w.n }

// Write appends samples.
func (w *Writer) Write(pcm []int16) error { return w.WriteAt(pcm, w.n) }

// WriteAt puts samples at a place counted in samples from the beginning, over what is there. A hole before them
// is silent.
func (w *Writer) WriteAt(pcm []int16, at int64) error {
	if at < 0 {
		return fmt.Errorf("write WAV: place %d is before the beginning", at)
	}
	w.buf = w.buf[:0]
	for _, s := range pcm {
		w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(s))
	}
	if _, err := w.f.WriteAt(w.buf, headerBytes+2*at); err != nil {
		return fmt.Errorf("write WAV: %w", err)
	}
	w.n = max(w.n, at+int64(len(pcm)))
	return nil
}

// Extend makes the file at least n samples long, with silence.
func (w *Writer) Extend(n int64) error {
	if n <= w.n {
		return nil
	}
	if err := w.f.Truncate(headerBytes + 2*n); err != nil {
		return fmt.Errorf("extend WAV: %w", err)
	}
	w.n = n
	return nil
}

// Close writes the length into the header (files over 4 GiB keep the mark for "to the end") and closes the file.
// A second Close does nothing.
func (w *Writer) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	err := w.sizes()
	if err != nil {
		err = fmt.Errorf("finish WAV: %w", err)
	}
	return errors.Join(err, w.f.Close())
}

func (w *Writer) sizes() error {
	data := 2 * w.n
	if data+headerBytes-8 > math.MaxUint32 {
		return nil
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(data+headerBytes-8))
	if _, err := w.f.WriteAt(b[:], 4); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b[:], uint32(data))
	_, err := w.f.WriteAt(b[:], headerBytes-4)
	return err
}
