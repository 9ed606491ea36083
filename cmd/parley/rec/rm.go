package rec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"parley/agent/archive"
)

// RmCmd deletes.
type RmCmd struct {
	Bundles []string `arg:"" name:"bundle" help:"The recordings: their folders, or their ids below --dir."`
	Dir     string   `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	Force   bool     `env:"-" help:"Delete folders too that are no recordings any more, if they are named like one."`
}

// Run deletes each and says so. One that is being written stays.
func (c *RmCmd) Run(ctx context.Context, out io.Writer) error {
	var errs []error
	for _, name := range c.Bundles {
		if ctx.Err() != nil {
			return errors.Join(append(errs, context.Cause(ctx))...)
		}
		path, err := Find(c.Dir, name)
		if err == nil {
			err = remove(path, c.Force)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(out, "%s: deleted\n", path)
	}
	return errors.Join(errs...)
}

// remove deletes a recording.
func remove(path string, force bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("delete recording: %w", err)
	}
	dir, name := filepath.Split(path)
	id, ok := strings.CutSuffix(name, ".conv")
	if !ok {
		return fmt.Errorf("delete %s: its name is not that of a recording", path)
	}
	a := &archive.Archive{Dir: dir}
	if !force {
		b, err := a.Open(id)
		if err != nil {
			return fmt.Errorf("delete %s: %w (--force deletes a damaged one all the same)", path, err)
		}
		if err := b.Close(); err != nil {
			return fmt.Errorf("delete %s: %w", path, err)
		}
	}
	return a.Delete(id)
}
