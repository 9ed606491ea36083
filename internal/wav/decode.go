package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// The codes of the sample formats, and what a data chunk's size is when its writer could not come back to fill it
// in: ffmpeg leaves 0xFFFFFFFF in a pipe, sox a little less than 0x80000000.
const (
	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xFFFE

	unknownSize = 0x7FFFF000
	chunkBytes  = 1 << 16
)

// guidTail follows the format code in the sub-format of WAVE_FORMAT_EXTENSIBLE.
var guidTail = []byte{0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71}

type decoder struct {
	r io.Reader

	format   uint16
	channels int
	rate     int
	bytes    int // of one sample of one channel

	riffSize uint32
	size     uint32 // of the data chunk as its header says
}

// header reads up to the first sample.
func (d *decoder) header() error {
	var h [12]byte
	if _, err := io.ReadFull(d.r, h[:]); err != nil {
		return ended("its first 12 bytes", err)
	}
	switch string(h[:4]) {
	case "RIFF":
	case "RF64", "RIFX", "BW64":
		return fmt.Errorf("%w: %s files are not supported, only RIFF", ErrFormat, h[:4])
	default:
		return fmt.Errorf("%w: it does not begin with RIFF", ErrFormat)
	}
	if string(h[8:]) != "WAVE" {
		return fmt.Errorf("%w: RIFF holds %q, not WAVE", ErrFormat, h[8:])
	}
	d.riffSize = binary.LittleEndian.Uint32(h[4:])
	for {
		var c [8]byte
		if _, err := io.ReadFull(d.r, c[:]); err != nil {
			return ended("a data chunk", err)
		}
		size := binary.LittleEndian.Uint32(c[4:])
		switch id := string(c[:4]); id {
		case "fmt ":
			if err := d.fmtChunk(size); err != nil {
				return err
			}
		case "data":
			if d.channels == 0 {
				return fmt.Errorf("%w: its data comes before its format", ErrFormat)
			}
			d.size = size
			return nil
		default:
			if err := d.skip(int64(size) + int64(size&1)); err != nil {
				return ended(fmt.Sprintf("the end of chunk %q", id), err)
			}
		}
	}
}

func (d *decoder) fmtChunk(size uint32) error {
	if size < 16 {
		return fmt.Errorf("%w: its format chunk has %d bytes, at least 16 are needed", ErrFormat, size)
	}
	var b [40]byte
	n := min(int(size), len(b))
	if _, err := io.ReadFull(d.r, b[:n]); err != nil {
		return ended("the end of its format chunk", err)
	}
	if err := d.skip(int64(size) - int64(n) + int64(size&1)); err != nil {
		return ended("the end of its format chunk", err)
	}
	le := binary.LittleEndian
	d.format, d.channels = le.Uint16(b[0:]), int(le.Uint16(b[2:]))
	rate, align, bits := le.Uint32(b[4:]), int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
	if d.format == formatExtensible {
		if n < 40 || !bytes.Equal(b[26:40], guidTail) {
			return fmt.Errorf("%w: unknown extensible sub-format", ErrFormat)
		}
		d.format = le.Uint16(b[24:])
	}
	return d.check(rate, align, bits)
}

func (d *decoder) check(rate uint32, align, bits int) error {
	switch {
	case d.channels == 0:
		return fmt.Errorf("%w: it has no channels", ErrFormat)
	case rate < minRate || rate > MaxRate:
		return fmt.Errorf("%w: its rate is %d Hz, from %d to %d are readable", ErrFormat, rate, minRate, MaxRate)
	}
	d.rate, d.bytes = int(rate), bits/8
	switch {
	case d.format == formatPCM && (bits == 8 || bits == 16 || bits == 24 || bits == 32):
	case d.format == formatFloat && bits == 32:
	default:
		return fmt.Errorf("%w: its samples are %d-bit in format %d; PCM of 8, 16, 24 or 32 bits and 32-bit float are readable",
			ErrFormat, bits, d.format)
	}
	if align != d.channels*d.bytes {
		return fmt.Errorf("%w: a frame of %d channels of %d bits has %d bytes, its header says %d",
			ErrFormat, d.channels, bits, d.channels*d.bytes, align)
	}
	return nil
}

func (d *decoder) skip(n int64) error {
	_, err := io.CopyN(io.Discard, d.r, n)
	return err
}

// samples reads the data chunk.
func (d *decoder) samples(limit time.Duration) (Audio, error) {
	a := Audio{Rate: d.rate}
	frame := d.channels * d.bytes
	most := int64(limit.Seconds() * float64(d.rate)) // samples
	r := d.r
	open := d.size >= unknownSize || d.size == 0 && d.riffSize == 0
	if !open {
		r = io.LimitReader(r, int64(d.size))
	}
	buf := make([]byte, max(1, chunkBytes/frame)*frame)
	var read int64
	for {
		n, err := io.ReadFull(r, buf)
		read += int64(n)
		if int64(len(a.PCM))+int64(n/frame) > most {
			return Audio{}, fmt.Errorf("%w: it is longer than %v", ErrFormat, limit)
		}
		for b := buf[:n-n%frame]; len(b) > 0; b = b[frame:] {
			a.PCM = append(a.PCM, d.mix(b[:frame]))
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return a, fmt.Errorf("read samples: %w", err)
		case !open && read < int64(d.size):
			return a, fmt.Errorf("it ends after %d of the %d bytes of samples that its header promises: %w",
				read, d.size, io.ErrUnexpectedEOF)
		default:
			return a, nil
		}
	}
}

// mix is the mean of one frame's channels, rounded.
func (d *decoder) mix(b []byte) int16 {
	var sum int64
	for ; len(b) > 0; b = b[d.bytes:] {
		sum += d.sample(b)
	}
	return int16(min((sum/int64(d.channels)+1<<15)>>16, math.MaxInt16))
}

// sample is one sample as a 32-bit value.
func (d *decoder) sample(b []byte) int64 {
	le := binary.LittleEndian
	switch {
	case d.format == formatFloat:
		v := float64(math.Float32frombits(le.Uint32(b)))
		if v != v {
			return 0
		}
		return int64(max(-1, min(1, v)) * math.MaxInt32)
	case d.bytes == 1:
		return (int64(b[0]) - 128) << 24
	case d.bytes == 2:
		return int64(int16(le.Uint16(b))) << 16
	case d.bytes == 3:
		return int64(int32(uint32(b[0])<<8 | uint32(b[1])<<16 | uint32(b[2])<<24))
	default:
		return int64(int32(le.Uint32(b)))
	}
}

// ended says what was looked for when the file ended or could not be read on.
func ended(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends before %s", ErrFormat, what)
	}
	return fmt.Errorf("read header: %w", err)
}
