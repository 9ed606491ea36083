package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"parley/internal/corpus"
	"parley/media/record"
)

// What recording may cost: of the processor time of the same load without, of the 99th percentile of lateness, and of the disk
// for packets and log.
const (
	recordCPU  = 1.05
	recordLate = time.Millisecond
	recordSize = 40e6 // bytes a session-hour
)

// RecordCmd is the verb "bench record": the load of bench load, with and without a record, one after the other.
type RecordCmd struct {
	Pairs    int           `default:"7" env:"-" help:"How often both ways. Which of them is first changes from pair to pair."`
	Sessions int           `default:"20" env:"-" help:"Callers at the same time."`
	Duration time.Duration `default:"20s" env:"-" help:"How long they call."`
	Disk     string        `type:"path" placeholder:"DIR" env:"-" help:"A folder on the disk to record to; a new one in it is filled and deleted. Default: the folder for temporary files."`
	With     []string      `sep:"none" placeholder:"FLAG" env:"-" help:"A further flag for the server that records, as --with=--no-record-speech. May be repeated."`
	Server   `embed:"" group:"Server:"`
}

// recorded is one run.
type recorded struct {
	cpu        float64       // seconds of the server a session-second
	late       time.Duration // 99th percentile, of packets received
	ticker     time.Duration // of a bare ticker of this process
	turns      int
	unanswered int
	failed     []error // calls that did

	bundles     int
	kept        time.Duration // sum of what the bundles last
	bytes, blob int64
}

// Run makes the pairs and prints the table. It fails if turns go unanswered, if calls fail, or if a record is not whole.
func (c *RecordCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Pairs < 1 || c.Sessions < 1 || c.Duration < time.Second {
		return fmt.Errorf("bench record: %d pairs of %d sessions for %v: give at least one, one and 1s", c.Pairs, c.Sessions, c.Duration)
	}
	args, err := c.args()
	if err != nil {
		return err
	}
	all, err := speech(shortest, longest)
	if err != nil {
		return err
	}
	return c.bench(out, append(args, "--max-sessions", strconv.Itoa(c.Sessions+1)), func(args []string, dir string) (recorded, error) {
		return c.once(ctx, args, all, dir)
	})
}

// bench is Run with a server of these flags; once makes a run, with a record if there is a folder.
func (c *RecordCmd) bench(out io.Writer, args []string, once func(args []string, dir string) (recorded, error)) error {
	if c.Disk != "" {
		if err := os.MkdirAll(c.Disk, 0o700); err != nil {
			return fmt.Errorf("make a folder to record to: %w", err)
		}
	}
	dir, err := os.MkdirTemp(c.Disk, "parley-bench-record-")
	if err != nil {
		return fmt.Errorf("make a folder to record to: %w", err)
	}
	defer os.RemoveAll(dir)
	on := append(append(slices.Clone(args), "--record", dir), c.With...)
	header(out, fmt.Sprintf("bench record: %d pairs, %d callers for %v each, without and with a record %s", c.Pairs, c.Sessions, c.Duration, medium(dir)), on)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "pair\tfirst\tCPU-s a session-s, without\twith\tratio\treceived p99, without\twith\tdifference\tbare ticker p99\t\t")
	var without, with []recorded
	for i := range c.Pairs {
		var pair [2]recorded
		for k := range 2 {
			which := (i + k) % 2
			if which == 0 {
				pair[0], err = once(args, "")
			} else {
				pair[1], err = once(on, dir)
			}
			if err != nil {
				return errors.Join(fmt.Errorf("pair %d: %w", i+1, err), w.Flush())
			}
		}
		a, b := pair[0], pair[1]
		without, with = append(without, a), append(with, b)
		fmt.Fprintf(w, "%d\t%s\t%.4f\t%.4f\t%.3f\t%s\t%s\t%+.1f ms\t%s\t%s\t\n", i+1, [...]string{"without", "with"}[i%2], a.cpu, b.cpu, b.cpu/a.cpu,
			millis(a.late), millis(b.late), (b.late-a.late).Seconds()*1000, millis(a.ticker), millis(b.ticker))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	summary(out, without, with)
	return recordVerdict(append(without, with...))
}

