package record

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

const (
	hashBytes  = 32       // SHA-256
	chunkHead  = 20       // bytes: magic, length, unpacked length, number, checksum
	chunkMost  = 8 << 20  // bytes of a chunk's entries
	lineMost   = 1 << 20  // bytes of a line of the log
	packLeast  = 512      // bytes: shorter chunks are not packed
	headerMost = 64       // bytes of the line that begins a file
	effort     = 64 << 20 // bytes that may be checked in vain, and four times the file
)

var (
	chunkMagic = [4]byte{0xc3, 'p', 'r', '1'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Damage is a place of a bundle that cannot be read. What follows it is.
type Damage struct {
	File   string // of the bundle
	Offset int64  // in bytes
	Size   int64  // how many bytes were skipped
	Reason string
}

// Error names the file and the offset.
func (d *Damage) Error() string {
	if d.Size > 0 {
		return fmt.Sprintf("read %s at byte %d: %s (%d bytes skipped)", d.File, d.Offset, d.Reason, d.Size)
	}
	return fmt.Sprintf("read %s at byte %d: %s", d.File, d.Offset, d.Reason)
}

// header is the line that begins a file.
func header(file string) string { return fmt.Sprintf("parley record %d %s\n", Schema, file) }

// checkHeader returns the length of the line that begins a file.
func checkHeader(file string, b []byte) (int64, error) {
	line, _, ok := strings.Cut(string(b[:min(len(b), headerMost)]), "\n")
	var schema int
	var name string
	if _, err := fmt.Sscanf(line, "parley record %d %s", &schema, &name); !ok || err != nil || name != file || schema < 1 {
		return 0, &Damage{File: file, Reason: fmt.Sprintf("it does not begin with %q", header(file))}
	}
	if schema > Schema {
		return 0, fmt.Errorf("read %s at byte 0: version %d: %w", file, schema, ErrVersion)
	}
	return int64(len(line) + 1), nil
}

// Packer packs text without loss. One serves all Writers of a process, one after the other; it holds 1.2 MB, and the 2 kB that a
// lively conversation logs in half a second take it 50 µs. The zero value is ready. Safe for concurrent use.
type Packer struct {
	mu      sync.Mutex
	deflate *flate.Writer
	packed  bytes.Buffer
}

// pack appends the packed form of raw to out, unless it is not shorter.
func (p *Packer) pack(out, raw []byte) (_ []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deflate == nil {
		p.deflate, _ = flate.NewWriter(nil, flate.BestSpeed) // its only error is a level that does not exist
	}
	p.packed.Reset()
	p.deflate.Reset(&p.packed)
	_, err := p.deflate.Write(raw)
	if err = errors.Join(err, p.deflate.Close()); err != nil || p.packed.Len() >= len(raw) {
		return out, false
	}
	return append(out, p.packed.Bytes()...), true
}

// framer frames entries as chunks.
type framer struct {
	packer *Packer // nil: never pack
	out    []byte
}

// chunk is the framed form of raw, valid until the next call.
func (f *framer) chunk(number uint32, raw []byte) []byte {
	f.out = append(f.out[:0], make([]byte, chunkHead)...)
	unpacked, ok := 0, false
	if f.packer != nil && len(raw) >= packLeast {
		f.out, ok = f.packer.pack(f.out, raw)
	}
	if ok {
		unpacked = len(raw)
	} else {
		f.out = append(f.out, raw...)
	}
	copy(f.out, chunkMagic[:])
	binary.LittleEndian.PutUint32(f.out[4:], uint32(len(f.out)-chunkHead))
	binary.LittleEndian.PutUint32(f.out[8:], uint32(unpacked))
	binary.LittleEndian.PutUint32(f.out[12:], number)
	binary.LittleEndian.PutUint32(f.out[16:], checksum(f.out))
	return f.out
}

// checksum covers a framed chunk but for the checksum itself.
func checksum(framed []byte) uint32 {
	sum := crc32.Update(0, castagnoli, framed[4:16])
	return crc32.Update(sum, castagnoli, framed[chunkHead:])
}

// chunk is one that was read.
type chunk struct {
	at     int64 // offset
	next   int64 // offset after it
	number uint32
	body   []byte // entries
}

// scanner reads the chunks of a file, past what is damaged.
type scanner struct {
	file   string
	r      io.ReaderAt
	at     int64 // the next chunk
	size   int64 // of the file
	number uint32
	effort int64 // bytes that may yet be checked in vain: a hostile file must not cost more
	torn   bool  // the end of the file is not that of a chunk
}

// newScanner checks how the file begins. On an error it may still be used if that is not ErrVersion.
func newScanner(file string, r io.ReaderAt, size int64) (*scanner, error) {
	s := &scanner{file: file, r: r, size: size, effort: effort + 4*size}
	b := make([]byte, min(size, headerMost))
	n, err := r.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	s.at, err = checkHeader(file, b[:n])
	return s, err
}

// next returns the next chunk that can be read, and what was passed over before it. At the end of the file the chunk is
// nil.
func (s *scanner) next() (*chunk, *Damage) {
	if s.at >= s.size {
		return nil, nil
	}
	c, reason := s.read(s.at)
	if c != nil {
		s.at = c.next
		return c, nil
	}
	d := &Damage{File: s.file, Offset: s.at, Reason: reason}
	for at := s.find(s.at + 1); at >= 0; at = s.find(at + 1) {
		if c, _ = s.read(at); c != nil {
			d.Size, s.at = at-d.Offset, c.next
			return c, d
		}
		if s.effort < 0 {
			d.Reason += "; what follows is not worth the search"
			break
		}
	}
	d.Size, s.torn = s.size-d.Offset, true
	s.at = s.size
	return nil, d
}

// missing is the error of a jump in the chunks' numbers, if there is one before c.
func (s *scanner) missing(c *chunk) *Damage {
	want := s.number
	s.number = c.number + 1
	if c.number == want {
		return nil
	}
	return &Damage{File: s.file, Offset: c.at, Reason: fmt.Sprintf("chunk %d follows where %d should", c.number, want)}
}

// read reads the chunk at an offset, or says why there is none.
func (s *scanner) read(at int64) (*chunk, string) {
	var head [chunkHead]byte
	if at+chunkHead > s.size {
		return nil, "the file ends within a chunk"
	}
	if _, err := s.r.ReadAt(head[:], at); err != nil {
		return nil, err.Error()
	}
	size, unpacked := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	switch {
	case [4]byte(head[:4]) != chunkMagic:
		return nil, "no chunk begins here"
	case size > chunkMost || unpacked > chunkMost:
		return nil, fmt.Sprintf("a chunk cannot have %d bytes", max(size, unpacked))
	case at+chunkHead+int64(size) > s.size:
		return nil, "the file ends within a chunk"
	}
	framed := make([]byte, chunkHead+int(size))
	if _, err := s.r.ReadAt(framed, at); err != nil {
		return nil, err.Error()
	}
	if checksum(framed) != binary.LittleEndian.Uint32(head[16:]) {
		s.effort -= int64(size)
		return nil, "the checksum is wrong"
	}
	c := &chunk{at: at, next: at + int64(len(framed)), number: binary.LittleEndian.Uint32(head[12:]), body: framed[chunkHead:]}
	if unpacked > 0 {
		var err error
		if c.body, err = unpack(c.body, int(unpacked)); err != nil {
			return nil, err.Error()
		}
	}
	return c, ""
}

func unpack(b []byte, size int) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(b))
	raw, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("unpack chunk: %w", err)
	}
	if len(raw) != size {
		return nil, fmt.Errorf("unpack chunk: not the %d bytes it tells of", size)
	}
	return raw, nil
}

// find is the offset of the next magic at or after at, −1 without one.
func (s *scanner) find(at int64) int64 {
	window := make([]byte, 64<<10)
	for at < s.size {
		n, err := s.r.ReadAt(window[:min(int64(len(window)), s.size-at)], at)
		if i := bytes.Index(window[:n], chunkMagic[:]); i >= 0 {
			return at + int64(i)
		}
		if err != nil || n < len(chunkMagic) {
			return -1
		}
		at += int64(n - len(chunkMagic) + 1)
	}
	return -1
}
