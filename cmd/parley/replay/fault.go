package replay

import (
	"context"
	"errors"
	"io"
)

// FaultCmd makes things go wrong.
type FaultCmd struct{}

// Run is to be written.
func (c *FaultCmd) Run(ctx context.Context, out io.Writer) error { return errors.ErrUnsupported }
