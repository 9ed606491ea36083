package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/agent/replay/rerun"
	"parley/cmd/parley/rec"
	"parley/cmd/parley/serve"
	"parley/internal/netsim"
	"parley/media/record"
	"parley/tts/tone"
)

// held is a conversation that was held again, as it is printed.
type held struct {
	trial
	ID         string            `json:"id"`
	Bundle     string            `json:"bundle,omitempty"` // empty: it was not asked for
	Length     time.Duration     `json:"length"`
	Took       time.Duration     `json:"took"` // of real time
	End        string            `json:"end"`
	Turns      []replay.Turn     `json:"turns"`
	Recoveries []rerun.Recovery  `json:"recoveries"`
	Heard      rerun.Reception   `json:"heard"`
	Counts     rerun.Counts      `json:"counts"`
	Engines    rerun.Meters      `json:"engines"`
	Violations []rerun.Violation `json:"violations"`
	Unchecked  []string          `json:"unchecked"`
	Misses     []cassette.Miss   `json:"misses,omitempty"` // what the recorded engines were asked beyond the recording
	Notes      []string          `json:"notes,omitempty"`
}

// hold holds the conversations one after the other and tells of each. Bad: an invariant does not hold somewhere.
func (c *FaultCmd) hold(out io.Writer, bubble func(func()), beat func()) (bad bool, err error) {
	all, err := c.trials()
	if err != nil {
		return false, err
	}
	b, err := rec.Open(c.Dir, c.Bundle)
	if err != nil {
		return false, err
	}
	defer b.Close()
	dir := c.Out
	if dir == "" {
		if dir, err = os.MkdirTemp("", "parley-fault-"); err != nil {
			return false, fmt.Errorf("make a folder for the records: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	for _, t := range all {
		var h held
		began := time.Now()
		bubble(func() { h, err = c.one(b, t, dir, beat) })
		h.Took = time.Since(began)
		if err == nil {
			err = c.print(out, h)
		}
		if err != nil {
			return bad, fmt.Errorf("%v: %w", t, err)
		}
		bad = bad || len(h.Violations) > 0
	}
	return bad, nil
}

// one holds a conversation. It runs in a bubble.
func (c *FaultCmd) one(b *record.Bundle, t trial, dir string, beat func()) (h held, err error) {
	s, trouble, err := rerun.Recorded(b, tone.Voice{})
	if err != nil {
		return h, err
	}
	s.ID, s.Dir, s.Beat, s.Mute = t.id(b.ID), dir, beat, true
	h = held{trial: t, ID: s.ID}
	if trouble != nil {
		h.Notes = append(h.Notes, "the recording is not whole: "+trouble.Error())
	}
	closeAll, err := c.spoil(&s, t, &h)
	if err != nil {
		return h, err
	}
	defer closeAll()
	r, err := s.Run(context.Background()) // the process ends with that of who called it
	if err != nil {
		return h, err
	}
	h.Length, h.End, h.Heard, h.Counts, h.Engines = r.Length, r.End.Error(), r.Heard, r.Counts, r.Engines
	h.Violations, h.Recoveries = rerun.Check(r), rerun.Recoveries(r)
	h.Unchecked, h.Misses = rerun.Unchecked(r), r.Misses
	if c.Out != "" {
		h.Bundle = r.Bundle
	}
	h.Turns, err = turns(r.Bundle)
	return h, err
}

// spoil makes things go wrong.
func (c *FaultCmd) spoil(s *rerun.Stage, t trial, h *held) (closeAll func(), err error) {
	closeAll = func() {}
	if t.Fault != "" {
		if s.Engines, err = failing(s.Engines, t, c.Engine); err != nil {
			return closeAll, err
		}
	}
	if t.Net == "" && s.Engines.Detector != nil {
		return closeAll, nil
	}
	if t.Net == "" {
		h.Notes = append(h.Notes, "no scores of the voice detector are logged: "+c.VAD+" hears the caller")
	}
	parts, closeAll, err := serve.Engines{STT: []string{"script"}, LLM: []string{"echo"}, TTS: []string{"tone"}, VAD: c.VAD}.Open(context.Background(), slog.New(slog.DiscardHandler))
	if err != nil {
		return func() {}, err
	}
	s.Engines.Detector = parts.Detector
	if t.Net == "" {
		return closeAll, nil
	}
	p, err := netsim.Named(t.Net)
	*s = s.Through(rerun.Network{Profile: p, Seed: t.Seed}, parts.Detector)
	return closeAll, err
}

// turns are those of the new conversation.
func turns(path string) ([]replay.Turn, error) {
	b, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	conv, err := replay.Read(b)
	if err != nil {
		return nil, err
	}
	return conv.Turns, nil
}

// print tells of a conversation.
func (c *FaultCmd) print(out io.Writer, h held) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(h)
	}
	w := &lines{out: out}
	w.say("%v: %v in %v, ended: %s", h.trial, round(h.Length), h.Took.Round(time.Millisecond), h.End)
	for _, n := range h.Notes {
		w.say("  note: %s", n)
	}
	for _, t := range h.Turns {
		w.turn(t)
	}
	for _, v := range h.Recoveries {
		w.recovery(v)
	}
	if h.Net != "" {
		w.say("  network: %d of %d packets of the caller lost; the caller received %d of %d packets with speech, at most %v of it missing in a row",
			h.Counts.Lost, h.Counts.Packets, h.Heard.Voiced-h.Heard.Missed, h.Heard.Voiced, h.Heard.Longest)
	}
	w.say("  work: the recognizer was up to %v behind, the model wrote up to %d answers at a time, canceled work took up to %v to end",
		round(h.Engines.Behind), h.Engines.Live, round(h.Engines.Slowest().Took))
	if n := len(h.Misses); n > 0 {
		m := h.Misses[0]
		w.say("  the recording does not tell all that was asked: %d times the nearest was taken; first %s, asked %q, given %q: %s", n, m.Engine, m.Asked, m.Used, m.Why)
	}
	for _, v := range h.Violations {
		w.say("  VIOLATED %v", v)
	}
	if len(h.Violations) == 0 {
		w.say("  all invariants hold (not checked: %s)", strings.Join(h.Unchecked, "; "))
	}
	return w.err
}

// lines writes lines until one cannot be.
type lines struct {
	out io.Writer
	err error
}

func (w *lines) say(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

func (w *lines) turn(t replay.Turn) {
	answer := fmt.Sprintf("%q", t.Answer.Heard)
	switch {
	case t.Answer.Heard == "" && t.Answer.Interrupted:
		answer = "interrupted before it was heard"
	case t.Answer.Heard == "":
		answer = "nothing was heard"
	case t.Answer.Interrupted:
		answer += ", interrupted"
	}
	if t.Latency != nil {
		answer += fmt.Sprintf(", after %v", round(t.Latency.Sent))
	}
	if t.User == "" {
		w.say("  #%d agent: %s", t.N, answer)
		return
	}
	w.say("  #%d caller: %q at %v; agent: %s", t.N, t.User, round(t.Committed), answer)
}

func (w *lines) recovery(v rerun.Recovery) {
	after := fmt.Sprintf("the agent spoke again after %v", round(v.Took))
	switch {
	case !v.Spoke:
		after = fmt.Sprintf("the agent did not speak again in the %v that were left", round(v.Took))
	case !v.Silent && v.Took <= 2*time.Second/100:
		after = "the agent spoke on"
	}
	w.say("  trouble at %v: %s: %s; %s", round(v.At), v.Code, strings.ReplaceAll(v.Text, "\n", "; "), after)
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
