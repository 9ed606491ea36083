package turn

import "time"

// A Machine decides for one conversation. It is made with New and used by one goroutine.
type Machine struct {
	c    Config
	now  time.Duration
	out  []Decision
	turn int  // the newest turn that was begun: its answer is what the agent says
	told bool // the caller has heard some of that answer

	ear   ear
	pause pause
	text  text
	agent floor
	path  path
	keys  keys
	pace  pace

	silence  silence
	pardoned bool // we said that we did not understand, and have understood nothing since
	gone     bool // we said goodbye
}

// silence is one in which nobody speaks or types.
type silence struct {
	since   time.Duration
	checked bool // the caller was asked in it
	given   bool // the caller asked for time, and has said nothing since
}

// pause is what is known about the present end of the caller's speech. Voice starts a new one.
type pause struct {
	asked   bool          // the recognizer was flushed
	open    bool          // and has not answered yet
	at      time.Duration // when it was
	mark    time.Duration // up to where on the caller's timeline
	heard   float32       // how finished it sounds; negative: not known
	thought string        // the text whose answer is being prepared
	empty   int           // flushes without words, in one voice
	late    bool          // it did not answer in time
	cough   cough         // what interrupted it
}

// floor is the agent's side.
type floor struct {
	doing doing
	since time.Duration
	held  bool
}

type doing uint8

const (
	idle doing = iota
	answering
	speaking
)

// New makes a machine at the beginning of a conversation, at the moment zero.
func New(c Config) *Machine {
	return &Machine{c: c.WithDefaults(), pause: pause{heard: -1}, pace: pace{by: 1}}
}

// Step takes what happened at now, which never goes back, and returns what is to be done, in order. The
// slice is the caller's.
func (m *Machine) Step(now time.Duration, in Input) []Decision {
	m.now, m.out = max(now, m.now), nil
	switch in.Kind {
	case Score:
		m.score(in)
	case Partial, Final:
		m.hear(in)
	case Finished:
		if in.Turn == m.turn+1 && m.pause.asked {
			m.pause.heard = in.P
		}
	case Began:
		if in.Turn == m.turn && m.agent.doing == answering {
			m.agent.doing, m.agent.since, m.told = speaking, m.now, true
		}
	case Ended:
		m.ended(in.Turn)
	case Said:
		m.send()
		m.begin(Say, in.Text, "of its own")
	case Typed:
		m.typed(in.Text)
	case Muted:
		m.mute(in.On)
	default:
		m.beside(in)
	}
	m.settle()
	return m.out
}

// beside takes what comes beside the conversation.
func (m *Machine) beside(in Input) {
	switch in.Kind {
	case Key:
		m.key(in.Text)
	case PathLost:
		m.lose(in.At)
	case PathBack:
		m.find()
	}
}

func (m *Machine) decide(d Decision) { m.out = append(m.out, d) }

// begin starts the next turn's answer.
func (m *Machine) begin(k DecisionKind, text, reason string) {
	m.interrupt("something else is to be said")
	m.turn, m.told = m.turn+1, false
	m.agent, m.keys.written = floor{doing: answering, since: m.now}, ""
	m.pause = pause{heard: -1}
	m.decide(Decision{Kind: k, Turn: m.turn, Text: text, Reason: reason})
	if m.path.lost {
		m.path.voice = false // what the voice held is over
		m.hold("the path is lost")
	}
}

// hold pauses the agent, if it is not paused yet.
func (m *Machine) hold(reason string) {
	if m.agent.doing == idle || m.agent.held {
		return
	}
	m.agent.held = true
	m.decide(Decision{Kind: Hold, Turn: m.turn, Reason: reason})
}

func (m *Machine) interrupt(reason string) {
	if m.agent.doing == idle {
		return
	}
	m.agent = floor{}
	m.silence.since = m.now
	m.decide(Decision{Kind: Interrupt, Turn: m.turn, Reason: reason})
}

func (m *Machine) discard(reason string) {
	m.pause.cough = cough{}
	if m.pause.thought == "" {
		return
	}
	m.pause.thought = ""
	m.decide(Decision{Kind: Discard, Turn: m.turn + 1, Reason: reason})
}

