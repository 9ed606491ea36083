package replay

import (
	"cmp"
	"slices"
	"time"

	"parley/agent"
	"parley/agent/turn"
)

// Order says by what the times of a caller go who speaks again.
type Order string

// The orders.
const (
	// Reactive: what the caller does waits for the agent as it did in the recording. It is a model of a person: one that
	// never minds what it is asked.
	Reactive Order = "reactive"
	// Absolute: all is done at its recorded time after the beginning, whatever the agent does. It is a stress.
	Absolute Order = "absolute"
)

// Cue is one thing that the caller of a recorded conversation does again.
type Cue struct {
	Kind CueKind `json:"kind"`
	Turn int     `json:"turn"` // the recorded turn that it is of
	Span         // on the recording's clock; for Speak, what of the caller's track is said, the pauses in it included
	Text string  `json:"text,omitempty"` // Write, Press
	On   bool    `json:"on,omitempty"`   // Mute

	Anchor   Anchor        `json:"anchor"`
	Wait     time.Duration `json:"wait"`               // from the anchor to From
	Polite   bool          `json:"polite,omitempty"`   // should the agent be speaking at that moment, it is heard out first
	Aside    bool          `json:"aside,omitempty"`    // it took no turn: the agent went on, and it wants no answer
	Answered bool          `json:"answered,omitempty"` // the agent answered it in the recording
}

// CueKind says what the caller does.
type CueKind string

// What a caller does.
const (
	Speak CueKind = "speak"
	Write CueKind = "write" // types Text
	Press CueKind = "press" // presses the key Text
	Mute  CueKind = "mute"  // turns the microphone off (On) or on
)

// Anchor is the moment that a Cue waits for. "The cue before" is the last one that is no Aside; its answer is what the agent
// says first after it. Before the first cue that is the greeting.
type Anchor string

// The anchors.
const (
	Connected  Anchor = "connected"   // the conversation begins
	AnswerEnds Anchor = "answer ends" // the agent has said its answer to the cue before
	InAnswer   Anchor = "in answer"   // the agent begins its answer to the cue before: the caller will speak into it
	CueEnds    Anchor = "cue ends"    // the cue before is over, and had no answer
	InCue      Anchor = "in cue"      // the cue before begins: this happens while it is being said
)

// How a schedule reads a recording.
const (
	brief      = 200 * time.Millisecond // of the agent's sound is nothing: it is its falling silent, or its first breath
	foreseen   = 300 * time.Millisecond // before the end of an answer one knows that it ends
	sameBreath = 2 * time.Second        // after one's own words one goes on, whatever the agent does
)

// Schedule is what the caller of c did, in its order, each with the moment to do it at. It is a pure function of c.
//
// Stretches of voice are one cue as long as they are of one turn and the agent says nothing between them. One that begins while the
// agent speaks is anchored in that answer, at its recorded place; it is an Aside if the agent was not stopped by it
// (a backchannel), as is all that was taken for no turn. One that begins within the last 300 ms of an answer that was not interrupted is taken for a reply to it, with no
// gap. All else waits for the end of the answer before it, with the recorded gap; check-ins of the agent in
// this gap are no answers and count as part of it. If there was no answer it follows the caller's own cue before it; within 2 s
// of that it does not wait for the agent, since a person would not have.
func Schedule(c *Conversation, o Order) []Cue {
	s := scheduler{order: o, said: spoken(c)}
	if len(c.Events) > 0 {
		s.begin = c.Events[0].At
	}
	for _, cue := range s.join(append(voices(c), inputs(c)...)) {
		s.add(cue)
	}
	s.answered()
	return s.cues
}

// scheduler is a schedule as it is made.
type scheduler struct {
	order Order
	begin time.Duration
	said  []speech // by the agent, in order
	cues  []Cue
	last  int // index of the latest cue that is no aside, counted from 1; 0: none yet
}

// speech is what the agent said in one turn.
type speech struct {
	Span
	cut bool // it was interrupted
}

func spoken(c *Conversation) (all []speech) {
	for _, t := range c.Turns {
		if t.Spoken.To > t.Spoken.From {
			all = append(all, speech{t.Spoken, t.Answer.Interrupted})
		}
	}
	slices.SortStableFunc(all, func(a, b speech) int { return cmp.Compare(a.From, b.From) })
	return all
}

// voices are the caller's stretches of voice, a cue each. What is no stretch of the recording is left out.
func voices(c *Conversation) (all []Cue) {
	add := func(n int, aside bool, spans []Span) {
		for _, v := range spans {
			v.From, v.To = max(v.From, 0), min(v.To, c.Length)
			if v.From < v.To {
				all = append(all, Cue{Kind: Speak, Turn: n, Span: v, Aside: aside})
			}
		}
	}
	for _, t := range c.Turns {
		add(t.N, false, t.Voice)
		add(t.N, true, t.Asides)
	}
	return all
}

