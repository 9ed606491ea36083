// Package diff is the verb "diff": it sets two recorded conversations side by side.
package diff

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"parley/agent/replay"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/verdict"
)

// Cmd is the verb.
type Cmd struct {
	A    string `arg:"" help:"One recording: its folder, or its id below --dir."`
	B    string `arg:"" help:"The other, which is measured by the first."`
	Dir  string `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	JSON bool   `name:"json" env:"-" help:"One JSON object."`

	WER       float64       `name:"wer" env:"-" default:"0" help:"Percent of the caller's words of a turn that may differ."`
	Slower    time.Duration `env:"-" default:"100ms" help:"So much later an answer may sound…"`
	SlowerBy  float64       `env:"-" default:"10" help:"…or by so many percent, whichever is more."`
	Shift     time.Duration `env:"-" default:"250ms" help:"So much sooner or later in its answer the agent may pause for a voice."`
	Answers   string        `env:"-" default:"equivalent" enum:"exact,equivalent,paraphrase,different" help:"How alike answers must be to be equal: ${enum}."`
	Concealed float64       `env:"-" default:"1" help:"Percent of a direction's sound that may be concealed more."`
}

// Run writes the comparison to out. Its error says that the two differ, or why that could not be found out: it is a [verdict.Verdict].
func (c *Cmd) Run(ctx context.Context, out io.Writer) error {
	p, err := c.policy()
	if err != nil {
		return verdict.Unknown(err)
	}
	var both [2]*replay.Conversation
	var notes []string
	for i, name := range []string{c.A, c.B} {
		talk, bad, err := c.read(ctx, name)
		if err != nil {
			return verdict.Unknown(fmt.Errorf("compare recordings: %w", err))
		}
		if both[i] = talk; bad != nil {
			notes = append(notes, fmt.Sprintf("%c: %v", 'A'+i, bad))
		}
	}
	got := replay.Compare(both[0], both[1], p)
	w := bufio.NewWriter(out)
	if c.JSON {
		err = json.NewEncoder(w).Encode(answered{got.Equal(), got})
	} else {
		write(w, &got, notes)
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		return verdict.Unknown(fmt.Errorf("write comparison: %w", err))
	}
	switch sure := slices.ContainsFunc(got.Divergences, func(d replay.Divergence) bool { return !d.Torn }); {
	case sure:
		return verdict.Bad("%s and %s differ: %s", got.A.ID, got.B.ID, count(len(got.Divergences), "difference"))
	case !got.Whole():
		return verdict.Unknown(fmt.Errorf("%s and %s are equal as far as it can be told: a log is not whole", got.A.ID, got.B.ID))
	}
	return nil
}

// answered is the comparison as --json has it.
type answered struct {
	Equal bool `json:"equal"`
	replay.Comparison
}

func (c *Cmd) policy() (replay.Policy, error) {
	for name, v := range map[string]float64{"wer": c.WER, "slower-by": c.SlowerBy, "concealed": c.Concealed,
		"slower": c.Slower.Seconds(), "shift": c.Shift.Seconds()} {
		if !(v >= 0) {
			return replay.Policy{}, fmt.Errorf("--%s is %v: it must not be negative", name, v)
		}
	}
	return replay.Policy{WER: c.WER / 100, Slower: c.Slower, SlowerBy: c.SlowerBy / 100, Shift: c.Shift,
		Answers: replay.Grade(c.Answers), Concealed: c.Concealed}, nil
}

// read reads a recording. bad is what of it could not be read.
func (c *Cmd) read(ctx context.Context, name string) (talk *replay.Conversation, bad, err error) {
	b, err := rec.Open(c.Dir, name)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	if talk, bad = replay.Read(b); talk == nil {
		return nil, nil, fmt.Errorf("%s: %w", name, bad)
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if r := b.Verify(); r.Up.Packets+r.Down.Packets > 0 {
		talk.Health = &replay.Health{Up: r.Up.Classes, Down: r.Down.Classes}
	}
	return talk, bad, nil
}
