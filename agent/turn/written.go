package turn

// typed takes a typed text. Words that were spoken before it and are not known yet are waited for, so that both are one turn, in
// their order; that takes no longer than the recognizer may.
func (m *Machine) typed(text string) {
	if plain(text) == "" {
		return
	}
	m.discard("the caller typed")
	m.active()
	m.word()
	if command(text) != "" { // it is about what came before, too
		m.send()
	}
	switch {
	case m.obey(text):
	case m.agent.doing == idle && m.ear.spoke && !m.ear.voice && !m.settled():
		m.keys.written = joined(m.keys.written, text)
	default:
		m.write(text)
	}
}

// write takes what was typed or pressed as the caller's turn, after what was said before it.
func (m *Machine) write(text string) {
	text = joined(m.keys.written, text)
	words, known := m.words(), m.settled() || !m.ear.spoke
	if known && m.agent.doing == idle && plain(words) != "" {
		text = joined(words, text)
	}
	m.begin(Commit, text, Written)
	if known { // else what was said is still to come
		m.ear.dealt()
		m.text.done(m.ear.at)
	}
}

// send takes what was typed, and waits, as the caller's turn.
func (m *Machine) send() {
	if m.keys.written != "" {
		m.write("")
	}
}

// joined is one text after the other.
func joined(first, second string) string {
	if first == "" || second == "" {
		return first + second
	}
	return first + " " + second
}
