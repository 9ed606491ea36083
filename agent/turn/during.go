package turn

import "time"

// during: the agent has the floor.
func (m *Machine) during() {
	words := m.text.fresh()
	if command(words) == "stop" && m.settled() && m.obey(words) {
		return
	}
	if m.weighty(words) {
		reason := "words"
		if m.agent.doing == answering {
			reason = "the caller goes on"
		}
		m.regret()
		m.interrupt(reason)
		if m.ear.spoke = true; !m.ear.voice { // heard by the recognizer only, or later than the voice
			m.ear.last = max(m.ear.last, m.now-m.c.End.Ahead)
		}
		m.after()
		return
	}
	if m.agent.doing == answering && !m.agent.held && m.due(m.agent.since+m.c.Silence.Answer) {
		m.interrupt(NoAnswer)
		return
	}
	if m.ear.spoke {
		m.weigh(words)
	}
}

// weigh finds out whether the voice that is heard while the agent has the floor means anything.
func (m *Machine) weigh(words string) {
	if at, ok := m.ask(); ok && m.due(at) {
		m.flush()
	}
	if !m.pause.asked || m.pause.open && !m.due(m.pause.at+m.c.Interrupt.Text) {
		return
	}
	late := m.pause.open
	m.pause.open = false
	if m.ear.voice && !late { // no words yet: ask once more, then take it for noise; of a backchannel no more need be heard
		m.pause.asked = false
		if m.pause.empty++; m.pause.empty < 2 && !backchannels[plain(words)] {
			return
		}
	}
	switch {
	case late:
		m.resume("no text came")
	case words != "" && !noises[plain(words)]:
		m.resume("backchannel")
	default:
		m.resume("noise")
	}
	if m.ear.voice {
		return
	}
	m.ear.dealt()
	if !late { // late words may still interrupt
		m.text.done(m.ear.at)
	}
}

func (m *Machine) resume(reason string) {
	if !m.agent.held {
		return
	}
	m.agent.held = false
	m.decide(Decision{Kind: Resume, Turn: m.turn, Back: m.c.Interrupt.Rewind + m.path.missed, Reason: reason})
	m.path.missed = 0
}

// weighty tells words that take the floor. What may become a backchannel is not weighed before it is said.
func (m *Machine) weighty(words string) bool {
	p := plain(words)
	if begun[p] && (m.ear.voice || !m.settled()) {
		return false
	}
	if m.nudge(p) {
		return false
	}
	if p == "" || backchannels[p] || noises[p] && command(words) == "" || command(words) == "stop" {
		return false
	}
	n := 1
	for _, r := range p {
		if r == ' ' {
			n++
		}
	}
	return n >= m.c.Interrupt.Words || asksForTime(p)
}

// ask is when the recognizer is to be flushed next.
func (m *Machine) ask() (time.Duration, bool) {
	switch {
	case m.pause.asked || !m.ear.spoke:
		return 0, false
	case !m.ear.voice:
		return m.ear.last + m.c.End.Ahead, true
	case m.agent.doing != idle:
		return m.ear.begun + m.c.Interrupt.Ask<<min(m.pause.empty, 6), true
	}
	return 0, false
}

func (m *Machine) flush() {
	m.pause.asked, m.pause.open = true, true
	m.pause.at, m.pause.mark = m.now, m.ear.at
	m.decide(Decision{Kind: Flush, Turn: m.turn + 1})
}

// settled: what was said so far is known.
func (m *Machine) settled() bool { return m.pause.asked && !m.pause.open }
