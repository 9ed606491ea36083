package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"parley/internal/caller"
)

// wireTimes are quantiles in milliseconds.
type wireTimes struct {
	N   int     `json:"n"`
	P5  float64 `json:"p5"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func wireTimesOf(f figures) wireTimes {
	ms := func(p float64) float64 { return float64(f.at(p).Microseconds()) / 1000 }
	return wireTimes{len(f), ms(5), ms(50), ms(95), ms(99), ms(100)}
}

func (t wireTimes) String() string {
	switch {
	case t.N == 0:
		return "–"
	case t.N < 100:
		return fmt.Sprintf("p50 %.0f  p95 %.0f  max %.0f ms  (n %d)", t.P50, t.P95, t.Max, t.N)
	}
	return fmt.Sprintf("p50 %.0f  p95 %.0f  p99 %.0f  max %.0f ms  (n %d)", t.P50, t.P95, t.P99, t.Max, t.N)
}

// wireReport is the table, and what --json prints.
type wireReport struct {
	Machine      string           `json:"machine"`
	Events       int              `json:"events"`
	Calls        int              `json:"calls"`
	Took         float64          `json:"seconds"`
	Overhead     *wireOverhead    `json:"overhead,omitempty"`
	Interruption *wireInterrupted `json:"interruption,omitempty"`
	False        []wireFalse      `json:"false,omitempty"`
	Heard        []wireHeard      `json:"heard,omitempty"`
	Local        []wireLocal      `json:"local,omitempty"`
	Load         []wireLoad       `json:"load,omitempty"`
}

// empty says whether nothing was measured.
func (r wireReport) empty() bool {
	return r.Overhead == nil && r.Interruption == nil && len(r.False)+len(r.Heard)+len(r.Local) == 0
}

// busyLate is how late a bare timer may be (p99) on a computer whose figures mean something.
const busyLate = 10.0

// wireLoad is what a row cost the machine.
type wireLoad struct {
	Row     string    `json:"row"`
	Seconds float64   `json:"seconds"`
	Server  float64   `json:"server"`  // CPU-seconds a second
	Callers float64   `json:"callers"` // likewise
	Late    wireTimes `json:"late"`    // a bare ticker of the callers' process
}

// wireOverhead is what an answer takes beside the silence that was asked for.
type wireOverhead struct {
	Asked    int       `json:"asked"`    // questions
	Answered share     `json:"answered"` // that were neither cut off nor left without an answer
	Unknown  int       `json:"unknown"`  // answers whose wait the log does not tell
	Beyond   wireTimes `json:"beyond"`
	Response wireTimes `json:"response"`
	Decided  wireTimes `json:"decided"` // turn taken, after the wait was over
	Made     wireTimes `json:"made"`    // turn taken → first frame sent
	Around   wireTimes `json:"around"`  // the wire both ways, and what the server takes for the end of speech
}

func (r *answers) sum(waits map[string]map[int]time.Duration) (w wireOverhead) {
	var beyond, response, decided, made, around figures
	for id, all := range r.calls.all {
		for _, a := range all {
			w.Asked++
			w.Answered.add(a.clean())
			if !a.clean() {
				continue
			}
			wait, ok := time.Duration(0), false
			if a.account != nil {
				wait, ok = waits[id][a.account.Turn]
			}
			if !ok {
				w.Unknown++
				continue
			}
			at := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
			response, beyond = append(response, a.Response), append(beyond, a.Response-wait)
			decided = append(decided, at(a.account.EndpointMS)-wait)
			made = append(made, at(a.account.TotalMS-a.account.EndpointMS))
			around = append(around, a.Response-at(a.account.TotalMS))
		}
	}
	w.Beyond, w.Response, w.Decided, w.Made, w.Around = wireTimesOf(beyond), wireTimesOf(response), wireTimesOf(decided), wireTimesOf(made), wireTimesOf(around)
	return w
}

// wireInterrupted is how the agent gives way.
type wireInterrupted struct {
	Happened share     `json:"happened"` // the agent spoke when the caller began
	Honored  share     `json:"honored"`  // of these: it gave way within 2 s
	Stop     wireTimes `json:"stop"`     // of those that it gave way to
}

func (r *cuts) sum() (w wireInterrupted) {
	var stops figures
	for _, e := range r.all {
		w.Happened.add(e.Spoke)
		if !e.Spoke {
			continue
		}
		w.Honored.add(e.Honored)
		if e.Stop >= 0 {
			stops = append(stops, e.Stop)
		}
	}
	w.Stop = wireTimesOf(stops)
	return w
}

// wireFalse is a sound that should not stop the agent.
type wireFalse struct {
	Row      string             `json:"row"`
	Happened share              `json:"happened"`
	Stopped  share              `json:"stopped"`
	Paused   share              `json:"paused"` // and went on
	Pause    wireTimes          `json:"pause"`
	Control  *share             `json:"control,omitempty"` // the voice detector by itself hears a voice
	Placed   [echoPerCall]share `json:"placed,omitzero"`   // echo: Stopped by the number of the answer in its call
}

func falseOf(row string, all []stood) wireFalse {
	w := wireFalse{Row: row}
	var pauses figures
	for _, v := range all {
		if w.Happened.add(v.Spoke); !v.Spoke {
			continue
		}
		w.Stopped.add(v.Stopped)
		w.Paused.add(v.Pause > 0)
		if v.Pause > 0 {
			pauses = append(pauses, v.Pause)
		}
	}
	w.Pause = wireTimesOf(pauses)
	return w
}

// wireHeard is the heard text against what was played.
type wireHeard struct {
	Voice    string    `json:"voice"`    // told: it says where its words are; untold: it does not
	Happened share     `json:"happened"` // cuts of which both are known
	Close    share     `json:"close"`    // at most one word off
	Exact    share     `json:"exact"`    // no word off
	Signed   wireWords `json:"signed"`   // words too many; negative: too few
	Parts    wireWords `json:"parts"`    // likewise, in words and parts of words
	Paused   int       `json:"paused"`   // left out: the answer paused before it was cut, and repeated some of its sound
	Foreign  int       `json:"foreign"`  // texts that are no beginning of what was generated; they count as off
	Differ   share     `json:"differ"`   // cuts in which the model was told another text than the caller
}

// wireWords are quantiles of a number of words.
type wireWords struct {
	Mean float64 `json:"mean"`
	P5   float64 `json:"p5"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

func wireWordsOf(all []float64) (w wireWords) {
	if len(all) == 0 {
		return w
	}
	s := slices.Sorted(slices.Values(all))
	at := func(p float64) float64 { return s[min(len(s)-1, int(p*float64(len(s))))] }
	for _, v := range s {
		w.Mean += v / float64(len(s))
	}
	w.P5, w.P50, w.P95, w.Low, w.High = at(0.05), at(0.5), at(0.95), s[0], s[len(s)-1]
	return w
}

func heardOf(voice string, all []cut, v *vocabulary) wireHeard {
	w := wireHeard{Voice: voice}
	var signed, parts []float64
	for _, e := range all {
		if e.Paused {
			w.Paused++
			continue
		}
		known := e.Spoke && e.Stop >= 0 && e.text.ended
		if w.Happened.add(known); !known {
			continue
		}
		n, exact, ok := v.heardError(e.text.generated, e.text.heard, e.Played)
		if !ok {
			w.Foreign++
		}
		w.Close.add(ok && n >= -1 && n <= 1)
		w.Exact.add(ok && n == 0)
		if ok {
			signed, parts = append(signed, float64(n)), append(parts, exact)
		}
		if e.text.asked {
			w.Differ.add(e.text.told != e.text.heard)
		}
	}
	w.Signed, w.Parts = wireWordsOf(signed), wireWordsOf(parts)
	return w
}

func placedIn(all [echoPerCall]share) string {
	var s []string
	for _, p := range all {
		s = append(s, fmt.Sprintf("%d of %d", p.K, p.N))
	}
	return strings.Join(s, ", ")
}

// met says whether a goal is reached.
func met(yes bool) string {
	if yes {
		return "reached"
	}
	return "MISSED"
}

// print writes the table.
func (r wireReport) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	fmt.Fprintln(w)
	if len(r.Local) > 0 {
		r.printLocal(row)
		return
	}
	if r.Overhead != nil {
		r.Overhead.print(row)
	}
	if r.Interruption != nil {
		r.Interruption.print(row)
	}
	for _, f := range r.False {
		f.print(row)
	}
	for _, h := range r.Heard {
		h.print(row)
	}
	for _, l := range r.Load {
		l.print(row)
	}
	row("all", "%.0f s", r.Took)
}

