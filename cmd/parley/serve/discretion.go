package serve

import (
	"encoding/json"
	"fmt"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/llm"
)

// discretion is the rule of what may be kept of a conversation whose record was paused: the package comment tells it. The zero
// value has seen no pause. It is a pure state machine; the tape guards it.
type discretion struct {
	mode   mode
	went   bool          // there was a pause
	since  time.Duration // when the record went on with the last time
	commit int           // the first turn that was committed since; 0: none
	keys   bool          // a key was pressed whose turn has not come
	past   words         // the last that were begun before since

	turn, reply       int             // the newest of the conversation
	oldTurn, oldReply int             // those that are not kept, and all before them
	opened            map[stream]bool // calls to engines that may be kept
}

// mode is how much is kept.
type mode uint8

const (
	rolling mode = iota // all, with discretion
	waiting             // packets only
	paused              // nothing
)

// words are a result of the recognizer.
type words struct {
	start time.Duration
	text  string
}

// stream is a call to an engine, as the tape counts them.
type stream struct {
	Engine string
	Stream int
}

func (d *discretion) pause() {
	d.mode, d.went = paused, true
	d.opened = map[stream]bool{}
}

func (d *discretion) resume(now time.Duration) {
	d.mode, d.since, d.commit = waiting, now, 0
}

// event says whether an event may be kept, and in what form.
func (d *discretion) event(e agent.Event) (agent.Event, bool) {
	if d.went && d.mode != paused && late(e, d.since) {
		if d.again(e) {
			return e, false
		}
		d.resume(d.since)
	}
	d.follow(e)
	switch {
	case d.mode == waiting && d.done(e):
		d.mode, d.oldTurn, d.oldReply = rolling, d.turn, d.reply
		return e, false
	case d.mode != rolling || d.old(e):
		return e, false
	}
	if d.went && e.Asked != nil && len(e.Asked.Messages) > 0 {
		asked := *e.Asked
		asked.Messages = withheld(asked.Messages)
		e.Asked = &asked
	}
	return e, true
}

// follow notes what the rule needs to know of the conversation.
func (d *discretion) follow(e agent.Event) {
	if e.Asked != nil {
		d.reply = max(d.reply, e.Asked.Reply)
	}
	if e.Step == nil {
		return
	}
	typed := e.Step.In.Kind == turn.Typed
	d.keys = d.keys || e.Step.In.Kind == turn.Key
	if spoken(e) && (d.mode == paused || e.Step.In.Start < d.since) {
		d.past = words{e.Step.In.Start, e.Step.In.Text}
	}
	for _, out := range e.Step.Out {
		switch out.Kind {
		case turn.Commit:
		case turn.Say, turn.Obey, turn.CheckIn, turn.GiveUp:
			d.turn = out.Turn
			continue
		default:
			continue
		}
		d.turn = out.Turn
		if d.mode == waiting && d.commit == 0 {
			d.commit = out.Turn
		}
		if out.Reason == turn.Written && !typed { // the keys
			d.keys = false
		}
	}
}

// late says whether an event brings words that were begun before a moment.
func late(e agent.Event, moment time.Duration) bool {
	if e.Step == nil {
		return false
	}
	return spoken(e) && e.Step.In.Start < moment
}

// spoken says whether an event brings words: the caller's, or what was taken for the agent's own.
func spoken(e agent.Event) bool {
	in := e.Step.In
	return (in.Kind == turn.Partial || in.Kind == turn.Final) && (in.Text != "" || e.Echo != nil && e.Echo.Text != "")
}

// again says whether a late event has only the words that were dealt with in the wait: a recognizer closes an utterance when the
// next begins, and tells it once more.
func (d *discretion) again(e agent.Event) bool {
	return d.mode == rolling && len(e.Step.Out) == 0 && d.past == words{e.Step.In.Start, e.Step.In.Text}
}

// done says whether an event ends the wait: the answer to the newest turn. One that a turn has cut short ends nothing: that turn may be
// of keys from the pause, and the answer to it has not been asked for yet.
func (d *discretion) done(e agent.Event) bool {
	return e.Kind == agent.Answer && e.Said != nil && e.Said.Done && e.Said.Heard != "" && d.commit > 0 && e.Turn >= d.commit && e.Turn == d.turn && !d.keys
}

// old says whether an event is of an answer or a turn that was begun before the wait ended.
func (d *discretion) old(e agent.Event) bool {
	if e.Took != nil && e.Took.Reply > 0 && e.Took.Reply <= d.oldReply {
		return true
	}
	switch e.Kind {
	case agent.User, agent.Answer, agent.Timing:
		return e.Turn <= d.oldTurn && d.went
	}
	return false
}

// taped is what the rule needs to know of a tape's line.
type taped struct {
	stream
	Open   *struct{}
	Result *struct{ Start time.Duration }
}

// tape says whether a line of the tape may be kept.
func (d *discretion) tape(line []byte) bool {
	if !d.went || d.mode != rolling {
		return !d.went
	}
	var t taped
	if json.Unmarshal(line, &t) != nil {
		return false
	}
	if t.Open != nil {
		d.opened[t.stream] = true
	}
	return d.opened[t.stream] || t.Result != nil && t.Result.Start >= d.since
}

// withheldRole marks what stands in place of messages that are not kept.
const withheldRole llm.Role = "withheld"

// withheld is what is kept of what the model was told.
func withheld(all []llm.Message) []llm.Message {
	return []llm.Message{{Role: withheldRole, Text: fmt.Sprintf("%d messages, because the record was paused", len(all))}}
}
