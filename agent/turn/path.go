package turn

import "time"

// path is what is known of the way to the caller.
type path struct {
	lost   bool
	since  time.Duration // nothing has come since then
	missed time.Duration // how much of the agent's speech was sent into the void
	voice  bool          // the agent was held for a voice before
}

// lose: until the path is there again nobody can be heard. The agent pauses and every clock stands still, so that an
// outage is neither a caller's silence nor the end of a turn.
func (m *Machine) lose(since time.Duration) {
	if m.path.lost {
		return
	}
	since = min(max(since, 0), m.now)
	m.path.lost, m.path.since, m.path.voice = true, since, m.agent.held
	if m.agent.doing == speaking && !m.agent.held {
		m.path.missed += m.now - max(since, m.agent.since)
	}
	m.hold("the path is lost")
}

// find goes on where lose stopped: every moment that is waited from has moved by the outage.
func (m *Machine) find() {
	if !m.path.lost {
		return
	}
	m.path.lost = false
	m.shift(m.now-m.path.since, m.path.since)
	m.ear.lag = lag{}
	if !m.path.voice {
		m.resume("the path is back")
	}
}

// shift moves what was measured from before since by d. What came during the outage counts from now.
func (m *Machine) shift(d, since time.Duration) {
	for _, t := range []*time.Duration{
		&m.ear.begun, &m.ear.last, &m.ear.heard, &m.ear.sound, &m.pause.at, &m.pause.cough.last, &m.agent.since, &m.silence.since, &m.keys.at,
	} {
		if *t > 0 || t == &m.silence.since {
			*t = min(*t, since) + d
		}
	}
}
