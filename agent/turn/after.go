package turn

import (
	"strings"
	"time"

	"parley/agent/turn/ending"
)

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
	if m.keys.written != "" && m.keys.pressed == "" {
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
		m.takes()
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

// wait is how much silence ends the turn, by its words, their sound and how this caller speaks.
func (m *Machine) wait(words string) (time.Duration, string) {
	d, reason := m.usual(words)
	return m.paced(d), reason
}

// usual is the wait by words and sound.
func (m *Machine) usual(words string) (time.Duration, string) {
	e := m.c.End
	how := read(words)
	switch o := m.odds(words, how); {
	case command(words) != "":
		return e.Middle, "an order"
	case dictates(words):
		return e.Spelled, "spelled"
	case how == open:
		return e.Dangling, "unfinished words"
	case o < oddsOf(e.Open):
		return e.Long, "probably unfinished"
	case o < oddsOf(e.Done):
		return e.Middle, "perhaps finished"
	}
	return e.Short, "finished"
}

// What the end of a text adds to the odds that it is finished. A full stop says little: a recognizer puts one wherever a sound stops.
const (
	asked    = 4.0     // a question mark
	unmarked = 1.0 / 4 // no mark at all
	surest   = 256     // odds that the sound may give, or their inverse
	worded   = 8       // odds that words without their sound may give: a whole sentence may be one of many
)

// odds are those that the turn is finished, by its words, the mark behind them and their sound, each taken as independent of the others (the
// rule of Bayes, from even odds): products and quotients only, which every computer rounds alike.
func (m *Machine) odds(words string, how manner) float64 {
	o := min(ending.Odds(strings.Fields(plain(lastSentence(words)))), worded)
	switch {
	case strings.HasSuffix(words, "?"):
		o *= asked
	case how == vague:
		o *= unmarked
	}
	if m.pause.heard >= 0 {
		o *= oddsOf(m.pause.heard)
	}
	return o
}

func oddsOf(p float32) float64 {
	return max(1.0/surest, min(float64(p)/(1-float64(p)), surest))
}

// lastSentence is what stands behind the last mark within a text.
func lastSentence(text string) string {
	text = strings.TrimRight(text, " .?!")
	return text[strings.LastIndexAny(text, ".?!")+1:]
}
