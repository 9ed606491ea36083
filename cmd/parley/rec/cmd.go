// Package rec is the verb "rec": it lists, shows, plays, checks, mends, exports and deletes the recordings of
// conversations that "parley serve --record" keeps. How one lies on the disk is told by package media/record.
package rec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"parley/media/record"
)

// Cmd is the verb.
type Cmd struct {
	Ls      LsCmd      `cmd:"" help:"List the recordings of a folder, the newest first."`
	Show    ShowCmd    `cmd:"" help:"Say what is in a recording: its packets, its sound by classes, its log, and what was said."`
	Play    PlayCmd    `cmd:"" help:"Write a recording's sound as WAV: into a pipe, or into a file that is named."`
	Verify  VerifyCmd  `cmd:"" help:"Read all of a recording and check what must hold."`
	Recover RecoverCmd `cmd:"" help:"Close a recording whose server was killed."`
	Export  ExportCmd  `cmd:"" help:"Write a recording's sound, transcript, captions, packets' classes and log as files for other programs."`
	Rm      RmCmd      `cmd:"" help:"Delete recordings, all that is of them."`
}

// Where says which recording is meant. Verbs that are about one embed it.
type Where struct {
	Bundle string `arg:"" help:"The recording: its folder, or its id below --dir."`
	Dir    string `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
}

// path is the folder of the recording.
func (w Where) path() (string, error) { return Find(w.Dir, w.Bundle) }

// Find is the folder of the recording that is named by its folder, or by its id if it lies in dir. All verbs name recordings so.
func Find(dir, name string) (string, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return filepath.Clean(name), nil
	}
	folder, err := record.Folder(name)
	if err != nil {
		return "", fmt.Errorf("find recording %q: there is no such folder, and no such id may be: %w", name, err)
	}
	path := filepath.Join(dir, folder)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find recording %q: neither this folder nor %s is there; parley rec ls %s says what is: %w", name, path, dir, fs.ErrNotExist)
	}
	return path, nil
}

// open opens the recording; close it.
func (w Where) open() (*record.Bundle, error) { return Open(w.Dir, w.Bundle) }

// Open opens the recording that Find finds; close it. Its ID is one, whatever a manifest says.
func Open(dir, name string) (*record.Bundle, error) {
	path, err := Find(dir, name)
	if err != nil {
		return nil, err
	}
	b, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	if _, bad := record.Folder(b.ID); bad != nil { // Verify tells of it; files are named after it and terminals show it
		b.ID = "unnamed"
	}
	return b, nil
}

// errProblems is what a recording that is not as it should be gives: the exit code says so too.
var errProblems = errors.New("not all is well")
