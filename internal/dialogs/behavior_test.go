package dialogs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/agent"
	"parley/agent/replay/rerun"
	"parley/agent/turn"
)

// shortcomings are the dialogs in which the agent does not do what people want, and what it does. A new one is a step back;
// one that is gone leaves the list.
var shortcomings = map[string]string{}

// TestBehavior compares what the agent does with what people want of it.
func TestBehavior(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	good := 0
	for _, h := range recorded(t) {
		bad := h.Differences(Happened(h.got.Events))
		why, known := shortcomings[h.Name]
		switch {
		case len(bad) == 0 && known:
			t.Errorf("%s: the agent does it right now: take it from the list of shortcomings", h.Name)
		case len(bad) > 0 && known:
			t.Logf("%s, a known shortcoming: %s", h.Name, why)
		case len(bad) > 0:
			t.Errorf("%s\n%s\n%s", h.Name, strings.Join(bad, "\n"), decisions(h.got.Events))
		default:
			good++
		}
	}
	t.Logf("%d dialogs as people want them, %d known shortcomings", good, len(shortcomings))
}

// decisions is a log for people.
func decisions(events []agent.Event) string {
	var b strings.Builder
	for _, e := range events {
		if e.Kind != agent.Step {
			continue
		}
		switch k := e.Step.In.Kind; {
		case len(e.Step.Out) > 0, k == turn.Partial, k == turn.Final, k == turn.Finished, k == turn.Began, k == turn.Ended:
			fmt.Fprintf(&b, "\t%9v %s %q %.2f → %v\n", e.At.Round(time.Millisecond), k, e.Step.In.Text, e.Step.In.P, e.Step.Out)
		}
	}
	return b.String()
}

// TestPlaces tells how far the agent's lines were from where the composer took them to be.
func TestPlaces(t *testing.T) {
	if testing.Short() {
		t.Skip("needs fetched models")
	}
	const most = 400 * time.Millisecond
	var worst time.Duration
	n := 0
	for _, h := range recorded(t) {
		for _, u := range h.Heard {
			if u.Into < 0 {
				continue
			}
			off, ok := offset(h.got.Events, u)
			if !ok {
				t.Errorf("%s: no line of the agent began before %q", h.Name, u.Text)
				continue
			}
			n++
			worst = max(worst, (off - u.Into).Abs())
			if (off - u.Into).Abs() > most {
				t.Errorf("%s: %q lies %v into the agent's line, not %v", h.Name, u.Text, off, u.Into)
			}
		}
	}
	t.Logf("%d sounds placed into the agent's lines, at most %v off", n, worst.Round(time.Millisecond))
	if n < 20 {
		t.Errorf("%d are placed so", n)
	}
}

// offset is how long after the begin of the agent's line u begins.
func offset(events []agent.Event, u Utterance) (off time.Duration, ok bool) {
	for _, e := range events {
		if e.Kind == agent.Step && e.Step.In.Kind == turn.Began && e.At <= u.Start+Lead+400*time.Millisecond {
			off, ok = u.Start+Lead-e.At, true
		}
	}
	return off, ok
}

// TestRecords: every record is whole, and no rule of a conversation is broken.
func TestRecords(t *testing.T) {
	for _, h := range recorded(t) {
		if h.got.Bundle == "" || h.got.Record == nil || len(h.got.Record.Problems) > 0 {
			t.Errorf("%s: bundle %q, report %+v", h.Name, h.got.Bundle, h.got.Record)
		}
		for _, v := range rerun.Check(h.got) {
			t.Errorf("%s: %v", h.Name, v)
		}
	}
}

// TestAgain: held a second time, a conversation decides the same at the same moments.
func TestAgain(t *testing.T) {
	for i, h := range recorded(t) {
		if i%8 != 0 {
			continue
		}
		s := h.stage
		s.Dir = ""
		if was, is := decisions(h.got.Events), decisions(hold(t, s).Events); was != is {
			t.Errorf("%s: first\n%s\nthen\n%s", h.Name, was, is)
		}
	}
}
