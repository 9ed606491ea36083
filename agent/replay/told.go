package replay

import (
	"slices"
	"time"

	"parley/agent"
	"parley/media/record"
)

// SentVoice is the name of the scores that a caller's side keeps of what it sent, one a packet: 1 is voice, 0 none. A record
// that has them was made by a caller; what is in its log of the conversation is what the server told.
const SentVoice = "voice sent"

// told makes turns of a log without a Step: of what a server told its caller, and notes why it ended. When a turn was committed is then when its
// final text came, and the sound of an answer lies where the server said that the agent spoke, or up to the voice that interrupted
// it. Of holds only those are known that ended so.
func told(c *Conversation, b *record.Bundle) []Turn {
	var l listener
	for _, e := range c.Events {
		l.take(e)
		if e.Kind == agent.End {
			c.Ended = e.Text
		}
	}
	l.end(c.Length)
	voice := sentVoice(b)
	l.interrupted(voice)
	l.voices(voice)
	return l.turns
}

// stepless says that a log is of that kind.
func stepless(events []agent.Event) bool {
	return !slices.ContainsFunc(events, func(e agent.Event) bool { return e.Kind == agent.Step || e.Kind == agent.Took })
}

// sentVoice is where the caller's voice was, pauses of up to 250 ms included.
func sentVoice(b *record.Bundle) (all []Span) {
	const packet, pause = 20 * time.Millisecond, 250 * time.Millisecond
	for e := range b.Log() { // what cannot be read was told by Read
		if e.Kind != record.Score || e.Name != SentVoice || e.Value < 0.5 {
			continue
		}
		if n := len(all); n > 0 && e.At >= all[n-1].To && e.At-all[n-1].To <= pause {
			all[n-1].To = e.At
			continue
		}
		all = append(all, Span{max(0, e.At-packet), e.At})
	}
	return all
}

// listener follows what a server tells.
type listener struct {
	turns    []Turn
	speaking time.Duration // since when the agent says it speaks; 0: it does not
	talks    int           // the turn whose answer that is, counted from 1 in turns; 0: it is not told yet
	most     int           // the greatest number of a turn so far
}

// turn is that of a number, a new one if nothing was told of it yet.
func (l *listener) turn(n int, at time.Duration) int {
	for i := len(l.turns) - 1; i >= 0 && n <= l.most; i-- {
		if l.turns[i].N == n {
			return i
		}
	}
	l.turns, l.most = append(l.turns, Turn{N: n, Committed: at}), max(l.most, n)
	return len(l.turns) - 1
}

func (l *listener) take(e agent.Event) {
	switch e.Kind {
	case agent.State:
		l.state(e)
	case agent.User:
		switch i := l.turn(e.Turn, e.At); {
		case !e.Final:
		case e.Text == "" && l.turns[i].User != "" && i < len(l.turns)-1:
			l.unite(i)
		default:
			l.turns[i].User, l.turns[i].Committed = e.Text, e.At
		}
	case agent.Answer:
		i := l.turn(e.Turn, e.At)
		l.turns[i].Answer = *e.Said
		switch {
		case e.Said.Done && l.talks == i+1:
			l.silent(i, e.At)
			l.talks = 0
		case e.Said.Heard != "" && !e.Said.Done:
			l.sounds(i, e.At)
		}
	case agent.Timing:
		i := l.turn(e.Turn, e.At)
		l.turns[i].Latency = e.Latency
		l.sounds(i, e.At)
	case agent.Trouble:
		i := max(len(l.turns)-1, 0)
		if len(l.turns) == 0 {
			i = l.turn(0, e.At)
		}
		l.turns[i].Troubles = append(l.turns[i].Troubles, Trouble{e.At, e.Code, e.Text})
	}
}

// unite takes a turn away whose words are now the newest one's: nobody heard its answer.
func (l *listener) unite(i int) {
	newest := &l.turns[len(l.turns)-1]
	newest.Troubles = append(l.turns[i].Troubles, newest.Troubles...)
	l.turns = slices.Delete(l.turns, i, i+1)
	switch {
	case l.talks == i+1:
		l.talks = 0
	case l.talks > i+1:
		l.talks--
	}
}

func (l *listener) state(e agent.Event) {
	switch {
	case e.Text == "speaking" && l.speaking == 0:
		l.speaking = max(e.At, 1)
	case e.Text != "speaking":
		if l.talks > 0 {
			l.silent(l.talks-1, e.At)
		}
		l.speaking, l.talks = 0, 0
	}
}

// sounds notes that the answer of a turn sounds. It has since the agent said that it speaks, if no other answer was told of since.
func (l *listener) sounds(i int, at time.Duration) {
	if t := &l.turns[i]; t.Spoken == (Span{}) {
		if l.speaking > 0 && l.talks == 0 {
			at = l.speaking
		}
		t.Spoken = Span{at, at}
	}
	l.talks = i + 1
}

// silent notes that it does not any more.
func (l *listener) silent(i int, at time.Duration) {
	t := &l.turns[i]
	if t.Spoken.From > 0 {
		t.Spoken.To = max(t.Spoken.To, at)
	}
}

// end is the end of the conversation.
func (l *listener) end(at time.Duration) {
	if l.talks > 0 {
		l.silent(l.talks-1, at)
	}
}

// interrupted finds the voices that ended an answer, and how much sound each answer had.
func (l *listener) interrupted(voice []Span) {
	for i := range l.turns {
		t := &l.turns[i]
		for _, v := range slices.Backward(voice) {
			if t.Answer.Interrupted && v.From >= t.Spoken.From && v.From < t.Spoken.To {
				t.Holds = []Hold{{Span: Span{v.From, t.Spoken.To}, Why: "a voice", Outcome: "interrupt", Because: "as the server told"}}
				t.Spoken.To = v.From
				break
			}
		}
		t.Sent = t.Spoken.To - t.Spoken.From
	}
}

// voices gives each turn with words the voice before it was committed that no turn before it has; the rest was for no turn.
func (l *listener) voices(all []Span) {
	for i := range l.turns {
		t := &l.turns[i]
		if t.User == "" {
			continue
		}
		n := 0
		for n < len(all) && all[n].From < t.Committed {
			n++
		}
		t.Voice, all = all[:n:n], all[n:]
	}
	if n := len(l.turns); n > 0 && len(all) > 0 {
		l.turns[n-1].Asides = all
	}
}
