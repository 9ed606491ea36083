package replay

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"parley/agent"
	"parley/media/record"
)

// Why a log cannot be run.
var (
	errOld  = errors.New("the log does not begin with the conversation's beginning: it is damaged, or its build kept decisions only")
	errTold = errors.New("a caller's side recorded it, which does not know what the agent decided: only the server's own record can be run")
)

// Report is what came of running a log again.
type Report struct {
	Length     time.Duration `json:"length"` // of what was run
	Inputs     int           `json:"inputs"`
	Events     int           `json:"events"`     // inputs and what came of them
	Hash       string        `json:"hash"`       // SHA-256 of the events as they come now
	Difference *Difference   `json:"difference"` // the first; nil: every event is as it was
	Stopped    *Hole         `json:"stopped"`    // where the log is not whole: what follows cannot be run
}

// Difference is the first event that is not as it was.
type Difference struct {
	Was    *agent.Event  `json:"was"`    // nil: there was none
	Is     *agent.Event  `json:"is"`     // nil: there is none
	At     time.Duration `json:"at"`     // of the input that it comes from
	Causes []agent.Event `json:"causes"` // that input, what led to it, and so on back
}

// Exact feeds the inputs of a log to the code that decides in a conversation, with the moments and in the order of the log, and
// compares each event that comes of them with the recorded one, byte for byte of its JSON. Nothing is left out of the comparison: the
// log holds no times of our own processor. It ends at the first difference, and where the log has a hole. The error is
// that of a log that cannot be run.
func Exact(b *record.Bundle) (Report, error) {
	c, err := Read(b)
	if c == nil {
		return Report{}, fmt.Errorf("replay %s: %w", b.ID, err)
	}
	var r Report
	log := c.Events
	if len(c.Holes) > 0 {
		first := slices.MinFunc(c.Holes, func(a, b Hole) int { return cmp.Compare(a.From, b.From) })
		r.Stopped = &first
		log = upTo(log, first.From)
	}
	if len(log) > 0 && stepless(log) {
		return r, fmt.Errorf("replay %s: %w", b.ID, errTold)
	}
	if len(log) == 0 || log[0].Took == nil || log[0].Took.Kind != agent.Begun {
		return r, errors.Join(fmt.Errorf("replay %s: %w", b.ID, errOld), err)
	}
	r.run(c.Profile, log)
	if d := r.Difference; d != nil && d.Is != nil && r.Events == len(log) && b.State() != record.Closed { // what is missing was not written
		last := log[len(log)-1].At
		r = Report{Stopped: &Hole{Span{last, c.Length}, "the record ends in the midst of what came of an input", true}}
		r.run(c.Profile, upTo(log, last))
	}
	return r, nil
}

// upTo is the log before a hole. Events have one moment with the input that they come of, so an input is left out whole.
func upTo(log []agent.Event, at time.Duration) []agent.Event {
	n := len(log)
	for n > 0 && log[n-1].At >= at {
		n--
	}
	return log[:n]
}

// Again is Exact for events that are at hand, all of a conversation's.
func Again(p agent.Profile, log []agent.Event) (r Report) {
	r.run(p, log)
	return r
}

func (r *Report) run(p agent.Profile, log []agent.Event) {
	sum := sha256.New()
	next := 0
	for i, again := range agent.Repeat(p, log) {
		if i != next { // what lies between comes of nothing
			r.differ(log, next, i, nil)
			return
		}
		r.Inputs++
		for k := range again {
			if i+k >= len(log) || !same(&again[k], &log[i+k], sum) {
				r.differ(log, i+k, i, &again[k])
				return
			}
			r.Events++
		}
		r.Length, next = log[i].At, i+len(again)
	}
	if next < len(log) {
		r.differ(log, next, len(log)-1, nil)
	}
	r.Hash = hex.EncodeToString(sum.Sum(nil))
}

// same compares an event with the recorded one.
func same(is, was *agent.Event, sum hash.Hash) bool {
	a, err := json.Marshal(is)
	if err != nil || is.Seq != was.Seq || is.At != was.At {
		return false
	}
	b, err := json.Marshal(was)
	sum.Write(a)
	return err == nil && bytes.Equal(a, b)
}

// differ notes that event n of the log, of input i, is another one.
func (r *Report) differ(log []agent.Event, n, i int, is *agent.Event) {
	d := &Difference{Is: is, At: log[min(i, len(log)-1)].At}
	if n < len(log) && (is == nil || log[n].Cause != 0 || n == i) {
		d.Was = &log[n]
	}
	d.Causes = causes(log, min(i, len(log)-1))
	r.Difference = d
}

// longestChain bounds how far back causes go.
const longestChain = 8

// causes is an event and what led to it, the latest first.
func causes(log []agent.Event, i int) (chain []agent.Event) {
	for i >= 0 && len(chain) < longestChain {
		chain = append(chain, log[i])
		i = cause(log[:i+1])
	}
	return chain
}

// cause finds what led to the last event of a log: −1 if that is nothing the conversation did.
func cause(log []agent.Event) int {
	e := log[len(log)-1]
	find := func(is func(*agent.Event) bool) int {
		for i := len(log) - 2; i >= 0; i-- {
			if is(&log[i]) {
				return i
			}
		}
		return -1
	}
	if e.Cause != 0 {
		return find(func(o *agent.Event) bool { return o.Seq == e.Cause })
	}
	if e.Took != nil && e.Took.Reply != 0 {
		return find(func(o *agent.Event) bool { return o.Asked != nil && o.Asked.Reply == e.Took.Reply })
	}
	if e.Step == nil {
		return -1
	}
	return find(led(e.Step.In))
}
