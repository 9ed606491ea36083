package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"parley/internal/caller"
	"parley/web"
)

// stage is a place in the way of an answer, as the server counts it from the caller's last voice.
type stage struct {
	name string
	at   func(web.Latency) float64
}

var stages = []stage{
	{"final text", func(l web.Latency) float64 { return l.TextMS }},
	{"turn taken", func(l web.Latency) float64 { return l.EndpointMS }},
	{"first token", func(l web.Latency) float64 { return l.TokenMS }},
	{"first phrase", func(l web.Latency) float64 { return l.PhraseMS }},
	{"first audio", func(l web.Latency) float64 { return l.AudioMS }},
	{"first frame sent", func(l web.Latency) float64 { return l.TotalMS }},
}

// print writes the table of a talk.
func (t *talk) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	all, paused := t.results, split(t.results)
	row("response", "%s;  cut off in a pause of 0.3 to 0.8 s: %s", pick(all, response), rate{count(paused, early), len(paused)})
	row("", "(last packet said → first packet heard, above %.0f dBFS; a turn taken early has no response)", caller.Audible)
	row("turns", "%d in %.0f s, %d unanswered, %d cut off that had no pause put in, %d while the agent kept speaking, %d packets lost",
		len(all), t.length.Seconds(), count(all, func(r result) bool { return r.unanswered != nil }),
		count(all, early)-count(paused, early), count(all, func(r result) bool { return r.Kept }), t.lost)
	for _, pause := range pauses {
		some := slices.DeleteFunc(slices.Clone(paused), func(r result) bool { return r.pause != pause })
		row("  pause of "+pause.String(), "cut off: %s", rate{count(some, early), len(some)})
	}
	row("waterfall", "of the answers above, as the server counts from the last voice that it heard")
	for _, s := range stages {
		row("  "+s.name, "%s", pick(all, func(r result) (time.Duration, bool) {
			if !r.clean() || r.account == nil {
				return 0, false
			}
			return time.Duration(s.at(*r.account) * float64(time.Millisecond)), true
		}))
	}
	row("  heard by the caller", "%s more than the first frame sent", pick(all, func(r result) (time.Duration, bool) {
		if !r.clean() || r.account == nil {
			return 0, false
		}
		return r.Response - time.Duration(r.account.TotalMS*float64(time.Millisecond)), true
	}))
	row("interruption", "%s  (first packet said → last packet heard)", pick(all, stop))
	row("  hold decided", "%s → last packet heard (decision from the server's log, same clock)", pick(all, t.afterHold))
	t.printCost(row)
}

func (t *talk) printCost(row printer) {
	seconds := max(t.length.Seconds(), 1e-9)
	row("server", "%.2f s of CPU, %.3f a second; %.0f MiB resident; %.1f s from start until it listened",
		t.cpu.Seconds(), t.cpu.Seconds()/seconds, mib(t.rss), t.warmed.Seconds())
	for _, name := range slices.Sorted(maps.Keys(t.kids)) {
		k := t.kids[name]
		row("  child "+name, "%.2f s of CPU, %.3f a second; %.0f MiB resident", k.cpu.Seconds(), k.cpu.Seconds()/seconds, mib(k.rss))
	}
}

// split keeps the turns that had a pause and did not interrupt: in those a cut-off is certain to be one.
func split(all []result) (paused []result) {
	for _, r := range all {
		if r.pause > 0 && !r.cut {
			paused = append(paused, r)
		}
	}
	return paused
}

func early(r result) bool { return r.early }

// afterHold is the time from the server's decision to fall silent to the last packet heard.
func (t *talk) afterHold(r result) (time.Duration, bool) {
	if _, ok := stop(r); !ok {
		return 0, false
	}
	at, ok := t.srv.hold(r.wall.Add(-100*time.Millisecond), r.wall.Add(r.when.Last-r.when.First))
	return r.wall.Add(r.Stop).Sub(at), ok
}
