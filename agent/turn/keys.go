package turn

import (
	"strings"
	"time"
)

// keys are what the caller has pressed and was not answered yet.
type keys struct {
	pressed string
	at      time.Duration // the last one
	written string        // typed after words that are not known yet
}

// maxKeys is more than any number that somebody dials.
const maxKeys = 64

// key takes a pressed key. It has the agent fall silent, as every menu on a telephone does, and # ends the number.
func (m *Machine) key(k string) {
	if m.gone || len(k) != 1 || !strings.Contains("0123456789*#ABCD", k) || len(m.keys.pressed) >= maxKeys {
		return
	}
	m.active()
	m.word()
	m.discard("a key")
	m.interrupt("a key")
	m.keys.pressed, m.keys.at = m.keys.pressed+k, m.now
	if k == "#" && !m.path.lost {
		m.dial()
	}
}

// dial takes the keys as the caller's turn, after what was said and typed before them.
func (m *Machine) dial() {
	text := KeysPressed + strings.Join(strings.Split(m.keys.pressed, ""), " ")
	m.keys = keys{written: m.keys.written}
	m.write(text)
}