// once runs a load. With a folder, what the server recorded there is read and deleted.
func (c *RecordCmd) once(ctx context.Context, args []string, all []corpus.Utterance, dir string) (r recorded, err error) {
	l := load{plan: plan{LoadCmd: LoadCmd{Duration: c.Duration, Server: c.Server}, n: c.Sessions, speech: all}}
	if l.srv, err = start(ctx, args); err != nil {
		return r, err
	}
	err = l.run(ctx)
	if err = errors.Join(err, l.srv.stop()); err != nil {
		return r, err
	}
	var late figures
	for i, s := range l.callers {
		late = append(late, s.late...)
		r.turns += len(s.results)
		r.unanswered += count(s.results, func(t result) bool { return t.unanswered != nil })
		if s.err != nil {
			r.failed = append(r.failed, fmt.Errorf("caller %d: %w", i+1, s.err))
		}
	}
	r.late, r.ticker = late.at(99), l.ticker.at(99)
	if r.cpu = l.cost(); r.cpu <= 0 {
		return r, fmt.Errorf("the server took no processor time for its calls: make them longer than %v", c.Duration)
	}
	if dir != "" {
		err = r.read(dir)
	}
	return r, err
}

// read checks and deletes the recordings below dir.
func (r *recorded) read(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.conv"))
	if err != nil || len(paths) == 0 {
		return errors.Join(err, errors.New("the server recorded nothing"))
	}
	for _, path := range paths {
		b, err := record.Open(path)
		if err != nil {
			return err
		}
		v := b.Verify()
		r.bundles++
		r.kept, r.bytes, r.blob = r.kept+v.Duration, r.bytes+v.Bytes, r.blob+v.Blobs
		if len(v.Problems) > 0 || v.Gaps > 0 || v.State != record.Closed {
			r.failed = append(r.failed, fmt.Errorf("recording %s is %s, lacks %d entries, problems: %q", v.ID, v.State, v.Gaps, v.Problems))
		}
		if err := errors.Join(b.Close(), os.RemoveAll(path)); err != nil {
			return err
		}
	}
	return nil
}

// summary prints the medians and the sizes.
func summary(out io.Writer, without, with []recorded) {
	var ratios, diffs []float64
	var kept time.Duration
	var bytes, blobs int64
	bundles := 0
	for i, b := range with {
		ratios = append(ratios, b.cpu/without[i].cpu)
		diffs = append(diffs, (b.late-without[i].late).Seconds()*1000)
		kept, bytes, blobs, bundles = kept+b.kept, bytes+b.bytes, blobs+b.blob, bundles+b.bundles
	}
	goal := func(met bool) string {
		if met {
			return "met"
		}
		return "NOT met"
	}
	slices.Sort(ratios)
	slices.Sort(diffs)
	n := len(with)
	ratio, diff := middle(ratios), middle(diffs)
	fmt.Fprintf(out, "\nCPU, server     median of %d: × %.3f (%.3f to %.3f); goal × %.2f: %s\n", n, ratio, ratios[0], ratios[n-1], recordCPU, goal(ratio <= recordCPU))
	fmt.Fprintf(out, "lateness, p99   median of %d: %+.1f ms (%+.1f to %+.1f); goal %+.1f ms: %s\n", n, diff, diffs[0], diffs[n-1],
		recordLate.Seconds()*1000, goal(diff <= recordLate.Seconds()*1000))
	hours := max(kept.Hours(), 1e-9)
	size := float64(bytes) / hours
	fmt.Fprintf(out, "packets, log    %.1f MB a session-hour; goal %.0f MB: %s\n", size/1e6, recordSize/1e6, goal(size <= recordSize))
	fmt.Fprintf(out, "blobs           %.1f MB a session-hour\n", float64(blobs)/hours/1e6)
	fmt.Fprintf(out, "recordings      %d of %.2f session-hours; the kernel's own writing to the disk is in no figure\n", bundles, hours)
}

// middle is the median of sorted values.
func middle(v []float64) float64 {
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// recordVerdict is why the runs failed, if they did.
func recordVerdict(all []recorded) error {
	var errs []error
	unanswered := 0
	for _, r := range all {
		errs = append(errs, r.failed...)
		unanswered += r.unanswered
	}
	if unanswered > 0 {
		errs = append(errs, fmt.Errorf("%d %w", unanswered, ErrUnanswered))
	}
	return errors.Join(errs...)
}

// medium says what a folder lies on, as far as that matters.
func medium(dir string) string {
	const tmpfs = 0x01021994 // TMPFS_MAGIC of statfs(2)
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) == nil && s.Type == tmpfs {
		return "in memory (tmpfs), not on a disk: name one with --disk"
	}
	return "on disk"
}
