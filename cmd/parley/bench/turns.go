package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// TurnsCmd is the verb "bench turns".
type TurnsCmd struct {
	Events int           `default:"200" env:"-" help:"Events of each kind, and of each length of an inner pause."`
	Half   string        `default:"score" enum:"score,tune" env:"-" help:"Half of the corpus: tune to choose thresholds, score to tell how good they are. They share no sentence."`
	Takes  time.Duration `default:"100ms" env:"-" help:"What the recognizer takes to answer a flush. It knows the words."`
	Dots   float64       `default:"0.8" env:"-" help:"Share of sentences with a pause to whose text the recognizer puts a full stop in the pause. The local one does so in 20 of 24."`
	Grid   bool          `env:"-" help:"Try a grid of thresholds, and print those to which no other is better."`
	Others bool          `default:"true" negatable:"" env:"-" help:"Run the thresholds that Pipecat and LiveKit publish too."`
	Scores string        `type:"path" placeholder:"FILE" env:"-" help:"Keep the models' scores in this file, so that the next run with the same events takes seconds."`
	With   []string      `sep:"none" placeholder:"JSON" env:"-" help:"Other thresholds to run, as --with='{\"end\":{\"short\":400000000}}': turn.Config, times in nanoseconds; what it does not name is as by default, or as in the recorded call. May be repeated."`
	Log    []string      `type:"path" placeholder:"BUNDLE" env:"-" help:"Run the configurations over what was heard in recorded calls instead. May be repeated."`
	JSON   bool          `name:"json" env:"-" help:"Print JSON."`

	TurnsWire `embed:"" group:"At the wire:"`
}

// Help is what the verb says about itself below its first line.
func (*TurnsCmd) Help() string {
	return `Human speech from two packages of recordings, scored once by the real voice detector and the real
end-of-turn model; then the turn machine decides in simulated time. The recognizer knows the words and answers
after a fixed time, the language model and the voice take no time: what is measured is the silence that the machine waits
for, not the wire. Coughs, backchannels and noise are synthesized. Events of a kind repeat sentences at other levels and
places: their intervals are those of independent events.`
}

// Run makes the bench and prints its table to out.
func (cmd *TurnsCmd) Run(ctx context.Context, out io.Writer) error {
	own, err := cmd.own()
	if err != nil {
		return err
	}
	if len(cmd.Log) > 0 {
		return cmd.logs(ctx, out, own)
	}
	if cmd.Wire || cmd.Local {
		return cmd.wire(ctx, out)
	}
	if cmd.Events < 1 || cmd.Dots < 0 || cmd.Dots > 1 || cmd.Takes < 0 {
		return errors.New("--events must be at least 1, --dots from 0 to 1, --takes not negative")
	}
	from, err := sentences(cmd.Half)
	if err != nil {
		return err
	}
	n, err := openNeural()
	if err != nil {
		return err
	}
	err = cmd.bench(ctx, out, n, events(from, cmd.Events, cmd.Dots), append([]setting{today}, own...))
	return errors.Join(err, n.close())
}

