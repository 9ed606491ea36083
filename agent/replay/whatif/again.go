package whatif

import (
	"slices"
	"time"

	"parley/agent/turn"
)

// Verdict is what would have become of a turn.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"    // taken as over at the same moment
	Earlier Verdict = "earlier" // before; the caller's voice did not go on within 1.5 s
	Later   Verdict = "later"
	CutOff  Verdict = "cut off" // taken as over though the caller's voice went on within 1.5 s in the same turn
	Joined  Verdict = "joined"  // not taken as over when it was: it would have gone on with what came after
)

// Turn is a turn of the caller, as it was and as it would have been.
type Turn struct {
	Number  int           `json:"turn"` // of the recorded turn
	Was     time.Duration `json:"was"`  // when it was taken as over, on the session clock
	Is      time.Duration `json:"is"`   // when it would have been; of Joined: 0
	By      time.Duration `json:"by"`   // Is − Was, where both are of the same silence
	Verdict Verdict       `json:"verdict"`
	Text    string        `json:"text"`    // what the caller said, as it was recorded
	Modeled bool          `json:"modeled"` // it lies after the first decision that is another one
}

// Report is a recorded conversation under another configuration.
type Report struct {
	Turns    []Turn        `json:"turns"`
	Diverged time.Duration `json:"diverged"` // when something else was decided for the first time; negative: never
}

// Again has another configuration decide about what was heard in a recorded conversation, whose log was made under was. Up to the first decision that
// is another one nothing is guessed: recorded inputs are taken at their recorded moments. From then on the caller does what it did; the
// recognizer's answer to a flush is the recorded result that covers it, after the recorded delay; how finished the turn sounds is
// what was logged nearest to it; an answer begins to sound after the recorded delay and lasts as long as it did.
func Again(was, is turn.Config, log []turn.Entry) Report {
	l := read(was, log)
	r := run{world: l.world(), m: turn.New(is), asked: -1}
	report := Report{Diverged: r.follow(log)}
	if report.Diverged >= 0 {
		r.goOn()
	}
	report.Turns = l.judge(r.steps, report.Diverged)
	return report
}

// follow takes a log's inputs as long as the same is decided, and says when that ended. Where both wait for the same moment, the recorded timer
// counts, which was a little late.
func (r *run) follow(log []turn.Entry) time.Duration {
	for i := 0; i < len(log); i++ {
		e := log[i]
		for at, wants := r.m.Wake(); wants && at < e.Now && (i == 0 || at != log[i-1].Wake); at, wants = r.m.Wake() {
			if out := r.step(Moment{at, turn.Input{Kind: turn.Tick}}); len(out) > 0 {
				r.part(log[i:], out)
				return r.now
			}
		}
		out := r.step(Moment{e.Now, e.In})
		if !same(out, e.Out) {
			r.part(log[i+1:], out)
			return r.now
		}
		for _, d := range out { // what comes of it is recorded
			r.trace(d)
		}
	}
	return -1
}

// trace notes a decision whose consequences are recorded.
func (r *run) trace(d turn.Decision) {
	due := r.due
	r.act(d)
	r.due = due[:len(due):len(due)]
}

// part leaves the record: rest is what is left of it, out what was decided instead.
func (r *run) part(rest []turn.Entry, out []turn.Decision) {
	for r.next < len(r.world.Comes) && (len(rest) == 0 || r.world.Comes[r.next].Now < rest[0].Now) {
		r.next++
	}
	r.due = nil
	if r.asked >= 0 {
		r.askText(r.asked)
	}
	if i := slices.IndexFunc(rest, func(e turn.Entry) bool { return e.In.Kind == turn.Finished }); r.finishing && i >= 0 {
		r.push(Moment{rest[i].Now, rest[i].In})
	}
	if f := &r.floor; f.turn > 0 && !f.held {
		if f.began {
			f.left -= r.now - f.since
			f.since = r.now
		}
		r.sound()
	}
	for _, d := range out {
		r.act(d)
	}
}

// same compares decisions, but not their reasons.
func same(a, b []turn.Decision) bool {
	return slices.EqualFunc(a, b, func(x, y turn.Decision) bool {
		return x.Kind == y.Kind && x.Turn == y.Turn && x.Text == y.Text && x.Back == y.Back
	})
}
