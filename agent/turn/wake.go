package turn

import "time"

// Wake is when the machine wants a Tick if nothing happens before, and whether it wants one at all. It is
// later than the last Step.
func (m *Machine) Wake() (time.Duration, bool) {
	w := wake{}
	if m.path.lost {
		return 0, false
	}
	if m.keys.pressed != "" {
		w.at(m.keys.at + m.c.End.Keys)
	}
	if m.ear.voice {
		w.at(m.ear.heard + Stall)
		if m.pause.cough.maybe {
			w.at(m.coughs())
		}
	}
	if at, ok := m.ask(); ok {
		w.at(at)
	}
	switch {
	case m.agent.doing != idle:
		m.wakeDuring(&w)
	case m.ear.spoke && !m.ear.voice:
		m.wakeAfter(&w)
	case !m.ear.spoke && !m.ear.muted && !m.gone:
		m.wakeSilent(&w)
	}
	if !w.set {
		return 0, false
	}
	return max(w.t, m.now+1), true
}

func (m *Machine) wakeDuring(w *wake) {
	if m.pause.asked && m.pause.open && m.ear.spoke {
		w.at(m.pause.at + m.c.Interrupt.Text)
	}
	if m.agent.doing == answering && !m.agent.held {
		w.at(m.agent.since + m.c.Silence.Answer)
	}
}

func (m *Machine) wakeAfter(w *wake) {
	if m.pause.open {
		w.at(m.pause.at + m.c.End.Text)
	} else if m.settled() && m.keys.pressed == "" {
		d, _ := m.wait(m.words())
		w.at(m.over(d))
	}
}

func (m *Machine) wakeSilent(w *wake) {
	checkIn, giveUp := m.silences()
	if !m.silence.checked && lasts(checkIn) {
		w.at(m.silence.since + checkIn)
	}
	if lasts(giveUp) {
		w.at(m.silence.since + giveUp)
	}
}

type wake struct {
	t   time.Duration
	set bool
}

func (w *wake) at(t time.Duration) {
	if !w.set || t < w.t {
		w.t, w.set = t, true
	}
}
