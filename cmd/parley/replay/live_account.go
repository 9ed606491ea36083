package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/internal/caller"
	"parley/media/rtc"
	"parley/web"
)

// account is what came of a call.
type account struct {
	part *part
	Replayed
	New    string      `json:"new"`              // the id of the new recording
	Server *web.Hello  `json:"server,omitempty"` // as it introduced itself
	Length replay.Span `json:"length"`           // how long the conversation lasted: From then, To now
	Cues   []accounted `json:"cues"`
	Counts counts      `json:"counts"`
	Broken string      `json:"broken,omitempty"` // why the call ended before all was said
	path   string      // of the new recording
	begun  bool
}

// counts of cues.
type counts struct {
	Said       int  `json:"said"`
	Unsaid     int  `json:"unsaid"`     // the call was over before
	Unanswered int  `json:"unanswered"` // had an answer in the recording and none now
	Undone     int  `json:"undone"`     // the server takes no keys, or no messages
	Late       int  `json:"late"`       // the answer was over before the place at which it was to be interrupted
	HeardOut   int  `json:"heardOut"`   // the agent was speaking when the moment had come, and was heard out
	Endless    int  `json:"endless"`    // the answer before did not end in two minutes
	NoGreeting bool `json:"noGreeting,omitempty"`
}

// accounted is a cue, then and now.
type accounted struct {
	replay.Cue
	Then       side `json:"then"`
	Now        side `json:"now"`
	Unanswered bool `json:"unanswered,omitempty"`
	Undone     bool `json:"undone,omitempty"`
	Late       bool `json:"late,omitempty"`
	HeardOut   bool `json:"heardOut,omitempty"`
	Endless    bool `json:"endless,omitempty"`
}

// side is what was heard of a cue, measured at the same loudness: what was said, what the agent took it for and what it did.
type side struct {
	First    time.Duration  `json:"first"` // of the caller's sound, since the conversation began
	Last     time.Duration  `json:"last"`
	User     string         `json:"user,omitempty"`
	Answer   string         `json:"answer,omitempty"`   // what was heard of it
	Response *time.Duration `json:"response,omitempty"` // from Last to the first sound of the answer; none: there was no answer
	Stop     *time.Duration `json:"stop,omitempty"`     // from First to the agent's silence; none: it was not speaking
	Kept     bool           `json:"kept,omitempty"`     // it went on speaking
	Gap      *time.Duration `json:"gap,omitempty"`      // from the agent's last sound to First; none: it had not spoken
}

// missed says that the server left something unanswered or undone.
func (r *account) missed() bool { return r.Counts.Unsaid+r.Counts.Unanswered+r.Counts.Undone > 0 }

// measure takes down what a performer has done. Err is what its call ended with.
func (r *account) measure(c *caller.Caller, s *scribe, p *performer, err error) {
	var told []agent.Event
	r.begun = true
	r.Server, told = s.events()
	begin := beginning(r.part.Conversation)
	r.Length = replay.Span{From: r.part.Length - begin, To: c.Now()}
	heard, turns := c.Heard(-time.Hour), exchanges(told)
	r.Counts.Said, r.Counts.Unsaid = len(p.all), len(r.part.cues)-len(p.all)
	for i, d := range p.all {
		until, then := c.Now(), r.part.Length
		if next := r.part.following(i); next >= 0 {
			then = r.part.then.said(r.part.cues[next]).First
			if next < len(p.all) {
				until = p.all[next].said.First
			}
		}
		a := accounted{Cue: d.line.Cue, Undone: d.undone, Late: d.late, HeardOut: d.heardOut, Endless: d.endless}
		a.Then = measure(r.part.then.agent, r.part.then.said(d.line), then, begin)
		a.Now = measure(heard, d.said, until, 0)
		if !d.line.Aside {
			r.part.words(&a.Then, i)
			a.Now.User, a.Now.Answer = within(turns, d.said.First, until)
			a.Unanswered = d.line.Answered && a.Now.Response == nil && !a.Now.Kept
		}
		r.count(a)
		r.Cues = append(r.Cues, a)
	}
	if len(p.all) > 0 {
		r.Counts.NoGreeting = p.all[0].line.Anchor == replay.AnswerEnds && !p.greeted
	}
	ended := err == nil || errors.Is(err, agent.ErrHungUp) || errors.Is(err, rtc.ErrHangup) && r.Counts.Unsaid+r.Counts.Unanswered == 0
	if !ended {
		r.Broken = broken(err)
	}
}

func broken(err error) string {
	switch {
	case errors.Is(err, rtc.ErrHangup):
		return "the server hung up"
	case errors.Is(err, context.Canceled):
		return "it was stopped"
	}
	return err.Error()
}

func (r *account) count(a accounted) {
	for n, on := range map[*int]bool{&r.Counts.Unanswered: a.Unanswered, &r.Counts.Undone: a.Undone, &r.Counts.Late: a.Late,
		&r.Counts.HeardOut: a.HeardOut, &r.Counts.Endless: a.Endless} {
		if on {
			*n++
		}
	}
}

// following is the next cue that takes a turn, −1 if there is none.
func (l *part) following(i int) int {
	j := slices.IndexFunc(l.cues[i+1:], func(c line) bool { return !c.Aside })
	if j < 0 {
		return -1
	}
	return i + 1 + j
}

// beginning is zero of a conversation's times: its first event.
func beginning(c *replay.Conversation) time.Duration {
	if len(c.Events) == 0 {
		return 0
	}
	return c.Events[0].At
}

// measure finds what the agent did about what was said. Zero is what all times are counted from.
func measure(heard []caller.Packet, said caller.Said, until, zero time.Duration) side {
	m := caller.Measure(heard, said, until)
	s := side{First: said.First - zero, Last: said.Last - zero, Kept: m.Kept}
	if m.Response >= 0 {
		s.Response = &m.Response
	}
	if m.Stop >= 0 {
		s.Stop = &m.Stop
	}
	if last, ok := caller.LastAudible(heard, 0, said.First); ok {
		s.Gap = new(said.First - last.At)
	}
	return s
}

// words are those of the recorded turn that cue i is of, if it is the last of that.
func (l *part) words(s *side, i int) {
	c := l.cues[i]
	if next := l.following(i); next >= 0 && l.cues[next].Turn == c.Turn {
		return
	}
	for _, t := range l.Turns {
		if t.N == c.Turn {
			s.User, s.Answer = t.User, t.Answer.Heard
		}
	}
}

// exchange is a turn as the server told of it.
type exchange struct {
	at           time.Duration // of the last words of the caller that it was told of; without any, of the first of the agent's
	user, answer string
}

func exchanges(told []agent.Event) (all []*exchange) {
	turns := map[int]*exchange{}
	for _, e := range told {
		if e.Kind != agent.User && e.Kind != agent.Answer {
			continue
		}
		x := turns[e.Turn]
		if x == nil {
			x = &exchange{at: e.At}
			turns[e.Turn] = x
			all = append(all, x)
		}
		if e.Kind == agent.User {
			x.user, x.at = e.Text, e.At // an early one may be of the turn before
		} else {
			x.answer = e.Said.Heard
		}
	}
	return all
}

// within are the words of the turns that are of a stretch of time.
func within(all []*exchange, from, until time.Duration) (user, answer string) {
	var users, answers []string
	for _, x := range all {
		if x.at >= from && x.at < until {
			users, answers = append(users, x.user), append(answers, x.answer)
		}
	}
	join := func(words []string) string {
		return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
	}
	return join(users), join(answers)
}
