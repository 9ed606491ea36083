package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"parley/agent"
	"parley/agent/archive"
	"parley/agent/replay"
	"parley/agent/turn"
	"parley/media/record"
)

// call answers with a conversation.
func (c *Console) call(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	b, err := c.opt.Archive.Open(id)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	defer b.Close()
	v, err := c.opt.Read(b)
	if v == nil && b.Schema == 0 { // not even what it is can be read
		c.refuse(w, r, err)
		return
	}
	e := archive.Entry{ID: id, Start: b.Start, State: b.State(), Codec: string(b.Codec)}
	f := fact{}
	if err != nil {
		f.wrong = err.Error()
	}
	if v == nil {
		v = &replay.Conversation{Manifest: b.Manifest, Length: b.Duration()}
	}
	e.Length = v.Length
	f.Facts, _ = sum(v)
	answer := Call{Recording: line(e, f, true), Path: c.path(id), Build: build(b.Build), Config: indented(b.Config), Ended: v.Ended}
	answer.Turns = list(v.Turns, aTurn)
	answer.Holes = list(v.Holes, func(h replay.Hole) Hole {
		return Hole{From: seconds(h.From), To: seconds(h.To), Why: h.Why, Lost: h.Lost}
	})
	answer.Decisions = decisions(v.Events)
	reply(w, http.StatusOK, answer)
}

// path is the folder of a recording as a shell takes it.
func (c *Console) path(id string) string {
	folder, err := record.Folder(id)
	if err != nil {
		return ""
	}
	path := filepath.Join(c.opt.Archive.Dir, folder)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}

func build(b record.Build) string {
	s := strings.TrimSpace(b.Version + " " + b.Revision)
	if b.Modified {
		s += " modified"
	}
	return s
}

// indented is JSON to be read.
func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// list is f of each; never null.
func list[A, B any](all []A, f func(A) B) []B {
	out := make([]B, 0, len(all))
	for _, a := range all {
		out = append(out, f(a))
	}
	return out
}

func span(s replay.Span) Span { return Span{From: seconds(s.From), To: seconds(s.To)} }

func word(w replay.Word) Word {
	return Word{Text: w.Text, From: seconds(w.From), To: seconds(w.To), Guessed: w.Guessed}
}

func hold(h replay.Hold) Hold {
	return Hold{From: seconds(h.From), To: seconds(h.To), Why: h.Why, Outcome: h.Outcome, Because: h.Because}
}

func trouble(t replay.Trouble) Trouble {
	return Trouble{At: seconds(t.At), Code: t.Code, Text: t.Text}
}

func aTurn(t replay.Turn) Turn {
	a := Turn{
		N: t.N, User: t.User, Committed: seconds(t.Committed), Reason: t.Reason, Spoken: span(t.Spoken),
		Answer: Answer{Generated: t.Answer.Generated, Heard: t.Answer.Heard, Interrupted: t.Answer.Interrupted},
		Voice:  list(t.Voice, span), Asides: list(t.Asides, span), UserWords: list(t.UserWords, word), Words: list(t.Words, word),
		Holds: list(t.Holds, hold), Troubles: list(t.Troubles, trouble),
	}
	if l := t.Latency; l != nil {
		a.Timed = true
		a.Latency = Latency{
			Commit: seconds(l.Commit), Text: seconds(l.Text), Token: seconds(l.Token),
			Phrase: seconds(l.Phrase), Audio: seconds(l.Audio), Sent: seconds(l.Sent),
		}
	}
	return a
}

// decisions are those of a log, each with the input that made it.
func decisions(log []agent.Event) []Decision {
	all := []Decision{}
	for _, e := range log {
		if e.Step == nil {
			continue
		}
		for _, d := range e.Step.Out {
			all = append(all, Decision{
				Seq: e.Seq, At: seconds(e.Step.Now), Turn: d.Turn, Kind: string(d.Kind), Text: d.Text, Back: seconds(d.Back), Reason: d.Reason,
				Input: input(e.Step.In),
			})
		}
	}
	return all
}

func input(in turn.Input) Input {
	return Input{
		Kind: string(in.Kind), From: seconds(in.Start), To: seconds(in.At), Voice: float64(in.Voice), P: float64(in.P), Text: in.Text, On: in.On,
	}
}

// verdict tells what came of running a conversation again.
func verdict(r replay.Report, err error, took time.Duration) Verdict {
	v := Verdict{Events: r.Events, Took: took.Seconds(), Faster: r.Length.Seconds() / max(took.Seconds(), 1e-6)}
	switch {
	case err != nil:
		v.Text = err.Error()
		return v
	case r.Difference != nil:
		v.Text = difference(*r.Difference)
	case r.Stopped != nil:
		v.Text = fmt.Sprintf("The log has a hole from %.1f s to %.1f s (%s): what follows was not run.", r.Stopped.From.Seconds(), r.Stopped.To.Seconds(), r.Stopped.Why)
	}
	v.Ran, v.Equal = true, r.Difference == nil
	return v
}

// difference is the first difference and what led to it, a line each.
func difference(d replay.Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "at   %v\nwas  %s\nis   %s\n", d.At, event(d.Was), event(d.Is))
	for _, e := range d.Causes {
		fmt.Fprintf(&b, "from %v #%d %s\n", e.At, e.Seq, event(&e))
	}
	return strings.TrimSpace(b.String())
}

func event(e *agent.Event) string {
	if e == nil {
		return "nothing"
	}
	text, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
