package replay

import (
	"errors"

	"parley/media/record"
)

// Read reads a bundle's log. What cannot be read is left out and told by the error, which wraps each *record.Damage; the
// Conversation is there nevertheless, unless nothing can be read.
func Read(b *record.Bundle) (*Conversation, error) {
	return nil, errors.ErrUnsupported
}
