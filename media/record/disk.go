package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// device is a file as far as the record needs it; tests put worse ones in its place.
type device struct {
	write func([]byte) (int, error)
	sync  func() error
	cut   func(size int64) error
	close func() error
}

// openDevice makes or opens a file that grows, and locks it against other writers.
func openDevice(path string, flags int) (device, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flags, 0o600)
	if err != nil {
		return device{}, err
	}
	if err := lock(f, lockSet); err != nil {
		return device{}, errors.Join(fmt.Errorf("lock %s: %w", filepath.Base(path), err), f.Close())
	}
	return device{f.Write, func() error { return datasync(f) }, f.Truncate, f.Close}, nil
}

// datasync has the disk keep what was written. The file's times need not be kept.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// ErrLive says that a bundle is being written.
var ErrLive = errors.New("this conversation is being recorded now")

// The commands of locks that belong to an open file (fcntl(2)): ask for one, take one. They end with the process, however
// it ends.
const (
	lockAsk = 36
	lockSet = 37
)

// lock takes the lock of a file that is written, or asks whether it could.
func lock(f *os.File, cmd int) error {
	l := syscall.Flock_t{Type: syscall.F_WRLCK}
	switch err := syscall.FcntlFlock(f.Fd(), cmd, &l); {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES), err == nil && cmd == lockAsk && l.Type != syscall.F_UNLCK:
		return ErrLive
	default:
		return err
	}
}

// file is one growing file of a bundle. Only the goroutine that writes uses it.
type file struct {
	name   string
	dev    device
	queue  *queue
	frame  framer
	number uint32
	good   int64 // bytes that are whole chunks
	hash   hash.Hash
	dirty  bool   // and some of them not synced
	sick   bool   // the last syncing failed
	torn   bool   // and after them a part of one that could not be taken back yet
	wait   []byte // a chunk that is not written yet
	spare  []byte // room for the next entries
}

func newFile(name string, dev device, q *queue) *file {
	return &file{name: name, dev: dev, queue: q, hash: sha256.New()}
}

// begin lets the line that a file begins with be written next.
func (f *file) begin() { f.wait = []byte(header(f.name)) }

// flush writes what waits. After an error the same is tried the next time. last: there will be no more.
func (f *file) flush(last bool) error {
	if err := f.write(); err != nil {
		return err
	}
	raw := f.queue.take(f.spare, last)
	f.spare = raw[:0]
	if len(raw) == 0 {
		return nil
	}
	return f.chunk(raw)
}

func (f *file) chunk(raw []byte) error {
	f.wait = f.frame.chunk(f.number, raw)
	f.number++
	return f.write()
}

// write writes the chunk that waits. A part of one is taken back, so that the file stays whole.
func (f *file) write() error {
	if len(f.wait) == 0 {
		return nil
	}
	if err := f.mend(); err != nil {
		return err
	}
	n, err := f.dev.write(f.wait)
	if err == nil && n < len(f.wait) {
		err = io.ErrShortWrite
	}
	if err != nil {
		f.torn = n > 0
		return errors.Join(fmt.Errorf("write %s: %w", f.name, err), f.mend())
	}
	f.good += int64(n)
	f.hash.Write(f.wait)
	f.wait, f.dirty = nil, true
	return nil
}

// sync waits until what was written is on the disk.
func (f *file) sync() error {
	if !f.dirty {
		return nil
	}
	err := f.dev.sync()
	f.dirty, f.sick = err != nil, err != nil
	if err != nil {
		return fmt.Errorf("sync %s: %w", f.name, err)
	}
	return nil
}

// mend takes a part of a chunk back.
func (f *file) mend() error {
	if !f.torn {
		return nil
	}
	if err := f.dev.cut(f.good); err != nil {
		return fmt.Errorf("cut %s to %d bytes: %w", f.name, f.good, err)
	}
	f.torn = false
	return nil
}

// end writes that nothing follows.
func (f *file) end(e Entry) error {
	if err := f.write(); err != nil {
		return err
	}
	e.Kind, e.Raw = End, f.hash.Sum(nil)
	return errors.Join(f.chunk((&coder{}).append(nil, &e)), f.sync())
}
