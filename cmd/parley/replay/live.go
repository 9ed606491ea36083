package replay

import (
	"context"
	"errors"
	"io"
)

// LiveCmd speaks to a server.
type LiveCmd struct{}

// Run is to be written.
func (c *LiveCmd) Run(ctx context.Context, out io.Writer) error { return errors.ErrUnsupported }
