package turn

import "time"

const (
	missed     = time.Second             // so long must a voice last for its words to be missed when there are none
	pardonWait = 1350 * time.Millisecond // and the silence after it
)

// wordless: there are no words in what was heard. That was a noise; or the caller was not understood, and when nothing more comes
// that is said.
func (m *Machine) wordless() {
	lost := m.misses()
	if lost {
		if !m.due(m.over(m.paced(pardonWait))) {
			return
		}
	}
	m.ear.dealt()
	if !m.pause.late {
		m.text.done(m.ear.at)
	}
	if !lost {
		m.silent()
		return
	}
	m.pardoned = true
	m.begin(Say, "", Unheard)
}

// misses: words must have been there, and it may be said that they were not understood: once, until some are, and not to a caller
// who has asked for time, and speaks with somebody else perhaps.
func (m *Machine) misses() bool {
	return m.ear.clear >= missed && !m.pardoned && !m.silence.given && !m.gone && m.keys.pressed == ""
}