func (o wireOverhead) print(row printer) {
	row("overhead", "%s;  goal p50 ≤ 15, p99 ≤ 40 ms: %s", o.Beyond, met(o.Beyond.N > 0 && o.Beyond.P50 <= 15 && o.Beyond.P99 <= 40))
	row("", "(last packet said → first packet heard, above %.0f dBFS, less the silence that the machine asked for, by its log)", caller.Audible)
	row("  answered, not cut off", "%v;  of %d answers the log does not tell the silence", o.Answered, o.Unknown)
	row("  response", "%s", o.Response)
	row("  turn taken, after that silence", "%s", o.Decided)
	row("  turn taken → first frame sent", "%s", o.Made)
	row("  on the wire, and at the end of speech", "%s", o.Around)
}

func (i wireInterrupted) print(row printer) {
	row("interruption", "%s;  goal p50 ≤ 150, p95 ≤ 300 ms: %s", i.Stop, met(i.Stop.N > 0 && i.Stop.P50 <= 150 && i.Stop.P95 <= 300))
	row("", "(first packet said → last packet heard)")
	row("  gave way within 2 s", "%v;  goal ≥ 98 %%: %s", i.Honored, met(i.Honored.N > 0 && i.Honored.of() >= 0.98))
	row("  happened: the agent spoke", "%v", i.Happened)
}

