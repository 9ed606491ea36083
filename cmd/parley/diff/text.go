package diff

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/agent"
	"parley/agent/replay"
	"parley/cmd/parley/rec"
	"parley/media/record"
)

// The columns: a mark, one conversation, the other; 100 in all.
const (
	column = 47
	before = 2 // turns that are shown before the first difference
)

// write writes a comparison for people: the first difference first, with what was before it, then all turns side by side.
func write(w *bufio.Writer, c *replay.Comparison, notes []string) {
	t := table{w}
	t.row("", title("A", c.A), title("B", c.B))
	for _, n := range notes {
		t.wide("not read: " + n)
	}
	t.holes("A", c.A)
	t.holes("B", c.B)
	t.blank()
	t.verdict(c)
	t.blank()
	t.row("", "A "+c.A.ID, "B "+c.B.ID)
	for i := range c.Pairs {
		t.blank()
		t.pair(c, i)
	}
	t.blank()
	t.row(mark(c, -1, "end"), "ended: "+c.A.Ended, "ended: "+c.B.Ended)
	t.sums(c)
	t.health(c)
}

func title(name string, s replay.Side) string {
	build := s.Build.Version
	if len(s.Build.Revision) >= 12 {
		build = s.Build.Revision[:12]
	}
	if s.Build.Modified {
		build += " modified"
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s, %s, %s, %s", name, s.ID, s.Start.Local().Format(time.DateTime), rec.Clock(s.Length), build))
}

// table writes rows of two columns.
type table struct{ w *bufio.Writer }

func (t table) blank() { fmt.Fprintln(t.w) }

// row writes a cell each, in as many lines as the longer one needs.
func (t table) row(mark, a, b string) {
	x, y := rec.Wrap(a, column), rec.Wrap(b, column)
	for i := range max(len(x), len(y)) {
		var left, right string
		if i < len(x) {
			left = x[i]
		}
		if i < len(y) {
			right = y[i]
		}
		pad := strings.Repeat(" ", column-utf8.RuneCountInString(left))
		fmt.Fprintln(t.w, strings.TrimRight(fmt.Sprintf("%-2s%s%s  %s", mark, left, pad, right), " "))
		mark = ""
	}
}

// wide writes a line over both columns.
func (t table) wide(s string) {
	for _, line := range rec.Wrap(s, 2*column+2) {
		fmt.Fprintf(t.w, "  %s\n", line)
	}
}

func (t table) holes(name string, s replay.Side) {
	for _, h := range s.Holes {
		t.wide(fmt.Sprintf("%s: the log from %s to %s is not kept: %s", name, rec.Clock(h.From), rec.Clock(h.To), h.Why))
	}
}

// verdict tells the first difference.
func (t table) verdict(c *replay.Comparison) {
	if c.Equal() {
		t.wide("equal within the policy")
		return
	}
	first := c.Divergences[0]
	where := "the whole"
	if first.Pair >= 0 {
		where = number(c.Pairs[first.Pair])
	}
	why := first.What
	if first.Why != "" {
		why += ", " + first.Why
	}
	if first.Torn {
		why += " (perhaps only because a log is not whole)"
	}
	t.wide(fmt.Sprintf("%s; the first, in %s: %s", count(len(c.Divergences), "difference"), where, why))
	t.row("!", or(first.A, "—"), or(first.B, "—"))
	if first.Pair < 1 {
		return
	}
	t.wide("before it:")
	for i := max(0, first.Pair-before); i < first.Pair; i++ {
		t.pair(c, i)
	}
	t.wide("What comes after a difference may come of it.")
}

func number(p replay.Pair) string {
	switch {
	case p.B == nil:
		return fmt.Sprintf("turn %d of A", p.A.N)
	case p.A == nil:
		return fmt.Sprintf("turn %d of B", p.B.N)
	case p.A.N != p.B.N:
		return fmt.Sprintf("turn %d of A, %d of B", p.A.N, p.B.N)
	}
	return fmt.Sprintf("turn %d", p.A.N)
}

// mark is that of a row that differs.
func mark(c *replay.Comparison, pair int, what ...string) string {
	if slices.ContainsFunc(c.Divergences, func(d replay.Divergence) bool { return d.Pair == pair && slices.Contains(what, d.What) }) {
		return "!"
	}
	return ""
}

// pair writes a turn, side by side.
func (t table) pair(c *replay.Comparison, i int) {
	p := c.Pairs[i]
	t.row(mark(c, i, "turn"), head(p.A), head(p.B))
	rows := []struct {
		what []string
		text func(*replay.Turn) string
	}{
		{[]string{"words"}, user},
		{[]string{"answer", "interruption"}, answer},
		{[]string{"latency"}, latency},
		{[]string{"hold"}, holds},
		{[]string{"trouble"}, troubles},
	}
	for _, r := range rows {
		a, b := cell(p.A, r.text), cell(p.B, r.text)
		if a != "" || b != "" {
			t.row(mark(c, i, r.what...), a, b)
		}
	}
	if m := mark(c, i, "latency"); m != "" {
		t.wide("B's is later by " + stages(*p.Later))
	}
}

func cell(t *replay.Turn, text func(*replay.Turn) string) string {
	if t == nil {
		return ""
	}
	return text(t)
}

func head(t *replay.Turn) string {
	switch {
	case t == nil:
		return "(no such turn)"
	case t.N == 0:
		return "before the first turn"
	}
	return fmt.Sprintf("#%d at %s, %s", t.N, rec.Clock(t.Committed), t.Reason)
}

func user(t *replay.Turn) string {
	if t.User == "" {
		return ""
	}
	return "caller: " + t.User
}

func answer(t *replay.Turn) string {
	s := t.Answer
	text := or(s.Generated, or(s.Sent, s.Heard))
	switch {
	case text == "":
		return ""
	case s.Interrupted:
		return fmt.Sprintf("agent: %s — interrupted, heard: %q", text, s.Heard)
	}
	return "agent: " + text
}

func latency(t *replay.Turn) string {
	if t.Latency == nil {
		return ""
	}
	return "answered after " + stages(*t.Latency)
}

// stages are an answer's moments, the last one first.
func stages(l agent.Latency) string {
	ms := time.Duration.Milliseconds
	return fmt.Sprintf("%d ms (commit %d, text %d, token %d, phrase %d, audio %d)", ms(l.Sent), ms(l.Commit), ms(l.Text), ms(l.Token), ms(l.Phrase), ms(l.Audio))
}

func holds(t *replay.Turn) string {
	var all []string
	for _, h := range t.Holds {
		all = append(all, fmt.Sprintf("%s at %s for %d ms: %s, %s", h.Why, rec.Clock(h.From), (h.To-h.From).Milliseconds(), or(h.Outcome, "no outcome"), or(h.Because, "it ended")))
	}
	return strings.Join(all, "; ")
}

func troubles(t *replay.Turn) string {
	var all []string
	for _, w := range t.Troubles {
		all = append(all, fmt.Sprintf("trouble, %s: %s", w.Code, w.Text))
	}
	return strings.Join(all, "; ")
}

// sums writes what the turns come to.
func (t table) sums(c *replay.Comparison) {
	var a, b []time.Duration
	errs, words := 0, 0
	for _, p := range c.Pairs {
		if p.A != nil && p.A.Latency != nil {
			a = append(a, p.A.Latency.Sent)
		}
		if p.B != nil && p.B.Latency != nil {
			b = append(b, p.B.Latency.Sent)
		}
		if p.A != nil && p.B != nil {
			errs += p.Errs
			words += len(strings.Fields(p.A.User))
		}
	}
	t.row("", median(a), median(b))
	t.wide(fmt.Sprintf("caller's words: %d of %d differ", errs, words))
}

func median(all []time.Duration) string {
	if len(all) == 0 {
		return "no answer was timed"
	}
	slices.Sort(all)
	return fmt.Sprintf("answers: %d timed, median after %d ms", len(all), all[len(all)/2].Milliseconds())
}

// health writes of what the sound is made.
func (t table) health(c *replay.Comparison) {
	if c.A.Health == nil || c.B.Health == nil {
		t.wide("sound: not in both")
		return
	}
	m := mark(c, -1, "health")
	t.row(m, "caller: "+shares(c.A.Health.Up), "caller: "+shares(c.B.Health.Up))
	t.row(m, "agent: "+shares(c.A.Health.Down), "agent: "+shares(c.B.Health.Down))
}

func shares(c record.Classes) string {
	var all []string
	for i, d := range c {
		if d > 0 {
			all = append(all, fmt.Sprintf("%.1f %% %v", 100*d.Seconds()/c.Sum().Seconds(), record.Class(i)))
		}
	}
	return or(strings.Join(all, ", "), "nothing")
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
