package rec

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"parley/agent/replay"
	"parley/media/record"
)

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

// Run writes what is in the recording to out, and what was said in it. What is wrong with it is shown, and no error.
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
	talk, err := replay.Read(b)
	if c.JSON {
		s := shown{Manifest: b.Manifest, Report: r}
		if talk != nil {
			s.Said = said(talk)
		}
		return lines(out, []shown{s})
	}
	if talk == nil { // of what is damaged in a log that can be read Verify has told
		r.Problems = append(r.Problems, err.Error())
	}
	if err := tell(out, b, r); err != nil || talk == nil {
		return err
	}
	fmt.Fprintln(out)
	return recite(out, talk)
}

// shown is a recording as --json has it.
type shown struct {
	Manifest record.Manifest `json:"manifest"`
	Report   record.Report   `json:"report"`
	Said     []utterance     `json:"said,omitempty"`
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
	fmt.Fprintf(w, "length\t%s\n", Clock(r.Duration))
	fmt.Fprintf(w, "codec\t%s\n", codec)
	fmt.Fprintf(w, "build\t%s\n", line(b.Build.Version+" "+b.Build.Revision))
	direction(w, "caller", r.Up)
	direction(w, "agent", r.Down)
	fmt.Fprintf(w, "log\t%d lines, %d scores, %d blobs\n", r.Log.Lines, r.Log.Scores, r.Log.Blobs)
	fmt.Fprintf(w, "RTCP\t%d packets\n", r.Controls)
	fmt.Fprintf(w, "size\t%s, blobs %s\n", megabytes(r.Bytes), megabytes(r.Blobs))
	if r.Gaps > 0 || r.Paused > 0 {
		fmt.Fprintf(w, "not kept\t%d entries lost, %d pauses\n", r.Gaps, r.Paused)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem\t%s\n", line(p))
	}
	return w.Flush()
}

func direction(w io.Writer, name string, d record.Direction) {
	fmt.Fprintf(w, "%s\t%d packets, clock %+.0f ppm", name, d.Packets, -d.Skew)
	for c, v := range d.Classes {
		if v > 0 {
			fmt.Fprintf(w, ", %v %s", record.Class(c), Clock(v))
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
			fmt.Fprintln(out, line(p))
		}
	}
	if len(r.Problems) > 0 {
		return fmt.Errorf("verify %s (%s): %d problems: %w", r.ID, r.State, len(r.Problems), errProblems)
	}
	if !c.JSON {
		fmt.Fprintf(out, "%s: %s, %s, all is well\n", r.ID, r.State, Clock(r.Duration))
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
	b, err := c.open()
	if err != nil {
		return err
	}
	defer b.Close()
	fmt.Fprintf(out, "%s: %s, %s; %d bytes of a torn end are kept beside it\n", b.ID, b.State(), Clock(b.Duration()), cut)
	return nil
}
