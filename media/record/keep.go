package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keep writes every period and syncs every other, and for the last time when stop is closed. It is the only one that touches
// the disk.
func (w *Writer) keep(stop <-chan struct{}, now func() time.Duration) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	w.note(w.flush(true, false))
	for sync := false; ; sync = !sync {
		select {
		case <-tick.C:
			w.note(w.flush(sync, false))
		case <-stop:
			err := w.finish(now())
			return errors.Join(err, w.close())
		}
	}
}

// finish writes the end. Of a disk in trouble it is tried once.
func (w *Writer) finish(now time.Duration) error {
	err := w.flush(true, true)
	for _, f := range w.files {
		if err == nil {
			err = f.end(Entry{Now: now, Name: "closed"})
		}
	}
	w.note(err)
	if err != nil {
		return fmt.Errorf("close recording %s: %w", filepath.Base(w.dir), err)
	}
	return nil
}

// create makes what of the bundle is not there yet.
func (w *Writer) create() error {
	if w.files[1] != nil {
		return nil
	}
	dir := filepath.Dir(w.dir)
	if !w.made {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.Mkdir(w.dir, 0o700); err != nil {
			return err
		}
		w.made = true
	}
	if err := writeWhole(w.dir, manifestFile, w.manifest); err != nil {
		return err
	}
	for i, q := range []*queue{&w.media, &w.log} {
		name := [...]string{packetsFile, logFile}[i]
		dev, err := openDevice(filepath.Join(w.dir, name), os.O_CREATE|os.O_TRUNC)
		if err != nil {
			return errors.Join(err, w.close())
		}
		w.files[i] = newFile(name, dev, q)
		w.files[i].begin()
	}
	w.files[1].frame.packer = w.opt.Packer
	return errors.Join(syncDir(w.dir), syncDir(dir))
}

func (w *Writer) close() (err error) {
	for i, f := range w.files {
		if f != nil {
			err = errors.Join(err, f.dev.close())
			w.files[i] = nil
		}
	}
	return err
}

func (w *Writer) flush(sync, last bool) error {
	w.mu.Lock()
	w.busy = time.Now()
	w.mu.Unlock()
	if err := w.create(); err != nil {
		return fmt.Errorf("create %s: %w", filepath.Base(w.dir), err)
	}
	err := w.writeBlobs()
	var size int64
	for _, f := range w.files {
		err = errors.Join(err, f.flush(last))
		if sync || f.sick {
			err = errors.Join(err, f.sync())
		}
		size += f.good
	}
	w.bytes.Store(size)
	return err
}

// note takes down how the last writing went.
func (w *Writer) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy, w.trouble = time.Time{}, ""
	if err != nil {
		w.trouble = err.Error()
	}
}

// writeBlobs writes the blobs that wait, then their names into the log. One that fails is tried again the next time.
func (w *Writer) writeBlobs() error {
	for {
		w.mu.Lock()
		if len(w.pending) == 0 {
			w.mu.Unlock()
			return nil
		}
		b := w.pending[0]
		w.mu.Unlock()
		if err := w.writeBlob(b); err != nil {
			return fmt.Errorf("write blob: %w", err)
		}
		w.log.put(&Entry{Kind: Blob, Now: b.now, Name: b.name, Count: uint64(len(b.content))})
		w.mu.Lock()
		w.pending[0] = blob{}
		w.pending = w.pending[1:]
		w.waiting -= len(b.content)
		w.mu.Unlock()
	}
}

// packedSuffix is that of a blob which is stored as a DEFLATE stream, because that is shorter.
const packedSuffix = ".z"

func (w *Writer) writeBlob(b blob) error {
	dir := filepath.Join(w.dir, blobsDir)
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		if err := syncDir(w.dir); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrExist):
		return err
	}
	for _, name := range []string{b.name, b.name + packedSuffix} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil
		}
	}
	name, content := b.name, b.content
	if packed, ok := w.opt.Packer.pack(nil, content); ok {
		name, content = name+packedSuffix, packed
	}
	if err := writeWhole(dir, name, content); err != nil {
		return err
	}
	w.blobs.Add(int64(len(content)))
	return nil
}
