package turn

import "time"

// after: the caller has the floor or has just left it.
func (m *Machine) after() {
	if m.ear.voice {
		m.goesOn()
		return
	}
	if at, ok := m.ask(); ok && m.due(at) {
		m.flush()
	}
	if m.pause.open && m.due(m.pause.at+m.c.End.Text) {
		m.pause.open, m.pause.late = false, true
	}
	if !m.settled() {
		return
	}
	if m.written != "" && m.keys.pressed == "" {
		m.send()
		return
	}
	words := m.words()
	if plain(words) == "" {
		m.wordless()
		return
	}
	m.word()
	if m.keys.pressed != "" { // dial takes all
		return
	}
	m.coughed(words)
	order := m.text.fresh()
	if words != m.pause.thought && command(order) == "" {
		m.discard("the text changed")
		m.pause.thought = words
		m.decide(Decision{Kind: Think, Turn: m.turn + 1, Text: words})
	}
	wait, reason := m.wait(words)
	if m.due(m.over(wait)) {
		if m.obey(order) {
			return
		}
		m.pause.thought = ""
		m.ear.dealt()
		m.text.done(m.ear.at)
		m.begin(Commit, words, reason)
	}
}

// over is when the turn is over. A sound that begins just then is given time to become a voice.
func (m *Machine) over(wait time.Duration) time.Duration {
	at := m.ear.last + wait
	if m.due(at) && m.ear.stirs(m.now) {
		return min(at+stirLimit, m.now+stirLook)
	}
	return at
}

// words is what the caller said in this turn. Until the last answer was heard it is the same turn.
func (m *Machine) words() string {
	if m.told {
		return m.text.fresh()
	}
	return m.text.all()
}

// wait is how much silence ends the turn, by its words and their sound.
func (m *Machine) wait(words string) (time.Duration, string) {
	e, p := m.c.End, m.pause.heard
	if dictates(words) {
		return max(e.Spelled, e.Dangling), "spelled"
	}
	switch how := read(words); {
	case how == open:
		return e.Dangling, "unfinished words"
	case how == vague && p >= e.Done:
		return e.Long, "perhaps finished"
	case how == vague:
		return e.Dangling, "no end of a sentence"
	case p >= 0 && p < e.Open:
		return e.Long, "unfinished sound"
	case p >= 0 && p < e.Done:
		return e.Middle, "perhaps finished"
	}
	return e.Short, "finished"
}
