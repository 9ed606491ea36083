package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// printNet writes the table of all networks and judges the goals.
func printNet(out io.Writer, rows []netRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "network\tpackets\tlost\tconcealed\tby FEC\tadded delay p50\tp99\tmax\tword errors\tover "+rows[0].profile.Name)
	for _, r := range rows {
		d := r.line.delays()
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%+.1f\n", r.profile.Name, r.line.sent,
			percent(float64(r.line.lost)/float64(r.line.sent)), percent(r.line.concealed()), r.line.up.Recovered,
			millis(d.at(50)), millis(d.at(99)), millis(d.at(100)), r.words, 100*(r.words.share()-rows[0].words.share()))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, r := range rows {
		if s := r.line.up; s.Late+s.Restarts+s.Undecodable+s.Dropped > 0 {
			fmt.Fprintf(out, "%s: %d packets came too late to be heard, %d jumps of the timeline, %d not decoded, %d not read in time\n",
				r.profile.Name, s.Late, s.Restarts, s.Undecodable, s.Dropped)
		}
		if r.profile.Outage.Long > 0 {
			all := figures(r.line.settled(r.profile))
			fmt.Fprintf(out, "%s: after %d outages back at the floor within %s\n", r.profile.Name, len(all), millis(all.at(100)))
		}
	}
	fmt.Fprintln(out)
	met, missed := goals(rows)
	for _, s := range append(met, missed...) {
		fmt.Fprintln(out, s)
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %d of %d", ErrGoal, len(missed), len(met)+len(missed))
	}
	return nil
}

func percent(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }

func (w wordErrors) String() string {
	return fmt.Sprintf("%.1f %% of %d", 100*w.share(), w.words)
}
