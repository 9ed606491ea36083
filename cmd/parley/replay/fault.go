package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"parley/agent/replay/fault"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/verdict"
	"parley/internal/netsim"
	"parley/media/record"
)

// FaultCmd makes things go wrong.
type FaultCmd struct {
	Bundle string   `arg:"" help:"The recording: its folder, or its id below --dir."`
	Dir    string   `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	Fault  []string `placeholder:"NAME" env:"-" help:"How the engines fail: slow-first-byte, stalled-stream, cut-stream, 401, 429, 500, malformed-chunk, late-final, empty-answer, runaway-answer; several with commas, or all."`
	Engine []string `placeholder:"NAME" env:"-" help:"Only these engines fail: stt, llm, tts. Default: all that the fault can be about."`
	Net    []string `placeholder:"PROFILE" env:"-" help:"The network between the caller and the agent: clean, wifi, lte-edge, burst5, blackout2s; several with commas, or all."`
	Seed   uint64   `default:"1" env:"-" help:"What exactly happens: the same seed makes the same calls fail and loses the same packets."`
	VAD    string   `name:"vad" default:"energy" env:"-" help:"Hears the caller when the logged scores do not count, because a network changes the sound, or are not there: energy, or neural as for parley serve."`
	Out    string   `placeholder:"DIR" type:"path" env:"-" help:"Keep the records of the new conversations in this folder."`
	JSON   bool     `name:"json" env:"-" help:"Print a JSON object for each conversation."`
}

// Help is what the verb says about itself below its first line.
func (*FaultCmd) Help() string {
	return `The recorded caller's packets, in virtual time, go through everything of a call but its network: the jitter
buffer, the codec, the agent, the playout, a record. The recorded engines answer, and fail as --fault says. A --net
delays and loses packets on their way. What must hold in every conversation is checked: no sound after a stop, nothing
in the history that was not heard, every turn answered or explained, canceled work ended, no queue outgrown, a log and a
record that agree with themselves.

After the first answer that is another than the recorded one, the caller is still the recorded one, and does not answer to it.

Exit code: 0 everything holds, 1 something does not, 2 it could not be run.`
}

// trial is one way in which things go wrong. Empty names are of nothing that does.
type trial struct {
	Fault string `json:"fault,omitempty"`
	Net   string `json:"net,omitempty"`
	Seed  uint64 `json:"seed"`
}

// String names the trial.
func (t trial) String() string {
	var what []string
	for _, s := range []string{t.Fault, t.Net} {
		if s != "" {
			what = append(what, s)
		}
	}
	return fmt.Sprintf("%s, seed %d", strings.Join(what, " through "), t.Seed)
}

// id names the record of the trial of a recording.
func (t trial) id(of string) string {
	name := fmt.Sprintf("-%d", t.Seed)
	for _, s := range []string{t.Net, t.Fault} {
		if s != "" {
			name = "-" + s + name
		}
	}
	return of[:min(len(of), 64-len(name))] + name
}

// trials are all that the flags ask for.
func (c *FaultCmd) trials() (all []trial, err error) {
	if len(c.Fault)+len(c.Net) == 0 {
		return nil, fmt.Errorf("say what is to go wrong: --fault with one of %s or all, --net with one of %s or all",
			strings.Join(fault.Names(), ", "), strings.Join(netNames(), ", "))
	}
	faults, errFault := chosen("--fault", c.Fault, fault.Names())
	for _, e := range c.Engine {
		if !slices.Contains(engineNames, e) {
			return nil, fmt.Errorf("--engine %s: it is one of %s", e, strings.Join(engineNames, ", "))
		}
	}
	nets, errNet := chosen("--net", c.Net, netNames())
	for _, n := range nets {
		for _, f := range faults {
			if f == "" || len(c.Engine) == 0 || concerns(f, c.Engine) {
				all = append(all, trial{Fault: f, Net: n, Seed: c.Seed})
			}
		}
	}
	err = errors.Join(errFault, errNet)
	if len(all) == 0 && err == nil {
		err = fmt.Errorf("--fault %s is about none of --engine %s", strings.Join(c.Fault, ","), strings.Join(c.Engine, ","))
	}
	return all, err
}

func netNames() (all []string) {
	for _, p := range netsim.Profiles() {
		all = append(all, p.Name)
	}
	return all
}

// chosen are the names that a flag gives; none is the name of nothing.
func chosen(flag string, given, known []string) (all []string, err error) {
	for _, name := range given {
		switch {
		case name == "all":
			all = append(all, known...)
		case slices.Contains(known, name):
			all = append(all, name)
		default:
			return nil, fmt.Errorf("%s %s: there is none of that name; known are %s, and all", flag, name, strings.Join(known, ", "))
		}
	}
	if len(all) == 0 {
		all = []string{""}
	}
	return all, nil
}

// Run holds the conversations in a process of their own, and in that one runs them.
func (c *FaultCmd) Run(ctx context.Context, out io.Writer) error {
	var job FaultCmd
	if is, err := bubbleJob(&job); is {
		if err != nil {
			return verdict.Unknown(fmt.Errorf("read what to run: %w", err))
		}
		job.child(out)
	}
	all, err := c.trials()
	if err != nil {
		return verdict.Unknown(err)
	}
	b, err := rec.Open(c.Dir, c.Bundle) // what is wrong with it is best said here
	if err != nil {
		return verdict.Unknown(err)
	}
	if err := b.Close(); err != nil {
		return verdict.Unknown(err)
	}
	if c.Out != "" {
		if err := c.free(b.ID, all); err != nil {
			return verdict.Unknown(err)
		}
	}
	return bubbled(ctx, c, []string{"replay", "fault", "--", c.Bundle}, out)
}

// free reports records that are there already.
func (c *FaultCmd) free(of string, all []trial) error {
	for _, t := range all {
		folder, err := record.Folder(t.id(of))
		if err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(c.Out, folder)); err == nil {
			return fmt.Errorf("keep records in %s: %s is there already", c.Out, folder)
		}
	}
	return nil
}

// child runs the conversations and ends the process.
func (c *FaultCmd) child(out io.Writer) {
	w := newWatchdog()
	inBubbles(w, func(bubble func(func())) int {
		bad, err := c.hold(out, bubble, w.beat)
		if err != nil {
			fmt.Fprintln(os.Stderr, "parley:", err)
			return 2
		}
		if bad {
			return 1
		}
		return 0
	})
}
