// Package diff is the verb "diff".
package diff

import (
	"context"
	"errors"
	"io"
)

// Cmd is the verb.
type Cmd struct{}

// Run is to be written.
func (c *Cmd) Run(ctx context.Context, out io.Writer) error { return errors.ErrUnsupported }
