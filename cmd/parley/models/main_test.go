package models

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"
)

// TestMain is also the binary parley as far as this verb goes: a fetch runs itself to convert a model.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "models" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		if err := parley(ctx, os.Stdout, os.Args[1:]...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func parley(ctx context.Context, out io.Writer, args ...string) error {
	var cli struct {
		Models Cmd `cmd:""`
	}
	k, err := kong.New(&cli, kong.Name("parley"), kong.Writers(out, out))
	if err != nil {
		return err
	}
	c, err := k.Parse(args)
	if err != nil {
		return err
	}
	c.BindTo(ctx, (*context.Context)(nil))
	c.BindTo(out, (*io.Writer)(nil))
	return c.Run()
}
