package replay

import (
	"context"
	"errors"
	"io"
)

// ExactCmd runs exactly.
type ExactCmd struct{}

// Run is to be written.
func (c *ExactCmd) Run(ctx context.Context, out io.Writer) error { return errors.ErrUnsupported }
