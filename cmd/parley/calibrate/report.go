package calibrate

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"parley/agent/replay/edge"
)

// What may be off.
const (
	alignLimit = 1.0                    // ms
	edgeLimit  = 20.0                   // ms, of the 95th percentile
	frameMS    = 20.0                   // ms
	hourLimit  = frameMS / 3600 * 1000  // ppm: a frame an hour
	resolution = 500 * time.Microsecond // what a drift must come to in a call to be told from noise
)

// report is what was measured.
type report struct {
	Ruler      string  `json:"ruler"`
	Proven     bool    `json:"proven"`
	Checks     []check `json:"checks"`
	Seed       uint64  `json:"seed"`
	Length     float64 `json:"lengthS"`
	Human      bool    `json:"humanSpeech"`
	CodecDelay float64 `json:"codecDelayMs"`
	Calls      []call  `json:"calls"`
	Loss       loss    `json:"loss"`
}

// check is one thing that must hold: a value that is at most its limit.
type check struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit"`
	OK    bool    `json:"ok"`
	Note  string  `json:"note,omitempty"`
}

func (r *report) check(name string, value, limit float64, unit, note string) {
	r.Checks = append(r.Checks, check{name, math.Round(value*1000) / 1000, math.Round(limit*1000) / 1000, unit, value <= limit, note})
}

// judge makes the checks.
func (r *report) judge() {
	r.Ruler, r.Checks = edge.Version, nil
	var down, up, edges []time.Duration
	var between, apart, most, steepest float64
	none := 0
	for _, c := range r.Calls {
		for _, d := range []direction{c.Down, c.Up} {
			edges = append(edges, d.edges...)
			none += d.Lost + d.Missed + d.Ghosts
			steepest = max(steepest, math.Abs(d.Drift))
			most = max(most, math.Abs(d.Track-c.Length)*1000)
		}
		down, up = append(down, c.Down.chirps...), append(up, c.Up.chirps...)
		between = max(between, farthest(c.Down.chirps, c.Up.chirps))
		apart = max(apart, math.Abs(c.Down.Track-c.Up.Track)*1000)
	}
	spoken := "human speech"
	if !r.Human {
		spoken = "synthetic syllables: no human speech is installed (apt-get install pocketsphinx-testdata asterisk-core-sounds-en asterisk-core-sounds-en-wav)"
	}
	r.check("agent's track against the time of sending", millis(percentile(100, down)), alignLimit, "ms", fmt.Sprintf("%d chirps, p50 %.2f", len(down), millis(percentile(50, down))))
	r.check("caller's track against the time of sending", millis(percentile(100, up)), alignLimit, "ms", fmt.Sprintf("%d chirps, p50 %.2f; the way here is in it", len(up), millis(percentile(50, up))))
	r.check("one direction against the other", between, alignLimit, "ms", "")
	r.check("drift over a call", steepest, max(hourLimit, resolution.Seconds()/r.Length*1e6), "ppm", fmt.Sprintf("a frame an hour is %.1f; a call of %.0f s tells no less than its limit", hourLimit, r.Length))
	r.check("edges of speech, p95", millis(percentile(95, edges)), edgeLimit, "ms", fmt.Sprintf("%d edges of %s; p50 %.1f, max %.1f", len(edges), spoken, millis(percentile(50, edges)), millis(percentile(100, edges))))
	r.check("chirps and utterances not found, spans of nobody", float64(none), 0, "", "")
	r.check("length of one track against the other", apart, frameMS, "ms", "")
	r.check("length of the tracks against the record", most, frameMS, "ms", "")
	r.lossChecks()
	r.Proven = len(down) > 0 && len(up) > 0 && len(edges) > 0
	for _, c := range r.Checks {
		r.Proven = r.Proven && c.OK
	}
}

func (r *report) lossChecks() {
	l := r.Loss
	r.check(fmt.Sprintf("length of a call of %.2f s with %.0f s lost", l.Sent, l.NotSent), math.Abs(l.Kept-l.Sent)*1000, frameMS, "ms",
		fmt.Sprintf("%.3f s, of it %.3f concealed", l.Kept, l.Concealed))
	far := math.Abs(l.Apart-l.ApartSent) * 1000
	if l.Lost {
		far = 1000 * search / rate // at least: it was not found there
	}
	r.check("chirps before and after the loss", far, alignLimit, "ms", fmt.Sprintf("%.3f s apart, sent %.3f", l.Apart, l.ApartSent))
}

// farthest is the greatest difference between an error of one direction and one of the other, in milliseconds.
func farthest(a, b []time.Duration) (ms float64) {
	for _, x := range a {
		for _, y := range b {
			ms = max(ms, millis((x - y).Abs()))
		}
	}
	return ms
}

// print writes the table.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "parley calibrate: %d calls of %.0f s over loopback, seed %d; edges by %s\n", len(r.Calls), r.Length, r.Seed, r.Ruler)
	fmt.Fprintf(out, "taken off: the lateness of the pacer's ticks, and the codec's delay of %.2f ms; nothing else\n\n", r.CodecDelay)
	repeated := r.Loss.Repeated
	for _, c := range r.Calls {
		repeated += c.Repeated
	}
	if repeated > 0 {
		fmt.Fprintf(out, "made again %d times, because the computer was too busy for a call\n\n", repeated)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\toff by\tmay be\t\t")
	for _, c := range r.Checks {
		ok := "proven"
		if !c.OK {
			ok = "NOT"
		}
		fmt.Fprintf(w, "%s\t%.4g %s\t%.4g %s\t%s\t%s\n", c.Name, c.Value, c.Unit, c.Limit, c.Unit, ok, c.Note)
	}
	return w.Flush()
}
