package turn

import "time"

// cough is a short sound after words whose answer is being prepared: nothing, until it lasts or brings words.
type cough struct {
	maybe bool
	last  time.Duration // when the caller was heard before it
	sound float32       // how finished that sounded
}

// breaks: a voice begins. What was prepared is kept as long as that may be a cough; the caller was heard before it at last.
func (m *Machine) breaks(last time.Duration) {
	before := m.pause
	m.pause = pause{heard: -1, thought: before.thought, cough: before.cough}
	if before.thought != "" && !before.cough.maybe { // else it is not the first
		m.pause.cough = cough{true, last, before.heard}
	}
}

// goesOn: the caller is speaking.
func (m *Machine) goesOn() {
	if m.pause.cough.maybe && (m.due(m.coughs()) || m.words() != m.pause.thought) {
		m.discard("the caller goes on")
	}
}

// coughs is until when the voice that is heard may be a cough.
func (m *Machine) coughs() time.Duration { return m.ear.begun + m.c.Interrupt.Ask }

// coughed: what may have been a cough is over. If it was one, the silence is what it was before.
func (m *Machine) coughed(words string) {
	c := m.pause.cough
	switch {
	case !c.maybe:
	case words == m.pause.thought:
		m.ear.last, m.pause.heard, m.pause.cough = c.last, c.sound, cough{}
	default:
		m.discard("the caller goes on")
	}
}
