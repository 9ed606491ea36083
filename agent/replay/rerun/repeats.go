package rerun

import (
	"errors"
	"fmt"
	"time"

	"parley/agent/replay"
	"parley/media/record"
)

// repeats is I8: the inputs of the log give its events again, and those of the record do, as the record has them.
func repeats(r Result) []Violation {
	if d := replay.Again(r.Profile, r.Events).Difference; d != nil {
		return []Violation{differs(d, "the log's inputs do not give this event (%s) again")}
	}
	if r.Bundle == "" {
		return nil
	}
	d, err := exact(r.Bundle)
	switch {
	case err != nil:
		return []Violation{{"I8", 0, 0, fmt.Sprintf("the record cannot be run again: %v", err)}}
	case d != nil:
		return []Violation{differs(d, "the record's inputs do not give the recorded event (%s) again")}
	}
	return nil
}

// differs tells of the event that is not as it was, or that was not.
func differs(d *replay.Difference, text string) Violation {
	e := d.Was
	if e == nil {
		e = d.Is
	}
	return Violation{"I8", d.At, e.Seq, fmt.Sprintf(text, e.Kind)}
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
