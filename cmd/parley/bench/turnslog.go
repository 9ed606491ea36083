package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"parley/agent/replay"
	"parley/agent/replay/whatif"
	"parley/agent/turn"
	"parley/media/record"
)

// loggedCall is a recorded conversation under another configuration.
type loggedCall struct {
	Bundle string       `json:"bundle"`
	Name   string       `json:"name"` // of the configuration
	Config turn.Config  `json:"config"`
	Hole   *replay.Hole `json:"hole,omitempty"` // of the log: what follows it is not looked at
	whatif.Report
}

// logs runs the configurations over recorded calls: what --with says in place of the call's own, or without one today's defaults but for how
// long nobody may speak.
func (cmd *TurnsCmd) logs(ctx context.Context, out io.Writer, own []setting) error {
	if len(own) == 0 {
		own = []setting{today}
	}
	var all []loggedCall
	for _, path := range cmd.Log {
		c, err := readCall(path)
		if err != nil {
			return err
		}
		log, hole := decided(c)
		if len(log) == 0 {
			return fmt.Errorf("%s holds no decision of a turn machine: it was not recorded by a server", path)
		}
		for _, s := range own {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			is := s.c
			is.Silence = c.Profile.Turn.Silence
			if s.raw != "" {
				is = c.Profile.Turn
				if err := json.Unmarshal([]byte(s.raw), &is); err != nil {
					return fmt.Errorf("read --with %s: %w", s.raw, err)
				}
			}
			all = append(all, loggedCall{path, s.name, is.WithDefaults(), hole, whatif.Again(c.Profile.Turn, is, log)})
		}
	}
	if cmd.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	for _, c := range all {
		c.print(out)
	}
	return nil
}

// decided are the steps of a call's turn machine up to the first hole of its log.
func decided(c *replay.Conversation) (log []turn.Entry, hole *replay.Hole) {
	for i, h := range c.Holes {
		if hole == nil || h.From < hole.From {
			hole = &c.Holes[i]
		}
	}
	for _, e := range c.Events {
		if e.Step != nil && (hole == nil || e.At <= hole.From) {
			log = append(log, *e.Step)
		}
	}
	return log, hole
}

func readCall(path string) (*replay.Conversation, error) {
	b, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	c, err := replay.Read(b)
	if err != nil {
		return nil, fmt.Errorf("%w: other thresholds need the whole log", err)
	}
	return c, nil
}

func (c loggedCall) print(out io.Writer) {
	fmt.Fprintf(out, "%s under %s\n", c.Bundle, c.Name)
	if c.Hole != nil {
		fmt.Fprintf(out, "The log has a hole from %.3f s to %.3f s (%s): what follows is not looked at.\n", c.Hole.From.Seconds(), c.Hole.To.Seconds(), c.Hole.Why)
	}
	if c.Diverged < 0 {
		fmt.Fprintln(out, "Nothing else would have been decided: what follows is exact.")
	} else {
		fmt.Fprintf(out, "Exact up to %.3f s, where something else is decided for the first time. From there on modeled: the caller and the engines do what was recorded, at the recorded delays.\n", c.Diverged.Seconds())
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "turn\twas taken\twould be\tverdict\t\ttext")
	n := map[whatif.Verdict]int{}
	for _, t := range c.Turns {
		n[t.Verdict]++
		is, by, how := "–", "", ""
		if t.Verdict != whatif.Joined {
			is = fmt.Sprintf("%.3f s", t.Is.Seconds())
		}
		if t.By != 0 {
			by = fmt.Sprintf(" by %v", t.By.Abs().Round(time.Millisecond))
		}
		if t.Modeled {
			how = "modeled"
		}
		fmt.Fprintf(w, "%d\t%.3f s\t%s\t%s%s\t%s\t%q\n", t.Number, t.Was.Seconds(), is, t.Verdict, by, how, t.Text)
	}
	w.Flush()
	fmt.Fprintf(out, "%d turns: %d the same, %d earlier, %d later, %d cut off, %d joined\n\n", len(c.Turns), n[whatif.Same], n[whatif.Earlier], n[whatif.Later], n[whatif.CutOff], n[whatif.Joined])
}