// own are the configurations of --with.
func (cmd *TurnsCmd) own() (all []setting, err error) {
	for _, s := range cmd.With {
		one := setting{name: s, raw: s}
		if err := json.Unmarshal([]byte(s), &one.c); err != nil {
			return nil, fmt.Errorf("read --with %s: %w", s, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// turnsReport is what --json prints.
type turnsReport struct {
	Half     string         `json:"half"`
	Events   map[string]int `json:"events"`
	Settings []tally        `json:"settings"`
	Tried    int            `json:"tried,omitempty"`
	Pareto   []tally        `json:"pareto,omitempty"`
}

func (cmd *TurnsCmd) bench(ctx context.Context, out io.Writer, n *neural, all []floorEvent, settings []setting) (err error) {
	kept, err := openScores(cmd.Scores)
	if err != nil {
		return err
	}
	heard := make([]*heardEvent, len(all))
	err = each(ctx, len(all), func(i int) (err error) {
		heard[i], err = hear(&all[i], n, kept[keyOf(all[i].pcm)])
		return err
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, saveScores(cmd.Scores, kept, heard)) }()
	r := turnsReport{Half: cmd.Half, Events: map[string]int{}}
	for _, e := range all {
		r.Events[e.row]++
	}
	if cmd.Others {
		settings = append(settings, published()...)
	}
	for _, s := range settings {
		v, err := score(ctx, heard, s, cmd.Takes)
		if err != nil {
			return err
		}
		r.Settings = append(r.Settings, sum(s, heard, v))
	}
	if cmd.Grid {
		if err := cmd.sweep(ctx, heard, &r); err != nil {
			return err
		}
	}
	if cmd.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	r.print(out, all)
	return nil
}

// sweep tries the grid on the events in which the caller has the floor.
func (cmd *TurnsCmd) sweep(ctx context.Context, heard []*heardEvent, r *turnsReport) error {
	var ends []*heardEvent
	for _, h := range heard {
		if !h.agent {
			ends = append(ends, h)
		}
	}
	var tried []tally
	for _, s := range grid() {
		v, err := score(ctx, ends, s, cmd.Takes)
		if err != nil {
			return err
		}
		tried = append(tried, sum(s, ends, v))
	}
	r.Tried, r.Pareto = len(tried), pareto(tried)
	return nil
}

// print writes the table.
func (r turnsReport) print(out io.Writer, all []floorEvent) {
	header(out, fmt.Sprintf("bench turns: half %q of the corpus, %d events; the turn machine in simulated time, no wire", r.Half, len(all)), nil)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	for _, row := range rowsOf(all) {
		fmt.Fprintf(w, "events\t%s\t%d\n", row, r.Events[row])
	}
	for _, t := range r.Settings {
		t.print(w)
	}
	if r.Tried == 0 {
		return
	}
	fmt.Fprintf(w, "\nof %d settings those to which no other is better; cut off: pauses in quiet, 0.3 to 2 s each as often\n", r.Tried)
	fmt.Fprintln(w, "cut off\t95 %\tup to 0.8 s\tin noise\tdelay p50\tp95\tshort\tmiddle\tlong\tdangling\tdone\topen")
	for _, t := range r.Pareto {
		e := t.Config.End
		fmt.Fprintf(w, "%.1f %%\t≤ %.1f %%\t%.1f %%\t%.1f %%\t%.0f ms\t%.0f ms\t%v\t%v\t%v\t%v\t%.2f\t%.2f\n", 100*t.Cut.of(), 100*t.Cut.High, 100*t.CutShort.of(),
			100*t.CutNoise.of(), t.Delay.P50, t.Delay.P95, e.Short, e.Middle, e.Long, e.Dangling, e.Done, e.Open)
	}
}

func (s share) String() string { return rate{s.K, s.N}.String() }

func (q quantiles) String() string {
	if q.N == 0 {
		return "–"
	}
	return fmt.Sprintf("p50 %.0f ms  p95 %.0f ms  max %.0f ms  (n %d)", q.P50, q.P95, q.Max, q.N)
}

func (t tally) print(w io.Writer) {
	row := func(name string, value fmt.Stringer) { fmt.Fprintf(w, "  %s\t%s\n", name, value) }
	fmt.Fprintf(w, "\n%s\n", t.Name)
	e := t.Config.End
	fmt.Fprintf(w, "  waits\tahead %v short %v middle %v long %v dangling %v done %.2f open %.2f\n", e.Ahead, e.Short, e.Middle, e.Long, e.Dangling, e.Done, e.Open)
	row("end of turn, finished sentences", t.Delay)
	row("end of turn, all", t.DelayAll)
	row("cut off in a pause", t.Cut)
	for i, s := range t.Pauses {
		row("  of "+innerPauses[i].String(), s)
	}
	row("cut off in a pause of up to 0.8 s", t.CutShort)
	row("cut off in a pause, in noise", t.CutNoise)
	row("cut off without a pause", t.CutWhole)
	row("not taken within 3.5 s", t.Unanswered)
	row("two sentences taken as two turns", t.Between)
	row("interruptions honored", t.Honored)
	row("  first sound to the agent's pause", t.Stop)
	for _, f := range t.False {
		row("stopped falsely: "+f.Row, f.Stops)
		row("  paused", f.Held)
		row("  for", f.Paused)
	}
}
