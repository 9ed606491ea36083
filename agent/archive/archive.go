package archive

import (
	"cmp"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/media/record"
)

// Archive is the folder Dir, which recordings are written into. Safe for concurrent use, also by other processes.
type Archive struct {
	Dir    string
	Logger *slog.Logger // told of every deletion; nil: discard

	mu   sync.Mutex
	seen map[string]memo // by id: what does not change any more
}

// Entry is a recording in a list.
type Entry struct {
	ID      string        `json:"id"`
	Path    string        `json:"path"`
	Start   time.Time     `json:"start"`
	Length  time.Duration `json:"duration"` // ns; of a live one, up to its last writing
	State   record.State  `json:"state"`
	Codec   string        `json:"codec,omitempty"`
	Bytes   int64         `json:"bytes"`             // without blobs
	Blobs   int64         `json:"blobs"`             // bytes, as stored
	Trouble string        `json:"trouble,omitempty"` // why it cannot be read; ID, Path, Bytes and Blobs count all the same

	changed time.Time // the last time
}

// memo is an Entry and what told that it is still right.
type memo struct {
	Entry
	mark mark
}

// mark changes with a recording's files.
type mark struct {
	sizes   [2]int64
	changed [2]time.Time
}

const (
	suffix = ".conv"
	gone   = ".deleted-" // before the name of what is being deleted
)

// folder is the name of the folder of an id.
func folder(id string) (string, error) { return record.Folder(id) }

// id is the id of the recording that a folder's name is made of; ok is false for other names.
func id(name string) (id string, ok bool) {
	id, ok = strings.CutSuffix(name, suffix)
	if again, err := record.Folder(id); !ok || err != nil || again != name {
		return "", false
	}
	return id, true
}

// Open opens a recording; close it. The error is fs.ErrNotExist if there is none of this id.
func (a *Archive) Open(id string) (*record.Bundle, error) {
	name, err := folder(id)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(a.Dir, name)
	switch info, err := os.Lstat(path); {
	case err != nil:
		return nil, fmt.Errorf("open recording %s: %w", id, err)
	case !info.IsDir():
		return nil, fmt.Errorf("open recording %s: %w: %s is no folder", id, record.ErrNone, path)
	}
	return record.Open(path)
}

// List gives the recordings that the filter lets pass, the newest first. What of one cannot be read is its Trouble and no
// error: the error is that of the folder. Those of which a part is missing that a filter asks for do not pass it.
func (a *Archive) List(f Filter) ([]Entry, error) {
	root, err := os.OpenRoot(a.Dir)
	if err != nil {
		return nil, fmt.Errorf("list recordings: %w", err)
	}
	defer root.Close()
	all, err := a.all(root)
	if err != nil {
		return nil, err
	}
	return a.filtered(all, f), nil
}

// all are the recordings there are, the newest first.
func (a *Archive) all(root *os.Root) ([]Entry, error) {
	names, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list recordings: %w", err)
	}
	var all []Entry
	known := make(map[string]memo, len(names))
	for _, d := range names {
		if id, ok := id(d.Name()); ok && d.IsDir() {
			m := a.look(root, id, d.Name())
			all = append(all, m.Entry)
			if m.Trouble == "" && m.State != record.Live {
				known[id] = m
			}
		}
	}
	a.mu.Lock()
	a.seen = known
	a.mu.Unlock()
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// look reads as little of a recording as a list needs.
func (a *Archive) look(root *os.Root, id, name string) memo {
	m := memo{Entry: Entry{ID: id, Path: filepath.Join(a.Dir, name)}}
	for i, file := range []string{"packets", "log"} {
		if info, err := root.Lstat(filepath.Join(name, file)); err == nil {
			m.mark.sizes[i], m.mark.changed[i] = info.Size(), info.ModTime()
		}
	}
	a.mu.Lock()
	old, ok := a.seen[id]
	a.mu.Unlock()
	if ok && old.mark == m.mark {
		return old
	}
	m.measure(root, name)
	b, err := a.Open(id)
	if err != nil {
		m.Trouble = err.Error()
		return m
	}
	defer b.Close()
	m.State, m.Start, m.Codec = b.State(), b.Start, cmp.Or(string(b.Codec), "opus")
	if m.State == record.Live { // its length would be known only from reading all of it
		m.Length = max(0, m.changed.Sub(m.Start))
	} else {
		m.Length = b.Duration()
	}
	return m
}

// measure finds out how big a recording is and when it was last changed.
func (e *Entry) measure(root *os.Root, name string) {
	if info, err := root.Lstat(name); err == nil {
		e.changed = info.ModTime()
	}
	for _, dir := range []struct {
		path string
		size *int64
	}{{name, &e.Bytes}, {filepath.Join(name, "blobs"), &e.Blobs}} {
		files, _ := fs.ReadDir(root.FS(), filepath.ToSlash(dir.path)) // what cannot be listed has no size
		for _, d := range files {
			info, err := d.Info()
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			*dir.size += info.Size()
			if info.ModTime().After(e.changed) {
				e.changed = info.ModTime()
			}
		}
	}
}
