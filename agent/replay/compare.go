package replay

import (
	"fmt"
	"time"

	"parley/agent"
	"parley/media/record"
)

// Policy says what counts as equal. The zero value lets nothing differ but the time of an answer, which may be sooner.
type Policy struct {
	WER       float64       `json:"wer"`       // share of the caller's words of a turn that may differ
	Slower    time.Duration `json:"slower"`    // so much later an answer may sound,
	SlowerBy  float64       `json:"slowerBy"`  // or by this share, whichever is more
	Shift     time.Duration `json:"shift"`     // so much sooner or later in its answer a hold may be
	Answers   Grade         `json:"answers"`   // answers that are alike at least so much are equal; empty: Identical
	Concealed float64       `json:"concealed"` // percent of a direction's sound that may be concealed more
}

// Grade says how alike two answers are.
type Grade string

// The grades, from the best.
const (
	Identical  Grade = "exact"      // letter by letter
	Equivalent Grade = "equivalent" // in their words; case and marks do not count. Of two that were interrupted the shorter counts
	Paraphrase Grade = "paraphrase" // half of their words or more are the same ones
	Different  Grade = "different"
)

var ranks = map[Grade]int{"": 0, Identical: 0, Equivalent: 1, Paraphrase: 2, Different: 3}

// Comparison is two conversations side by side.
type Comparison struct {
	Policy      Policy       `json:"policy"`
	A           Side         `json:"a"`
	B           Side         `json:"b"`
	Pairs       []Pair       `json:"pairs"`
	Divergences []Divergence `json:"divergences"` // beyond the policy, the first in the conversation first. After it all is opinion

	told bool // one of them has no log of decisions
}

// Side is what of one conversation is no turn's.
type Side struct {
	ID     string        `json:"id"`
	Start  time.Time     `json:"start"`
	Build  record.Build  `json:"build"`
	Length time.Duration `json:"length"`
	Ended  string        `json:"ended,omitempty"`
	Holes  []Hole        `json:"holes,omitempty"`
	Health *Health       `json:"health,omitempty"`
}

// Pair is a turn of one and what it is in the other. One of both may be missing.
type Pair struct {
	A     *Turn          `json:"a,omitempty"`
	B     *Turn          `json:"b,omitempty"`
	Errs  int            `json:"errs"`            // words of the caller that differ
	WER   float64        `json:"wer"`             // as a share of A's
	Grade Grade          `json:"grade,omitempty"` // of the answers
	Later *agent.Latency `json:"later,omitempty"` // by how much B's answer was later, in each of its stages; nil: one was not timed
}

// Divergence is one thing that differs beyond the policy.
type Divergence struct {
	Pair int    `json:"pair"` // its index; −1: of the whole
	What string `json:"what"` // "turn", "words", "answer", "interruption", "hold", "latency", "trouble", "end" or "health"
	A    string `json:"a"`    // in one
	B    string `json:"b"`    // in the other
	Why  string `json:"why,omitempty"`
	Torn bool   `json:"torn,omitempty"` // a log is not whole there: perhaps it is equal
}

// Compare sets two conversations side by side: what the caller said and the agent answered, how fast, how it was interrupted, what went
// wrong, how it ended and, if both have it, the health of their sound. It changes neither.
func Compare(a, b *Conversation, p Policy) Comparison {
	c := Comparison{Policy: p, A: side(a), B: side(b), Pairs: match(a.Turns, b.Turns), Divergences: []Divergence{}}
	c.told = len(a.Events) > 0 && stepless(a.Events) || len(b.Events) > 0 && stepless(b.Events)
	for i := range c.Pairs {
		c.pair(i)
	}
	if a.Ended != b.Ended {
		c.diverge(-1, "end", a.Ended, b.Ended, "")
	}
	if a.Health != nil && b.Health != nil {
		c.health("caller", a.Health.Up, b.Health.Up)
		c.health("agent", a.Health.Down, b.Health.Down)
	}
	return c
}

func side(c *Conversation) Side {
	return Side{c.ID, c.Start, c.Build, c.Length, c.Ended, c.Holes, c.Health}
}

// Equal reports that nothing differs beyond the policy.
func (c *Comparison) Equal() bool { return len(c.Divergences) == 0 }

// Whole reports that all of both conversations could be compared but what was paused on purpose.
func (c *Comparison) Whole() bool {
	_, a := c.A.lost()
	_, b := c.B.lost()
	return !a && !b
}

// lost is from when on a log cannot be trusted to be whole.
func (s Side) lost() (from time.Duration, ok bool) {
	for _, h := range s.Holes {
		if h.Lost && (!ok || h.From < from) {
			from, ok = h.From, true
		}
	}
	return from, ok
}

func (c *Comparison) diverge(pair int, what, a, b, why string) {
	torn := !c.Whole()
	if pair >= 0 {
		torn = c.torn(pair, c.A, func(p Pair) *Turn { return p.A }) || c.torn(pair, c.B, func(p Pair) *Turn { return p.B })
	}
	c.Divergences = append(c.Divergences, Divergence{pair, what, a, b, why, torn})
}

// torn reports that a turn of one side, or that there is none, may come of what is lost of its log.
func (c *Comparison) torn(pair int, s Side, of func(Pair) *Turn) bool {
	from, ok := s.lost()
	if !ok {
		return false
	}
	if t := of(c.Pairs[pair]); t != nil {
		return max(t.Committed, t.Spoken.To) >= from
	}
	for _, p := range c.Pairs[pair:] {
		if t := of(p); t != nil { // the next one: it was reached
			return t.Committed >= from
		}
	}
	return true
}

