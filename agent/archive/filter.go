package archive

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"parley/media/record"
)

// Filter chooses recordings. The zero value lets all pass.
type Filter struct {
	Since, Until time.Time     // when it began: not before, and before; zero: whenever
	Min, Max     time.Duration // how long it lasted; zero: whatever
	State        record.State  // empty: any
	Text         string        // what was said, by either side, in small or capital letters; empty: anything
	Limit        int           // the newest so many; 0: all
}

// filtered is what of all, the newest first, passes.
func (a *Archive) filtered(all []Entry, f Filter) []Entry {
	text := fold(f.Text)
	passed := all[:0]
	for _, e := range all {
		if f.Limit > 0 && len(passed) == f.Limit {
			break
		}
		if f.passes(e) && (text == "" || a.says(e.ID, text)) {
			passed = append(passed, e)
		}
	}
	return passed
}

func (f Filter) passes(e Entry) bool {
	if e.Trouble != "" { // it tells nothing that could be asked for
		f.Limit = 0
		return f == Filter{}
	}
	return !e.Start.Before(f.Since) && (f.Until.IsZero() || e.Start.Before(f.Until)) &&
		e.Length >= f.Min && (f.Max <= 0 || e.Length <= f.Max) && (f.State == "" || e.State == f.State)
}

// fold makes texts alike that differ in letters' size and in spaces only.
func fold(s string) string { return strings.Join(strings.Fields(strings.ToLower(s)), " ") }

// said is what a line of the log tells of words. Another line may have none of it.
type said struct {
	Kind string
	Text string                 // of the caller
	Said struct{ Heard string } // of the agent
}

// A line of the log that has words says one of these of itself.
var speakers = [][]byte{[]byte(`"user"`), []byte(`"agent"`)}

// says reports whether a text, folded, was said in a recording. What cannot be read of it was not.
func (a *Archive) says(id, text string) bool {
	b, err := a.Open(id)
	if err != nil {
		return false
	}
	defer b.Close()
	for e, err := range b.Log() {
		if err == nil && e.Kind == record.Line && tells(e.Raw, text) {
			return true
		}
	}
	return false
}

func tells(line []byte, text string) bool {
	if !bytes.Contains(line, speakers[0]) && !bytes.Contains(line, speakers[1]) {
		return false
	}
	var s said
	if json.Unmarshal(line, &s) != nil {
		return false
	}
	switch s.Kind {
	case "user":
		return strings.Contains(fold(s.Text), text)
	case "agent":
		return strings.Contains(fold(s.Said.Heard), text)
	}
	return false
}
