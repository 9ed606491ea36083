package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"parley/media/record"
)

// Keep says what is kept. The zero value keeps all.
type Keep struct {
	Age   time.Duration // since a conversation's end; 0: for ever
	Bytes int64         // of all recordings together; 0: any
}

// every is how often Run looks.
const every = time.Hour

// Delete removes all of a recording. The error is record.ErrLive for one that is being written, fs.ErrNotExist if there is
// none of this id.
func (a *Archive) Delete(id string) error {
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return fmt.Errorf("delete recording: %w", err)
	}
	defer root.Close()
	return a.delete(root, id, "it was asked for")
}

func (a *Archive) delete(root *os.Root, id, why string) error {
	name, err := folder(id)
	if err != nil {
		return err
	}
	if err := a.idle(root, id, name); err != nil {
		return fmt.Errorf("delete recording %s: %w", id, err)
	}
	e := Entry{}
	e.measure(root, name)
	// First another name, and that on the disk: then a crash leaves no half of a recording that looks like one.
	err = errors.Join(root.RemoveAll(gone+name), root.Rename(name, gone+name))
	if err == nil {
		err = errors.Join(settle(root), root.RemoveAll(gone+name), settle(root))
	}
	if err != nil {
		return fmt.Errorf("delete recording %s: %w", id, err)
	}
	a.log().Info("recording deleted", slog.String("recording", id), slog.Int64("bytes", e.Bytes+e.Blobs), slog.String("why", why))
	return nil
}

// idle says why a recording may not be deleted.
func (a *Archive) idle(root *os.Root, id, name string) error {
	switch info, err := root.Lstat(name); {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: it is no folder", record.ErrNone)
	}
	b, err := a.Open(id)
	if errors.Is(err, record.ErrNone) || errors.Is(err, record.ErrVersion) {
		return nil // what is no recording to this build is deleted too
	}
	if err != nil {
		return err
	}
	defer b.Close()
	if b.State() == record.Live {
		return record.ErrLive
	}
	return nil
}

func settle(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Retain deletes what is not kept any more at the wall time now: what ended longer than k.Age ago, then the oldest until
// the rest has at most k.Bytes; and what a crash has left of earlier deletions. Those that are being written stay, and
// those of which live, unless it is nil, says that their conversation goes on. The age of one that cannot be read counts
// from its last change. After an error it goes on with the others.
func (a *Archive) Retain(now time.Time, k Keep, live func(id string) bool) (deleted []Entry, err error) {
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return nil, fmt.Errorf("look what recordings to keep: %w", err)
	}
	defer root.Close()
	errs := []error{a.sweep(root)}
	all, err := a.all(root)
	errs = append(errs, err)
	var total int64
	for _, e := range all {
		total += e.Bytes + e.Blobs
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.end().Compare(b.end()) })
	for _, e := range all {
		why := ""
		switch {
		case e.State == record.Live || live != nil && live(e.ID):
		case k.Age > 0 && now.Sub(e.end()) > k.Age:
			why = fmt.Sprintf("it ended more than %v ago", k.Age)
		case k.Bytes > 0 && total > k.Bytes:
			why = fmt.Sprintf("all recordings have more than %d bytes", k.Bytes)
		}
		if why == "" {
			continue
		}
		switch err := a.delete(root, e.ID, why); {
		case err == nil:
			deleted = append(deleted, e)
			total -= e.Bytes + e.Blobs
		case errors.Is(err, record.ErrLive), errors.Is(err, fs.ErrNotExist): // meanwhile
		default:
			errs = append(errs, err)
		}
	}
	return deleted, errors.Join(errs...)
}

// end is when a conversation ended, as wall time.
func (e Entry) end() time.Time {
	if e.Start.IsZero() {
		return e.changed
	}
	return e.Start.Add(e.Length)
}

// sweep removes what a crash left of deletions.
func (a *Archive) sweep(root *os.Root) error {
	names, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("look for what deletions left: %w", err)
	}
	var errs []error
	for _, d := range names {
		name, ok := strings.CutPrefix(d.Name(), gone)
		if id, is := id(name); ok && is {
			if err := root.RemoveAll(d.Name()); err != nil {
				errs = append(errs, fmt.Errorf("delete what is left of recording %s: %w", id, err))
				continue
			}
			a.log().Info("rest of a recording deleted", slog.String("recording", id))
		}
	}
	return errors.Join(errs...)
}

// Run retains at once and then every hour, until ctx ends. What goes wrong is logged, and tried again the next time.
func (a *Archive) Run(ctx context.Context, k Keep, live func(id string) bool) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := a.Retain(time.Now(), k, live); err != nil {
			a.log().Error("recordings that should be deleted are still there", slog.Any("err", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *Archive) log() *slog.Logger {
	if a.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Logger
}
