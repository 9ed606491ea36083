package turn

import "time"

// pace is how much longer or shorter than by default this caller is waited for.
type pace struct {
	by   float64
	took time.Duration // when a spoken turn was last taken as over, as long as nothing contradicts that; 0: none was
}

// What the pace is multiplied by.
const (
	cutOff  = 1.3  // the caller went on right after the turn was taken as over
	breath  = 1.1  // the caller paused within the turn for longer than a turn is waited for that may be finished
	right   = 0.97 // the turn was over when it was taken as over
	regrets = 1500 * time.Millisecond
)

// change keeps the pace within its bounds.
func (m *Machine) change(factor float64) {
	m.pace.by = max(m.c.Pace.Least, min(m.pace.by*factor, m.c.Pace.Most))
}

// paced is a wait at the caller's pace.
func (m *Machine) paced(wait time.Duration) time.Duration {
	return time.Duration(float64(wait) * m.pace.by)
}

// takes: a spoken turn is taken as over now. The one before was, then.
func (m *Machine) takes() {
	if m.pace.took > 0 {
		m.change(right)
	}
	m.pace.took = m.now
}

// regret: the caller takes the floor from the agent. Right after a turn was taken as over, it was not.
func (m *Machine) regret() {
	if m.pace.took > 0 && m.ear.begun < m.pace.took+regrets {
		m.change(cutOff)
	}
	m.pace.took = 0
}

// breathed: the caller goes on within a turn, and was heard before at last.
func (m *Machine) breathed(last time.Duration) {
	if m.ear.begun-last > m.paced(m.c.End.Middle) {
		m.change(breath)
	}
}
