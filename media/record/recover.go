package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tornSuffix is that of what Recover cut off.
const tornSuffix = ".torn"

// Recover closes the bundle at path whose writer was killed: what follows the last chunk that can be read is moved to a
// file beside it (packets.torn, log.torn), and an end is written. It returns how many bytes were cut off. One that is closed
// already is left as it is; one that is being written is ErrLive; of what is not readable in the middle nothing is changed.
func Recover(path string) (cut int64, err error) {
	b, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if s := b.State(); s == Live {
		return 0, fmt.Errorf("recover %s: %w", path, ErrLive)
	}
	now := b.Duration()
	for _, name := range []string{packetsFile, logFile} {
		n, err := b.mend(path, name, now)
		if err != nil {
			return cut, fmt.Errorf("recover %s: %w", path, err)
		}
		cut += n
	}
	return cut, b.sweep()
}

// sweep removes files that were not whole yet.
func (b *Bundle) sweep() (err error) {
	for _, pattern := range []string{manifestFile + partSuffix, blobsDir + "/*" + partSuffix} {
		found, bad := fs.Glob(b.root.FS(), pattern)
		err = errors.Join(err, bad)
		for _, name := range found {
			err = errors.Join(err, b.root.Remove(name))
		}
	}
	return err
}

// mend closes one file.
func (b *Bundle) mend(dir, name string, now time.Duration) (cut int64, err error) {
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a file", name)
	}
	dev, err := openDevice(path, os.O_CREATE)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dev.close()) }()
	r, size, err := b.open(name)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	good, number, ended, err := prefix(name, r, size)
	if err != nil || ended {
		return 0, err
	}
	f := newFile(name, dev, &queue{})
	if cut = size - good; cut > 0 {
		tail := make([]byte, cut)
		if _, err := r.ReadAt(tail, good); err != nil {
			return 0, err
		}
		if err := writeWhole(dir, name+tornSuffix, tail); err != nil {
			return 0, err
		}
		if err := dev.cut(good); err != nil {
			return 0, err
		}
	}
	if good == 0 {
		f.begin()
		if err := f.write(); err != nil {
			return cut, err
		}
	}
	f.hash = sha256.New()
	if _, err := io.Copy(f.hash, io.NewSectionReader(r, 0, 1<<62)); err != nil {
		return cut, err
	}
	f.number = number
	return cut, f.end(Entry{Now: now, Name: string(Rescued)})
}

// prefix finds where the last chunk that can be read ends, and the number of the next.
func prefix(name string, r io.ReaderAt, size int64) (good int64, number uint32, ended bool, err error) {
	s, err := newScanner(name, r, size)
	if s == nil || errors.Is(err, ErrVersion) {
		return 0, 0, false, err
	}
	good = s.at
	for {
		c, _ := s.next()
		if c == nil {
			return good, number, ended, nil
		}
		good, number, ended = c.next, c.number+1, false
		c.entries(name, func(_ *chunk, e Entry, err error) bool {
			ended = ended || err == nil && e.Kind == End
			return true
		})
	}
}