// inputs are what the caller did beside speaking. Records of old have no Took events; what the turn machine was told stands in
// for them.
func inputs(c *Conversation) []Cue {
	var took, steps []Cue
	for _, e := range c.Events {
		switch {
		case e.Took != nil && e.Took.Kind == agent.Came && e.Took.Input != nil:
			in := e.Took.Input
			took = append(took, input(c, e.At, CueKind(in.Kind), in.Text, in.On))
		case e.Step != nil:
			in := e.Step.In
			steps = append(steps, input(c, e.At, CueKind(in.Kind), in.Text, in.On))
		}
	}
	known := func(cue Cue) bool { return cue.Kind == "" }
	if took = slices.DeleteFunc(took, known); len(took) > 0 {
		return took
	}
	return slices.DeleteFunc(steps, known)
}

// input is a cue without sound; it has no Kind if a caller does no such thing.
func input(c *Conversation, at time.Duration, kind CueKind, text string, on bool) Cue {
	switch kind {
	case CueKind(agent.Typed), CueKind(turn.Typed):
		kind = Write
	case CueKind(agent.Key):
		kind = Press
	case CueKind(agent.Mute), CueKind(turn.Muted):
		kind = Mute
	default:
		return Cue{}
	}
	cue := Cue{Kind: kind, Span: Span{at, at}, Text: text, On: on, Aside: kind == Mute}
	for _, t := range c.Turns {
		if cue.Turn = t.N; t.Committed >= at {
			break
		}
	}
	return cue
}

// join puts all in order and makes one of the stretches of voice that are one cue.
func (s *scheduler) join(all []Cue) (joined []Cue) {
	slices.SortStableFunc(all, func(a, b Cue) int { return cmp.Compare(a.From, b.From) })
	voice := -1
	for _, c := range all {
		if c.Kind != Speak {
			joined = append(joined, c)
			continue
		}
		if voice >= 0 {
			v := &joined[voice]
			if v.Turn == c.Turn && v.Aside == c.Aside && s.between(v.To, c.From) <= brief {
				v.To = max(v.To, c.To)
				continue
			}
		}
		voice = len(joined)
		joined = append(joined, c)
	}
	return joined
}

// between is how long the agent spoke in a stretch of time.
func (s *scheduler) between(from, to time.Duration) (d time.Duration) {
	for _, a := range s.said {
		d += max(0, min(a.To, to)-max(a.From, from))
	}
	return d
}

// add gives a cue its moment.
func (s *scheduler) add(c Cue) {
	if a, ok := s.during(c.From); ok && c.Kind == Speak && a.To > c.To+brief {
		c.Aside = true
	}
	if s.order == Absolute {
		c.Anchor, c.Wait = Connected, max(0, c.From-s.begin)
	} else {
		s.anchor(&c)
	}
	s.cues = append(s.cues, c)
	if !c.Aside {
		s.last = len(s.cues)
	}
}

// during is what the agent was saying at a moment.
func (s *scheduler) during(at time.Duration) (speech, bool) {
	for _, a := range s.said {
		if a.From <= at && at < a.To {
			return a, true
		}
	}
	return speech{}, false
}

// anchor finds what a reactive cue waits for.
func (s *scheduler) anchor(c *Cue) {
	before := Cue{Span: Span{s.begin, s.begin}}
	if s.last > 0 {
		before = s.cues[s.last-1]
	}
	reply, replied := s.after(before)
	replied = replied && reply.From <= c.From
	now, speaking := s.during(c.From)
	switch ends := speaking && !now.cut && now.To-c.From <= foreseen; {
	case s.last > 0 && c.From < before.To:
		c.Anchor, c.Wait = InCue, c.From-before.From
	case replied && speaking && !ends && now == reply:
		c.Anchor, c.Wait = InAnswer, c.From-reply.From
	case replied:
		c.Anchor, c.Wait, c.Polite = AnswerEnds, max(0, c.From-reply.To), ends || !speaking
	case s.last > 0:
		c.Anchor, c.Wait = CueEnds, c.From-before.To
		c.Polite = c.Wait > sameBreath
	default:
		c.Anchor, c.Wait, c.Polite = Connected, max(0, c.From-s.begin), true
	}
	c.Polite = c.Polite && c.Kind != Mute
}

// after is what the agent said first after a cue; it may have begun while that was being said.
func (s *scheduler) after(c Cue) (speech, bool) {
	i := slices.IndexFunc(s.said, func(a speech) bool { return a.From >= c.From && a.To > c.To })
	if i < 0 {
		return speech{}, false
	}
	return s.said[i], true
}

// answered notes which cues the agent answered before the caller did the next thing.
func (s *scheduler) answered() {
	var next *Cue
	for i := len(s.cues) - 1; i >= 0; i-- {
		c := &s.cues[i]
		if c.Aside {
			continue
		}
		a, ok := s.after(*c)
		c.Answered = ok && (next == nil || a.From <= next.From)
		next = c
	}
}