func (m *Machine) ended(turn int) {
	if turn != m.turn || m.agent.doing == idle {
		return
	}
	m.agent = floor{}
	if !m.silence.checked {
		m.silence.since = m.now
	}
}

func (m *Machine) mute(on bool) {
	m.ear.muted = on
	if on {
		m.ear.voice, m.ear.run = false, 0
	}
	m.silence.since, m.silence.checked = m.now, false
}

func (m *Machine) active() { m.silence.since, m.silence.checked = m.now, false }

// word: the caller said, typed or pressed something.
func (m *Machine) word() { m.silence.given, m.pardoned = false, false }

// obey carries out a text that is a command.
func (m *Machine) obey(text string) bool {
	c := command(text)
	if c == "" || m.gone {
		return false
	}
	m.discard("a command")
	m.text.done(m.ear.at)
	m.ear.dealt()
	if c != "goodbye" {
		m.interrupt("told to " + c)
		m.turn, m.told = m.turn+1, true // what follows is another turn
		m.agent, m.pause, m.keys.written = floor{}, pause{heard: -1}, ""
		if m.silence.given = c == "wait"; m.silence.given {
			m.active()
		}
		m.decide(Decision{Kind: Obey, Turn: m.turn, Text: c, Reason: text})
		return true
	}
	m.gone = true
	m.begin(Obey, c, text)
	return true
}

// score feeds the voice hysteresis.
func (m *Machine) score(in Input) {
	if m.path.lost { // silence, because nothing comes
		m.ear.at, m.ear.heard = in.At, m.now
		return
	}
	last, spoke := m.ear.last, m.ear.spoke && m.agent.doing == idle
	switch m.ear.hear(m.now, in, m.c.Voice) {
	case onset:
		m.active()
		m.send()
		m.breaks(last)
		if spoke {
			m.breathed(last)
		}
		m.hold("a voice")
	case offset:
		m.silence.since = m.now
		m.pause.asked = false
	}
}

// hear takes text from the recognizer.
func (m *Machine) hear(in Input) {
	if !m.text.put(in) {
		return
	}
	if in.Kind == Final && m.pause.open && in.At >= m.pause.mark {
		m.pause.open = false
	}
	if m.pause.late && m.agent.doing == idle && !m.ear.spoke && plain(m.text.fresh()) != "" { // better late than never
		m.ear.spoke = true
	}
}

// settle decides what follows from the state at m.now. It runs after every input, so that a deadline that
// has passed is never waited for.
func (m *Machine) settle() {
	if m.path.lost {
		return
	}
	if m.ear.expire(m.now) {
		m.pause.asked = false
	}
	if m.keys.pressed != "" && m.due(m.keys.at+m.c.End.Keys) {
		m.dial()
	}
	switch {
	case m.agent.doing != idle:
		m.during()
	case m.ear.spoke:
		m.after()
	default:
		m.silent()
	}
}

// silent: nobody has the floor.
func (m *Machine) silent() {
	if m.ear.muted || m.gone {
		return
	}
	checkIn, giveUp := m.silences()
	if lasts(giveUp) && m.due(m.silence.since+giveUp) {
		m.gone = true
		m.begin(GiveUp, "", "nobody speaks")
		return
	}
	if !m.silence.checked && lasts(checkIn) && m.due(m.silence.since+checkIn) {
		m.silence.checked = true // the silence goes on meanwhile
		m.begin(CheckIn, "", "nobody speaks")
	}
}

// silences are how long one may last now.
func (m *Machine) silences() (checkIn, giveUp time.Duration) {
	q := m.c.Silence
	switch {
	case !m.silence.given:
		return q.CheckIn, q.GiveUp
	case !lasts(q.Asked):
		return -1, -1
	}
	more := max(0, q.Asked-max(0, q.CheckIn))
	if checkIn = q.CheckIn; lasts(checkIn) {
		checkIn += more
	}
	if giveUp = q.GiveUp; lasts(giveUp) {
		giveUp += more
	}
	return checkIn, giveUp
}

func lasts(d time.Duration) bool { return d > 0 }

func (m *Machine) due(at time.Duration) bool { return m.now >= at }

// LastVoice is when the caller's voice was last heard; what is waited for is counted from there. Zero: never.
func (m *Machine) LastVoice() time.Duration { return m.ear.last }
