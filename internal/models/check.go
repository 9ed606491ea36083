package models

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrCorrupt is in the error about a file that is there and holds the wrong bytes.
var ErrCorrupt = errors.New("wrong content")

// Missing is the files of set that are not in dir or have the wrong size. It does not read them: a file
// that was put there whole stays whole; see Verify for doubt. Files that are made here count too; they
// have a path only.
func Missing(dir string, set Set) []File {
	var out []File
	for _, b := range Wanted(Table, set) {
		out = append(out, b.Missing(dir)...)
	}
	return out
}

// Missing is the files of the bundle that are not in dir or have the wrong size.
func (b Bundle) Missing(dir string) []File {
	var out []File
	for _, f := range b.Files {
		if fi, err := os.Stat(f.In(dir)); err != nil || fi.Size() != f.Size {
			out = append(out, f)
		}
	}
	for _, m := range b.Made {
		f := File{Path: m}
		if fi, err := os.Stat(f.In(dir)); err != nil || fi.Size() == 0 {
			out = append(out, f)
		}
	}
	return out
}

// In is the file's place below the models folder dir.
func (f File) In(dir string) string { return filepath.Join(dir, filepath.FromSlash(f.Path)) }

// Verify reads the file below dir whole. The error wraps fs.ErrNotExist when it is not there, ErrCorrupt
// when it holds something else, and names both hashes then.
func (f File) Verify(ctx context.Context, dir string) error {
	fi, err := os.Stat(f.In(dir))
	if err != nil {
		return fmt.Errorf("verify %s: %w", f.Path, err)
	}
	if fi.Size() != f.Size {
		return fmt.Errorf("verify %s: %w: %d bytes, want %d", f.Path, ErrCorrupt, fi.Size(), f.Size)
	}
	sum, err := Sum(ctx, f.In(dir))
	if err != nil {
		return fmt.Errorf("verify %s: %w", f.Path, err)
	}
	if sum != f.SHA256 {
		return fmt.Errorf("verify %s: %w: sha256 %s, want %s", f.Path, ErrCorrupt, sum, f.SHA256)
	}
	return nil
}

// Verify reads every file of set below dir and joins what is wrong with them; nil when all are right.
func Verify(ctx context.Context, dir string, set Set) error {
	var errs []error
	for _, b := range Wanted(Table, set) {
		errs = append(errs, b.Verify(ctx, dir))
	}
	return errors.Join(errs...)
}

// Verify reads every file of the bundle below dir and joins what is wrong with them. Files made here are
// checked against the sums that were written when they were made.
func (b Bundle) Verify(ctx context.Context, dir string) error {
	var errs []error
	for _, f := range b.Files {
		errs = append(errs, f.Verify(ctx, dir))
	}
	sums := map[string]string{}
	for _, m := range b.Made {
		f := File{Path: m}
		if err := readSums(filepath.Join(filepath.Dir(f.In(dir)), sumsFile), sums); err != nil {
			errs = append(errs, fmt.Errorf("verify %s: %w", m, err))
			continue
		}
		sum, err := Sum(ctx, f.In(dir))
		switch want := sums[filepath.Base(m)]; {
		case err != nil:
			errs = append(errs, fmt.Errorf("verify %s: %w", m, err))
		case sum != want:
			errs = append(errs, fmt.Errorf("verify %s: %w: sha256 %s, want %q", m, ErrCorrupt, sum, want))
		}
	}
	return errors.Join(errs...)
}

// readSums adds the lines of a file in the format of sha256sum to sums: name to hash.
func readSums(path string, sums map[string]string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 1<<16))
	for lines.Scan() {
		if sum, name, ok := strings.Cut(lines.Text(), "  "); ok {
			sums[name] = sum
		}
	}
	return lines.Err()
}

// WriteSums writes dir/SHA256SUMS about the regular files in dir. It is for files made on this computer,
// whose hashes no table knows.
func WriteSums(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("sum files: %w", err)
	}
	var out strings.Builder
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == sumsFile {
			continue
		}
		sum, err := Sum(ctx, filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("sum files: %w", err)
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, e.Name())
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), []byte(out.String()), 0o644); err != nil {
		return fmt.Errorf("sum files: %w", err)
	}
	return nil
}

// Sum is the SHA-256 of a file, in hexadecimal. It stops soon after ctx ends.
func Sum(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	for {
		_, err := io.CopyN(h, f, 4<<20)
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
}
