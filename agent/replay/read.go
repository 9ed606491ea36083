package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"parley/agent"
	"parley/media/record"
)

// Read reads a bundle's log. What cannot be read is left out and told by the error, which wraps each *record.Damage; the
// Conversation is there nevertheless, unless nothing can be read.
func Read(b *record.Bundle) (*Conversation, error) {
	r := reader{c: &Conversation{Manifest: b.Manifest, Length: b.Duration()}}
	if len(b.Config) > 0 {
		if err := json.Unmarshal(b.Config, &r.c.Profile); err != nil {
			r.fault(fmt.Errorf("read the manifest's configuration: %w", err))
		}
	}
	for e, err := range b.Log() {
		if err != nil {
			r.damage(err)
			continue
		}
		r.take(e)
	}
	if r.entries == 0 && r.bad != nil {
		return nil, r.err()
	}
	r.finish()
	if len(r.c.Events) > 0 && stepless(r.c.Events) { // kept by a caller
		r.c.Turns = told(r.c, b)
	} else {
		r.c.Turns = turns(r.c, r.heard)
	}
	return r.c, r.err()
}

// reader gathers what is in a log.
type reader struct {
	c       *Conversation
	heard   []result
	entries int
	now     time.Duration // of the last entry
	paused  *Hole
	torn    *Hole // what follows it has not come yet
	unread  bool  // the last line could not be read: the last hole is of it
	bad     []error
	more    int // faults beside bad
}

// mostFaults are told one by one.
const mostFaults = 20

func (r *reader) fault(err error) {
	if len(r.bad) == mostFaults {
		r.more++
		return
	}
	r.bad = append(r.bad, err)
}

func (r *reader) err() error {
	if r.more > 0 {
		return errors.Join(append(r.bad, fmt.Errorf("%d more places of the log cannot be read", r.more))...)
	}
	return errors.Join(r.bad...)
}

func (r *reader) damage(err error) {
	r.fault(err)
	if r.torn == nil {
		r.torn = &Hole{Span: Span{From: r.now}, Why: err.Error(), Lost: true}
	}
}

func (r *reader) take(e record.Entry) {
	r.entries++
	r.now = max(r.now, e.Now)
	r.close(&r.torn)
	switch e.Kind {
	case record.Line:
		r.line(e)
	case record.Tape:
		if heard, ok := recognized(e.Raw); ok {
			r.heard = append(r.heard, heard)
		}
	case record.Gap:
		if e.Of == record.Line {
			r.hole(Hole{Span{e.At, e.Now}, e.Name, true})
		}
	case record.Pause:
		if r.paused == nil {
			r.paused = &Hole{Span: Span{From: e.Now}, Why: e.Name}
		}
	case record.Resume:
		r.close(&r.paused)
	}
}

// line takes a line. Those that cannot be read are one hole as long as none comes that can.
func (r *reader) line(e record.Entry) {
	v, err := event(e)
	switch {
	case err == nil:
		r.c.Events = append(r.c.Events, v)
		if v.Kind == agent.End {
			r.c.Ended = v.Text
		}
	case r.unread:
		r.c.Holes[len(r.c.Holes)-1].To = e.Now
	default:
		r.hole(Hole{Span{e.Now, e.Now}, err.Error(), true})
	}
	if r.unread = err != nil; r.unread {
		r.fault(err)
	}
}

func (r *reader) hole(h Hole) {
	r.c.Holes = append(r.c.Holes, h)
	r.unread = false
}

// close ends a hole at the present moment.
func (r *reader) close(h **Hole) {
	if *h != nil {
		(*h).To = r.now
		r.hole(**h)
		*h = nil
	}
}

func (r *reader) finish() {
	r.now = max(r.now, r.c.Length)
	r.close(&r.torn)
	r.close(&r.paused)
}

// What a line of the log may be that is not one of an agent.
var (
	errLine = errors.New("it is no event of a conversation")
	errLong = fmt.Errorf("it is longer than the %d bytes of any line", lineMost)
)

// lineMost is the longest line that is read, in bytes: none is written that is longer.
const lineMost = 1 << 20

// event is a line of the log. One of a kind that is not known is kept as it is.
func event(e record.Entry) (agent.Event, error) {
	var v agent.Event
	err := errLong
	if len(e.Raw) <= lineMost {
		err = json.Unmarshal(e.Raw, &v)
	}
	if err == nil && (v.Kind == "" || hollow(v)) {
		err = errLine
	}
	if err != nil {
		return v, fmt.Errorf("read line %d of the log, at %v: %w", e.Seq, e.Now, err)
	}
	v.Seq, v.At = e.Seq, e.Now
	if v.Step != nil {
		v.Step.Seq = e.Seq
	}
	return v, nil
}

// hollow reports that an event lacks what its kind needs.
func hollow(v agent.Event) bool {
	switch v.Kind {
	case agent.Step:
		return v.Step == nil
	case agent.Took:
		return v.Took == nil
	case agent.Ask:
		return v.Asked == nil
	case agent.Answer:
		return v.Said == nil
	case agent.Timing:
		return v.Latency == nil
	}
	return false
}
