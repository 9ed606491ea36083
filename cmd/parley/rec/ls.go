package rec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"parley/agent/archive"
	"parley/media/record"
)

// LsCmd lists.
type LsCmd struct {
	Dir   string         `arg:"" optional:"" type:"path" default:"." env:"PARLEY_RECORD" help:"The folder that recordings lie in. Default: the working folder."`
	Since moment         `env:"-" placeholder:"WHEN" help:"Those that began then or later: a date as 2026-03-01, a time as 2026-03-01T09:30, or how long ago as 12h or 7d."`
	Until moment         `env:"-" placeholder:"WHEN" help:"Those that began before then, likewise."`
	Min   archive.Period `env:"-" placeholder:"LENGTH" help:"Those that lasted at least so long, as 90s."`
	Max   archive.Period `env:"-" placeholder:"LENGTH" help:"Those that lasted at most so long."`
	State string         `env:"-" default:"" enum:",live,killed,closed,recovered" placeholder:"STATE" help:"Those that are live, killed, closed or recovered."`
	Text  string         `env:"-" placeholder:"WORDS" help:"Those in which this was said by either side."`
	Limit int            `env:"-" placeholder:"N" help:"The newest so many."`
	JSON  bool           `name:"json" env:"-" help:"One JSON object a line."`
}

// moment is a point of time as a flag has it.
type moment struct{ time.Time }

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, string(text), time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	var ago archive.Period
	if err := ago.UnmarshalText(text); err != nil || ago == 0 {
		return fmt.Errorf("%.40q is no date as 2026-03-01, no time as 2026-03-01T09:30 and no period as 7d", text)
	}
	m.Time = time.Now().Add(-time.Duration(ago))
	return nil
}

// Run writes one line a recording to out.
func (c *LsCmd) Run(_ context.Context, out io.Writer) error {
	if c.Limit < 0 {
		return errors.New("list recordings: --limit counts from 1")
	}
	all, err := (&archive.Archive{Dir: c.Dir}).List(archive.Filter{
		Since: c.Since.Time, Until: c.Until.Time, Min: time.Duration(c.Min), Max: time.Duration(c.Max),
		State: record.State(c.State), Text: c.Text, Limit: c.Limit})
	if err != nil {
		return err
	}
	if c.JSON {
		return lines(out, all)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTARTED\tLENGTH\tSIZE\tSTATE")
	for _, e := range all {
		started, state := e.Start.Local().Format(time.DateTime), string(e.State)
		if e.Trouble != "" {
			started, state = "-", line(e.Trouble)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.ID, started, Clock(e.Length), megabytes(e.Bytes+e.Blobs), state)
	}
	return w.Flush()
}
