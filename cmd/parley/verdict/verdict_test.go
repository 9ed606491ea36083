package verdict

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{Bad("%d of %d differ", 1, 2), 1, "1 of 2 differ"},
		{Unknown(fmt.Errorf("read it: %w", context.Canceled)), 2, "read it: context canceled"},
	} {
		var v interface{ ExitCode() int }
		if err := fmt.Errorf("parley: %w", c.err); !errors.As(err, &v) || v.ExitCode() != c.code || c.err.Error() != c.text || errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %d, %s", err, c.code, c.text)
		}
	}
}
