// Parley is a conversational voice agent: a person opens a page, presses a button and talks; an agent
// listens, thinks and answers aloud.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"

	"parley/cmd/parley/bench"
	"parley/cmd/parley/calibrate"
	"parley/cmd/parley/call"
	"parley/cmd/parley/diff"
	"parley/cmd/parley/doctor"
	"parley/cmd/parley/models"
	netverb "parley/cmd/parley/net"
	"parley/cmd/parley/providers"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/replay"
	"parley/cmd/parley/serve"
	"parley/cmd/parley/try"
)

type cli struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"Read flags from this YAML file too: a flag's name is its key, a verb's flags stand under the verb. parley.yaml in the working folder is read if it is there."`

	Serve     serve.Cmd     `cmd:"" help:"Answer callers: serve the page and hold conversations."`
	Call      call.Cmd      `cmd:"" help:"Call a server without a page: say WAV files, keep what is heard, measure."`
	Bench     bench.Cmd     `cmd:"" help:"Measure response times and cost."`
	Net       netverb.Cmd   `cmd:"" help:"Put a bad network between a browser and a running server."`
	Rec       rec.Cmd       `cmd:"" help:"List, show, play, check and delete recordings."`
	Replay    replay.Cmd    `cmd:"" help:"Run recorded conversations again: exactly, live, or with faults."`
	Diff      diff.Cmd      `cmd:"" help:"Set two recorded conversations side by side, the first difference first."`
	Calibrate calibrate.Cmd `cmd:"" help:"Prove the ruler: calls with known edges through the real stack, and how far what is measured is off."`
	Models    models.Cmd    `cmd:"" help:"Fetch, list and check the models of the engines that run on this computer."`
	Doctor    doctor.Cmd    `cmd:"" help:"Say what is missing for a conversation on this computer, and how to mend it."`
	Providers providers.Cmd `cmd:"" help:"List the engines that are compiled in, and where credentials, models and programs for them were found."`
	Try       try.Cmd       `cmd:"" help:"Run one engine by itself: hear a WAV file, ask something, say something."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		os.Exit(exitCode(err))
	}
}

// run is the whole program. It returns when the verb is done or, soon after ctx ends, when it has cleaned
// up.
func run(ctx context.Context, args []string, out io.Writer) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("parley"),
		kong.Description("A conversational voice agent. 'parley serve' and a browser are all it takes."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.Configuration(kongyaml.Loader, "parley.yaml"),
		kong.DefaultEnvars("PARLEY"),
		serve.Vars(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(out, (*io.Writer)(nil)),
	)
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w (see parley --help)", err)
	}
	if err := k.Run(); err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() != nil) {
		return err
	}
	return nil
}
