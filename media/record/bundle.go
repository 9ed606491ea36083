package record

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNone says that a folder is no recording.
var ErrNone = errors.New("no recording")

// blobMost is the longest blob that is read.
const blobMost = 64 << 20

// Bundle is a recording that is read. It may be written at the same time; then what is there at the time is read. Safe
// for concurrent use. Nothing outside its folder is ever opened, whatever links are in it.
type Bundle struct {
	Manifest
	root *os.Root
	bad  error // what is wrong with the manifest
}

// Open opens the bundle in the folder at path; close it. A folder without the files of one gives ErrNone, one of a newer
// format ErrVersion. A manifest that cannot be read is no error here but one that Verify tells of: its fields are then
// what could be read of it.
func Open(path string) (*Bundle, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	b := &Bundle{root: root}
	b.Manifest, b.bad = readManifest(root)
	if errors.Is(b.bad, ErrVersion) {
		return nil, errors.Join(b.bad, root.Close())
	}
	_, err = root.Stat(packetsFile)
	if err != nil && b.bad != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w: neither %s nor %s can be read", path, ErrNone, manifestFile, packetsFile), root.Close())
	}
	return b, nil
}

// Close lets the folder go.
func (b *Bundle) Close() error { return b.root.Close() }

// Packets yields what crossed the wire and what is told of it: Up, Down, RTCPUp, RTCPDown, Gap, Pause, Resume, Mute, End,
// in the order in which they were taken. An error is one place that cannot be read (a *Damage) or that the file cannot be
// read at all; after a Damage the loop goes on with what follows it.
func (b *Bundle) Packets() iter.Seq2[Entry, error] { return b.entries(packetsFile) }

// Log yields the ordered log: Line, Score, Blob, Gap, Pause, Resume, End. Errors are as those of Packets.
func (b *Bundle) Log() iter.Seq2[Entry, error] { return b.entries(logFile) }

func (b *Bundle) entries(name string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		f, size, err := b.open(name)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer f.Close()
		read(name, f, size, func(_ *chunk, e Entry, err error) bool { return yield(e, err) })
	}
}

func (b *Bundle) open(name string) (*os.File, int64, error) { return openFile(b.root, name) }

// openFile opens a file of a bundle. What is no file is not opened: a pipe would wait for a writer for ever.
func openFile(root *os.Root, name string) (*os.File, int64, error) {
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a file")
	}
	var f *os.File
	if err == nil {
		f, err = root.Open(name)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", name, err)
	}
	info, err = f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// read yields the entries of a file. Chunk is the one that an entry lies in.
func read(name string, r io.ReaderAt, size int64, yield func(c *chunk, e Entry, err error) bool) {
	s, err := newScanner(name, r, size)
	if err != nil {
		if !yield(nil, Entry{}, err) || s == nil || errors.Is(err, ErrVersion) {
			return
		}
	}
	for {
		c, d := s.next()
		if d != nil && !yield(nil, Entry{}, d) || c == nil {
			return
		}
		if d := s.missing(c); d != nil && !yield(nil, Entry{}, d) {
			return
		}
		if !c.entries(name, yield) {
			return
		}
	}
}

// entries yields what lies in a chunk. It reports whether the loop goes on.
func (c *chunk) entries(name string, yield func(c *chunk, e Entry, err error) bool) bool {
	var code coder
	for b := c.body; len(b) > 0; {
		e, rest, ok, err := code.parse(b)
		if err != nil {
			return yield(c, Entry{}, &Damage{File: name, Offset: c.at, Size: c.next - c.at, Reason: err.Error()})
		}
		b = rest
		if ok && !yield(c, e, nil) {
			return false
		}
	}
	return true
}

// Blob reads the content that was kept under a name, which is its hash, and checks it.
func (b *Bundle) Blob(name string) ([]byte, error) {
	if sum, err := hex.DecodeString(name); err != nil || len(sum) != sha256.Size || strings.ToLower(name) != name {
		return nil, fmt.Errorf("read blob %.80q: not a hash", name)
	}
	path := filepath.Join(blobsDir, name)
	content, err := b.blob(path)
	if errors.Is(err, fs.ErrNotExist) {
		path += packedSuffix
		content, err = b.blob(path)
	}
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != name {
		return nil, &Damage{File: path, Reason: "the content is not that of its name"}
	}
	return content, nil
}

func (b *Bundle) blob(path string) ([]byte, error) {
	f, size, err := b.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, packedSuffix) {
		z := flate.NewReader(f)
		defer z.Close()
		r = z
	}
	var content bytes.Buffer
	content.Grow(int(min(size, blobMost)))
	n, err := content.ReadFrom(io.LimitReader(r, blobMost+1))
	if err != nil || n > blobMost {
		return nil, &Damage{File: path, Offset: n, Reason: fmt.Sprintf("unreadable or longer than %d bytes: %v", int64(blobMost), err)}
	}
	return content.Bytes(), nil
}

// Duration is how long the conversation lasted, from zero of the session clock to where its record ends; of one that has no
// end, to its last entry.
func (b *Bundle) Duration() (d time.Duration) {
	for _, name := range []string{packetsFile, logFile} {
		if e, ok := b.end(name); ok {
			d = max(d, e.Now)
			continue
		}
		for e := range b.entries(name) {
			d = max(d, e.Now)
		}
	}
	return min(d, longestCall)
}

// State is how far the bundle has come.
func (b *Bundle) State() State {
	f, _, err := b.open(packetsFile)
	if err == nil {
		defer f.Close()
		if errors.Is(lock(f, lockAsk), ErrLive) {
			return Live
		}
	}
	state := Closed
	for _, name := range []string{packetsFile, logFile} {
		e, ok := b.end(name)
		if !ok {
			return Killed
		}
		if e.Name == string(Rescued) {
			state = Rescued
		}
	}
	return state
}

// endMost is more than the chunk of an end has.
const endMost = 256

// end is what a file ends with, if it has an end.
func (b *Bundle) end(name string) (last Entry, ok bool) {
	f, size, err := b.open(name)
	if err != nil {
		return Entry{}, false
	}
	defer f.Close()
	tail := make([]byte, min(size, endMost))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return Entry{}, false
	}
	i := bytes.LastIndex(tail, chunkMagic[:])
	if i < 0 {
		return Entry{}, false
	}
	s := scanner{file: name, r: f, size: size}
	c, _ := s.read(size - int64(len(tail)-i))
	if c == nil {
		return Entry{}, false
	}
	c.entries(name, func(_ *chunk, e Entry, err error) bool {
		last, ok = e, err == nil && e.Kind == End
		return true
	})
	return last, ok
}

// longestCall is what a hostile clock is held to.
const longestCall = 7 * 24 * time.Hour
