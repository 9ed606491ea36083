package rerun

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/media/record"
)

// repeats is I8: the inputs of the log give its events again, and those of the record do, as the record has them.
func repeats(r Result) []Violation {
	if v := again(r); v != nil {
		return []Violation{*v}
	}
	if r.Bundle == "" {
		return nil
	}
	d, err := exact(r.Bundle)
	switch {
	case err != nil:
		return []Violation{{"I8", 0, 0, fmt.Sprintf("the record cannot be run again: %v", err)}}
	case d != nil:
		return []Violation{{"I8", d.At, seq(d), "the record's inputs give another event than is recorded"}}
	}
	return nil
}

// again runs the events' inputs again.
func again(r Result) *Violation {
	next := 0
	for i, out := range agent.Repeat(r.Profile, r.Events) {
		if i != next {
			return differs(r.Events, next)
		}
		for k := range out {
			if i+k >= len(r.Events) || !same(out[k], r.Events[i+k]) {
				return differs(r.Events, min(i+k, len(r.Events)-1))
			}
		}
		next = i + len(out)
	}
	if next < len(r.Events) {
		return differs(r.Events, next)
	}
	return nil
}

func same(a, b agent.Event) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && a.Seq == b.Seq && a.At == b.At && bytes.Equal(x, y)
}

func differs(log []agent.Event, i int) *Violation {
	e := log[i]
	return &Violation{"I8", e.At, e.Seq, fmt.Sprintf("the log's inputs do not give this event (%s) again", e.Kind)}
}

func seq(d *replay.Difference) uint64 {
	for _, e := range []*agent.Event{d.Was, d.Is} {
		if e != nil {
			return e.Seq
		}
	}
	return 0
}

// exact runs a record again.
func exact(path string) (d *replay.Difference, err error) {
	b, err := record.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	report, err := replay.Exact(b)
	if err == nil && report.Stopped != nil {
		return nil, fmt.Errorf("its log has a hole from %v to %v: %s", report.Stopped.From.Round(time.Millisecond), report.Stopped.To.Round(time.Millisecond), report.Stopped.Why)
	}
	return report.Difference, err
}