// pair compares the turns of a pair, in the order in which things happen in one.
func (c *Comparison) pair(i int) {
	p := &c.Pairs[i]
	if p.A == nil || p.B == nil {
		c.diverge(i, "turn", sketch(p.A), sketch(p.B), "")
		return
	}
	a, b := plain(p.A.User), plain(p.B.User)
	if _, p.Errs = alignWords(a, b); p.Errs > 0 {
		p.WER = float64(p.Errs) / float64(max(1, len(a)))
	}
	if p.WER > c.Policy.WER {
		c.diverge(i, "words", p.A.User, p.B.User, fmt.Sprintf("%d of %d words differ", p.Errs, max(1, len(a))))
	}
	if p.Grade = grade(p.A.Answer, p.B.Answer); ranks[p.Grade] > ranks[c.Policy.Answers] {
		c.diverge(i, "answer", words(p.A.Answer), words(p.B.Answer), string(p.Grade))
	}
	c.latency(i, p)
	c.holds(i, p)
	if x, y := codes(p.A.Troubles), codes(p.B.Troubles); x != y {
		c.diverge(i, "trouble", troubles(p.A.Troubles), troubles(p.B.Troubles), "")
	}
}

// sketch is a turn in a line.
func sketch(t *Turn) string {
	switch {
	case t == nil:
		return ""
	case t.User != "":
		return t.User
	}
	return words(t.Answer)
}

// latency compares when the answers sounded. Their stages say where time was lost.
func (c *Comparison) latency(i int, p *Pair) {
	a, b := p.A.Latency, p.B.Latency
	if a == nil || b == nil {
		return
	}
	p.Later = &agent.Latency{Commit: b.Commit - a.Commit, Text: b.Text - a.Text, Token: b.Token - a.Token,
		Phrase: b.Phrase - a.Phrase, Audio: b.Audio - a.Audio, Sent: b.Sent - a.Sent}
	if p.Later.Sent <= max(c.Policy.Slower, time.Duration(c.Policy.SlowerBy*float64(a.Sent))) {
		return
	}
	c.diverge(i, "latency", millis(a.Sent), millis(b.Sent), fmt.Sprintf("%s later; mostly %s", millis(p.Later.Sent), slowest(*p.Later)))
}

// slowest is the stage in which most time was lost. Stages are moments; what one took is told by the one before.
func slowest(l agent.Latency) string {
	stages := []struct {
		name string
		at   time.Duration
	}{{"commit", l.Commit}, {"token", max(l.Commit, l.Token)}, {"phrase", max(l.Commit, l.Phrase)}, {"audio", max(l.Commit, l.Audio)}, {"sent", l.Sent}}
	name, most, before := "", time.Duration(-1), time.Duration(0)
	for _, s := range stages {
		if took := s.at - before; took > most {
			name, most = s.name, took
		}
		before = s.at
	}
	return name
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// holds compares the agent's pauses and whether it was interrupted.
func (c *Comparison) holds(i int, p *Pair) {
	if p.A.Answer.Interrupted != p.B.Answer.Interrupted {
		c.diverge(i, "interruption", interrupted(p.A), interrupted(p.B), "")
	}
	as, bs := c.known(p.A.Holds), c.known(p.B.Holds)
	for n := range max(len(as), len(bs)) {
		a, x := held(p.A, as, n)
		b, y := held(p.B, bs, n)
		switch off := (y - x).Abs(); {
		case n >= len(as) || n >= len(bs):
			c.diverge(i, "hold", a, b, "one more pause")
		case as[n].Outcome != bs[n].Outcome:
			c.diverge(i, "hold", a, b, "another outcome")
		case off > c.Policy.Shift:
			c.diverge(i, "hold", a, b, millis(off)+" apart")
		}
	}
}

// known are the holds that both logs would tell of: one that was made of what a server told its caller has those only at whose end
// the agent gave way.
func (c *Comparison) known(all []Hold) []Hold {
	if !c.told {
		return all
	}
	var some []Hold
	for _, h := range all {
		if h.Outcome == "interrupt" {
			some = append(some, h)
		}
	}
	return some
}

// held is one of a turn's holds in words, and when it was, counted from the answer's first sound.
func held(t *Turn, all []Hold, n int) (string, time.Duration) {
	if n >= len(all) {
		return "", 0
	}
	h := all[n]
	after := h.From - t.Spoken.From
	if t.Spoken == (Span{}) {
		after = h.From - t.Committed
	}
	outcome := h.Outcome
	if outcome == "" {
		outcome = "no outcome"
	}
	return fmt.Sprintf("%s after %s: %s, %s", h.Why, millis(after), outcome, h.Because), after
}

func interrupted(t *Turn) string {
	if !t.Answer.Interrupted {
		return "not interrupted"
	}
	return fmt.Sprintf("interrupted after %s of sound", millis(t.Sent))
}

// health compares how much of a direction's sound was concealed.
func (c *Comparison) health(who string, a, b record.Classes) {
	x, y := concealed(a), concealed(b)
	if y > x+c.Policy.Concealed {
		c.diverge(-1, "health", fmt.Sprintf("%s: %.2f %% concealed", who, x), fmt.Sprintf("%s: %.2f %% concealed", who, y), "")
	}
}

// concealed is the percentage of what was captured.
func concealed(c record.Classes) float64 {
	captured := c.Sum() - c[record.NotCaptured]
	if captured <= 0 {
		return 0
	}
	return 100 * float64(c[record.Concealed]) / float64(captured)
}
