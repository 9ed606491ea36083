package rec

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"parley/media/record"
)

// LsCmd lists.
type LsCmd struct {
	Dir  string `arg:"" optional:"" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	JSON bool   `name:"json" env:"-" help:"One JSON object a line."`
}

// row is one recording in a list.
type row struct {
	ID       string        `json:"id"`
	State    record.State  `json:"state"`
	Start    time.Time     `json:"start"`
	Duration time.Duration `json:"duration"` // ns
	Path     string        `json:"path"`
	Trouble  string        `json:"trouble,omitempty"`
}

// Run writes one line a recording to out.
func (c *LsCmd) Run(ctx context.Context, out io.Writer) error {
	paths, err := bundles(c.Dir)
	if err != nil {
		return err
	}
	var rows []row
	for _, path := range paths {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rows = append(rows, look(path))
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.ID, b.ID)) })
	if c.JSON {
		return lines(out, rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTARTED\tLENGTH\tSTATE")
	for _, r := range rows {
		state := string(r.State)
		if r.Trouble != "" {
			state = r.Trouble
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.ID, r.Start.Local().Format(time.DateTime), clock(r.Duration), state)
	}
	return w.Flush()
}

// look reads as little of a recording as a list needs.
func look(path string) row {
	r := row{ID: strings.TrimSuffix(filepath.Base(path), ".conv"), Path: path}
	b, err := record.Open(path)
	if err != nil {
		r.Trouble = err.Error()
		return r
	}
	defer b.Close()
	r.State, r.Start, r.Duration = b.State(), b.Start, b.Duration()
	return r
}

func lines[T any](out io.Writer, rows []T) error {
	enc := json.NewEncoder(out)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// ShowCmd shows.
type ShowCmd struct {
	Where
	JSON bool `name:"json" env:"-" help:"One JSON object."`
	Log  bool `env:"-" help:"Write the lines of the ordered log as they are, one JSON object a line, and nothing else."`
}

// Run writes what is in the recording to out. What is wrong with it is shown, and no error.
func (c *ShowCmd) Run(_ context.Context, out io.Writer) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	defer b.Close()
	if c.Log {
		return writeLog(b, out)
	}
	r := b.Verify()
	if c.JSON {
		return lines(out, []shown{{b.Manifest, r}})
	}
	return tell(out, b, r)
}

// shown is a recording as --json has it.
type shown struct {
	Manifest record.Manifest `json:"manifest"`
	Report   record.Report   `json:"report"`
}

func tell(out io.Writer, b *record.Bundle, r record.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	codec := string(r.Codec)
	if codec == "" {
		codec = "opus"
	}
	fmt.Fprintf(w, "id\t%s\n", r.ID)
	fmt.Fprintf(w, "state\t%s\n", r.State)
	fmt.Fprintf(w, "started\t%s\n", r.Start.Local().Format(time.DateTime))
	fmt.Fprintf(w, "length\t%s\n", clock(r.Duration))
	fmt.Fprintf(w, "codec\t%s\n", codec)
	fmt.Fprintf(w, "build\t%s %s\n", b.Build.Version, b.Build.Revision)
	direction(w, "caller", r.Up)
	direction(w, "agent", r.Down)
	fmt.Fprintf(w, "log\t%d lines, %d scores, %d blobs\n", r.Log.Lines, r.Log.Scores, r.Log.Blobs)
	fmt.Fprintf(w, "RTCP\t%d packets\n", r.Controls)
	fmt.Fprintf(w, "size\t%s, blobs %s\n", megabytes(r.Bytes), megabytes(r.Blobs))
	if r.Gaps > 0 || r.Paused > 0 {
		fmt.Fprintf(w, "not kept\t%d entries lost, %d pauses\n", r.Gaps, r.Paused)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem\t%s\n", p)
	}
	return w.Flush()
}

func direction(w io.Writer, name string, d record.Direction) {
	fmt.Fprintf(w, "%s\t%d packets, clock %+.0f ppm", name, d.Packets, -d.Skew)
	for c, v := range d.Classes {
		if v > 0 {
			fmt.Fprintf(w, ", %v %s", record.Class(c), clock(v))
		}
	}
	fmt.Fprintln(w)
}

// writeLog writes the lines of the log. What cannot be read is an error after all that can.
func writeLog(b *record.Bundle, out io.Writer) (err error) {
	for e, bad := range b.Log() {
		if bad != nil {
			err = bad
			continue
		}
		if e.Kind != record.Line {
			continue
		}
		if _, err := fmt.Fprintf(out, "%s\n", e.Raw); err != nil {
			return fmt.Errorf("write log: %w", err)
		}
	}
	return err
}

// VerifyCmd checks.
type VerifyCmd struct {
	Where
	JSON bool `name:"json" env:"-" help:"One JSON object."`
}

// Run tells out what does not hold. Its error says that there is something.
func (c *VerifyCmd) Run(_ context.Context, out io.Writer) error {
	b, err := c.open()
	if err != nil {
		return err
	}
	defer b.Close()
	r := b.Verify()
	if c.JSON {
		if err := lines(out, []record.Report{r}); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			fmt.Fprintln(out, p)
		}
	}
	if len(r.Problems) > 0 {
		return fmt.Errorf("verify %s (%s): %d problems: %w", r.ID, r.State, len(r.Problems), errProblems)
	}
	if !c.JSON {
		fmt.Fprintf(out, "%s: %s, %s, all is well\n", r.ID, r.State, clock(r.Duration))
	}
	return nil
}

// RecoverCmd mends.
type RecoverCmd struct{ Where }

// Run closes the recording and tells out what was cut off.
func (c *RecoverCmd) Run(_ context.Context, out io.Writer) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	cut, err := record.Recover(path)
	if err != nil {
		return err
	}
	r := look(path)
	fmt.Fprintf(out, "%s: %s, %s; %d bytes of a torn end are kept beside it\n", r.ID, r.State, clock(r.Duration), cut)
	return nil
}
