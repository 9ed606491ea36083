package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/serve"
	"parley/cmd/parley/verdict"
	"parley/media/record"
)

// ExactCmd runs recordings exactly.
type ExactCmd struct {
	Bundles []string `arg:"" name:"bundle" help:"The recordings: their folders, or ids below --dir."`
	Dir     string   `placeholder:"DIR" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	Times   int      `default:"3" env:"-" help:"How often each is run."`
	Models  bool     `env:"-" help:"Decode the caller's sound and run the models that score it again too, and list what differs from the logged scores. These decide in any case."`
	VAD     string   `name:"vad" default:"neural" env:"-" help:"The models for --models, as for parley serve."`
	JSON    bool     `name:"json" env:"-" help:"Print a JSON object for each recording."`
}

// Help is what the verb says about itself below its first line.
func (*ExactCmd) Help() string {
	return `The inputs of a recorded conversation, in their order and with their moments, are fed to the code of this
build that decides. Every decision and event must come out as it was. The first that does not is shown with what led
to it. No network, no clock and no engine has a part in it.

Exit code: 0 all is as it was, 1 something differs, 2 a recording could not be run, or only up to where its log is lost.
What was paused on purpose is told, and is no failure.`
}

// outcome is what is printed of a recording.
type outcome struct {
	Bundle string `json:"bundle"`
	replay.Report
	Times    int               `json:"times"`
	Took     time.Duration     `json:"took"` // each time, on average
	Speed    float64           `json:"speed"`
	Rescored []replay.Rescored `json:"rescored,omitempty"`
	Scoring  time.Duration     `json:"scoring,omitempty"` // how long the models took
	Error    string            `json:"error,omitempty"`
}

// Run runs each recording.
func (c *ExactCmd) Run(ctx context.Context, out io.Writer) error {
	parts := serve.Parts{}
	if c.Models {
		p, closeAll, err := serve.Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: c.VAD}.Open(ctx, slog.New(slog.DiscardHandler))
		if err != nil {
			return verdict.Unknown(err)
		}
		defer closeAll()
		parts = p
	}
	differ, failed := 0, 0
	for _, name := range c.Bundles {
		if ctx.Err() != nil {
			return verdict.Unknown(context.Cause(ctx))
		}
		o := c.one(name, parts)
		switch {
		case o.Error != "":
			failed++
		case o.Difference != nil:
			differ++
		case o.Stopped != nil && o.Stopped.Lost:
			failed++
		}
		if err := c.print(out, o); err != nil {
			return verdict.Unknown(err)
		}
	}
	switch all := len(c.Bundles); {
	case failed > 0:
		return verdict.Unknown(fmt.Errorf("%d of %d recordings could not be run, or not to their end", failed, all))
	case differ > 0:
		return verdict.Bad("%d of %d recordings decide differently", differ, all)
	}
	return nil
}

func (c *ExactCmd) one(name string, parts serve.Parts) (o outcome) {
	o = outcome{Bundle: name, Times: max(1, c.Times)}
	b, err := rec.Open(c.Dir, name)
	if err != nil {
		o.Error = err.Error()
		return o
	}
	defer b.Close()
	if err = o.exact(b); err == nil && c.Models {
		began := time.Now()
		o.Rescored, err = replay.Rescore(b, parts.Detector, parts.Finisher)
		o.Scoring = time.Since(began)
	}
	if err != nil {
		o.Error = err.Error()
	}
	return o
}

// exact runs a recording as often as is asked.
func (o *outcome) exact(b *record.Bundle) error {
	began := time.Now()
	for i := range o.Times {
		r, err := replay.Exact(b)
		if err != nil {
			return err
		}
		if i > 0 && o.Difference == nil && r.Hash != o.Hash {
			return fmt.Errorf("run %d gave other events than run 1, though both are as recorded: this is a defect of parley", i+1)
		}
		o.Report = r
	}
	o.Took = time.Since(began) / time.Duration(o.Times)
	o.Speed = o.Length.Seconds() / o.Took.Seconds()
	return nil
}

func (c *ExactCmd) print(out io.Writer, o outcome) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(o)
	}
	if o.Error != "" {
		fmt.Fprintf(out, "%s: could not be run: %s\n", o.Bundle, o.Error)
		return nil
	}
	state := "equal"
	if o.Difference != nil {
		state = "DIFFERENT"
	}
	fmt.Fprintf(out, "%s: %s %d times, %d inputs, %d events, %v of conversation in %v (%.0f times as fast), hash %.12s\n",
		o.Bundle, state, o.Times, o.Inputs, o.Events, o.Length.Round(time.Millisecond), o.Took.Round(10*time.Microsecond), o.Speed, o.Hash)
	if o.Stopped != nil {
		fmt.Fprintf(out, "  the log has a hole from %s to %s (%s): what follows cannot be run\n", rec.Clock(o.Stopped.From), rec.Clock(o.Stopped.To), o.Stopped.Why)
	}
	if d := o.Difference; d != nil {
		fmt.Fprintf(out, "  at %v\n    was  %s\n    is   %s\n", d.At, text(d.Was), text(d.Is))
		for i, e := range d.Causes {
			fmt.Fprintf(out, "    %s %v #%d %s\n", [...]string{"from", "    "}[min(i, 1)], e.At, e.Seq, text(&e))
		}
	}
	c.printScores(out, o)
	return nil
}

func (c *ExactCmd) printScores(out io.Writer, o outcome) {
	for _, r := range o.Rescored {
		fmt.Fprintf(out, "  %s: %d scores again, greatest difference %.4f, %d beyond %.2f, %d missing\n", r.Name, r.Scores, r.Most, r.Beyond, replay.Tolerance, r.Missing)
		for _, d := range r.Different {
			fmt.Fprintf(out, "    at %v was %.3f, is %.3f\n", d.At, d.Was, d.Is)
		}
	}
	if o.Scoring > 0 {
		fmt.Fprintf(out, "  decoded and scored in %v (%.0f times as fast)\n", o.Scoring.Round(time.Millisecond), o.Length.Seconds()/(o.Scoring+o.Took).Seconds())
	}
}

// text is an event in one line.
func text(e *agent.Event) string {
	if e == nil {
		return "nothing"
	}
	if e.Step != nil {
		s := fmt.Sprintf("%s of %s at %v", e.Kind, e.Step.In.Kind, e.Step.Now)
		for _, d := range e.Step.Out {
			s += ", " + d.String()
		}
		if e.Step.In.Text != "" {
			s += fmt.Sprintf(" %q", e.Step.In.Text)
		}
		return s
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
