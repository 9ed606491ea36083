package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"parley/internal/caller"
)

// print writes the table of a load.
func (l *load) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	var all []result
	var late, sent figures
	var length time.Duration
	var lost int64
	for _, s := range l.callers {
		all = append(all, s.results...)
		late, sent = append(late, s.late...), append(sent, s.sent...)
		length, lost = length+s.length, lost+s.lost
	}
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("turns", "%d in %.0f session-seconds, %d cut in, %d while the agent kept speaking, %d taken for finished too early, %d unanswered",
		len(all), length.Seconds(), count(all, func(r result) bool { return r.cut }), count(all, func(r result) bool { return r.Kept }),
		count(all, func(r result) bool { return r.early }), count(all, func(r result) bool { return r.unanswered != nil }))
	l.printCost(row, length)
	l.printTimes(row, all)
	row("lateness", "packets received, p99 %s; a bare 20 ms ticker in this process, p99 %s; our own packets sent, p99 %s; %d packets lost",
		millis(late.at(99)), millis(l.ticker.at(99)), millis(sent.at(99)), lost)
	row("leaks", "%s", l.leaks())
}

type printer func(name, format string, args ...any)

// cost is the server's processor time a session-second in seconds, without what it takes when idle.
func (l *load) cost() float64 {
	var length time.Duration
	for _, s := range l.callers {
		length += s.length
	}
	return (l.cpu.Seconds() - l.idle.Seconds()*l.wall.Seconds()) / max(length.Seconds(), 1e-9)
}

func (l *load) printCost(row printer, length time.Duration) {
	row("CPU, server", "%.4f s a session-second (set-up included; idle %.4f s a second taken off: %.2f of %.2f s)",
		l.cost(), l.idle.Seconds(), l.idle.Seconds()*l.wall.Seconds(), l.cpu.Seconds())
	for _, name := range slices.Sorted(maps.Keys(l.kids)) {
		row("CPU, its child "+name, "%.2f s since its start, %.0f MiB", l.kids[name].cpu.Seconds(), mib(l.kids[name].rss))
	}
	row("CPU, callers", "%.4f s a session-second", l.own.Seconds()/max(length.Seconds(), 1e-9))
	n := float64(max(1, l.during.Sessions))
	row("memory", "%.0f MiB idle, %.0f with %d sessions: %.2f MiB a session resident, %.2f MiB heap",
		mib(l.before.RSS), mib(l.during.RSS), l.during.Sessions, mib(l.during.RSS-l.before.RSS)/n, mib(l.during.Heap-l.before.Heap)/n)
	row("goroutines", "%d idle, %d with %d sessions: %.1f a session",
		l.before.Goroutines, l.during.Goroutines, l.during.Sessions, float64(l.during.Goroutines-l.before.Goroutines)/n)
}

func (l *load) printTimes(row printer, all []result) {
	row("response", "%s  (last packet said → first packet heard, above %.0f dBFS)", pick(all, response), caller.Audible)
	asked := map[time.Duration]int{}
	ours := func(r result) (time.Duration, bool) {
		wait := r.asked(l.Waits)
		return r.Response - wait, r.clean() && wait > 0
	}
	for _, r := range all {
		if r.clean() {
			asked[r.asked(l.Waits)]++
		}
	}
	beyond := pick(all, ours)
	row("beyond the waits", "%s", beyond)
	for _, wait := range slices.Sorted(maps.Keys(asked)) {
		name := "unknown"
		if wait > 0 {
			name = wait.String()
		}
		row("  wait asked", "%s: %d turns", name, asked[wait])
	}
	lossy := func(lossy bool) figures {
		var some figures
		for i, s := range l.callers {
			if (i%2 == 1) == lossy && len(s.results) > loseIn {
				some = append(some, pick(s.results[loseIn+1:], ours)...)
			}
		}
		return some
	}
	row("  after one lost packet", "%s", lossy(true))
	row("  same turns, none lost", "%s", lossy(false))
	row("stop", "%s  (first packet said → last packet heard)", pick(all, stop))
}

func (l *load) leaks() string {
	s := fmt.Sprintf("goroutines %d → %d, files %d → %d, sessions %d → %d, resident %.0f → %.0f MiB, %.1f s after the last call",
		l.before.Goroutines, l.after.Goroutines, l.before.Files, l.after.Files, l.before.Sessions, l.after.Sessions,
		mib(l.before.RSS), mib(l.after.RSS), l.settled.Seconds())
	if l.leak == nil {
		return "none: " + s
	}
	return "LEAK: " + s
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