func (f wireFalse) print(row printer) {
	row("stopped by "+f.Row, "%v;  goal ≤ 3 %%: %s", f.Stopped, met(f.Stopped.N > 0 && f.Stopped.of() <= 0.03))
	row("  paused, and went on", "%v", f.Paused)
	if f.Pause.N > 0 {
		row("  for", "%s;  goal p95 ≤ 600 ms: %s", f.Pause, met(f.Pause.P95 <= 600))
	}
	row("  happened: the agent spoke", "%v", f.Happened)
	if f.Control != nil {
		row("  stopped, by the answer's number in its call", "%s", placedIn(f.Placed))
		row("  control", "the voice detector by itself hears a voice in what came back: %v", *f.Control)
	}
}

func (h wireHeard) print(row printer) {
	row("heard text, word times "+h.Voice, "at most one word off: %v;  goal ≥ 95 %%: %s", h.Close, met(h.Close.N > 0 && h.Close.of() >= 0.95))
	row("  no word off", "%v", h.Exact)
	row("  words too many", "mean %+.2f  p5 %+.0f  p50 %+.0f  p95 %+.0f  from %+.0f to %+.0f;  with parts of words: mean %+.2f  p5 %+.2f  p95 %+.2f",
		h.Signed.Mean, h.Signed.P5, h.Signed.P50, h.Signed.P95, h.Signed.Low, h.Signed.High, h.Parts.Mean, h.Parts.P5, h.Parts.P95)
	row("  happened", "%v;  left out because the answer had paused before: %d;  not of the answer's own words: %d", h.Happened, h.Paused, h.Foreign)
	row("  the model is told another text", "%v", h.Differ)
}

func (l wireLoad) busy() bool { return l.Late.P99 > busyLate }

func (l wireLoad) print(row printer) {
	busy := ""
	if l.busy() {
		busy = ";  THE COMPUTER WAS BUSY: what this row says is not parley's doing"
	}
	row("load: "+l.Row, "%.0f s, server %.2f and callers %.2f CPU-seconds a second; a bare timer of the callers' process was late by %s%s", l.Seconds, l.Server, l.Callers, l.Late, busy)
}

// verdict is why the run proves nothing, if it does not: too few events happened, or the computer was so busy that they tell of it and
// not of parley. A goal that is missed is no failure of the bench.
func (r wireReport) verdict() error {
	if len(r.Local) > 0 {
		return r.verdictLocal()
	}
	var errs []error
	few := func(row string, s share) {
		if s.N == 0 || s.of() < 0.8 {
			errs = append(errs, fmt.Errorf("%w: %s: %d of %d", ErrNotMeasured, row, s.K, s.N))
		}
	}
	if o := r.Overhead; o != nil {
		few("overhead", shareOf(o.Beyond.N, o.Asked))
	}
	if i := r.Interruption; i != nil {
		few("interruption", i.Happened)
	}
	for _, f := range r.False {
		few(f.Row, f.Happened)
	}
	for _, h := range r.Heard {
		few("heard text, "+h.Voice, h.Happened)
		if h.Paused > h.Happened.N/4 {
			errs = append(errs, fmt.Errorf("%w: heard text, %s: %d answers paused before they were cut", ErrNotMeasured, h.Voice, h.Paused))
		}
	}
	for _, l := range r.Load {
		if l.busy() {
			errs = append(errs, fmt.Errorf("%w: %s: the computer was busy, a bare timer was late by %.0f ms (p99)", ErrNotMeasured, l.Row, l.Late.P99))
		}
	}
	return errors.Join(errs...)
}
