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

	quiet   time.Duration // since when nobody has spoken or typed
	checked bool          // the caller was asked in this silence
	gone    bool          // we said goodbye
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
	return &Machine{c: c.withDefaults(), pause: pause{heard: -1}}
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
		m.begin(Say, in.Text, "of its own")
	case Typed:
		m.typed(in.Text)
	case Muted:
		m.mute(in.On)
	}
	m.settle()
	return m.out
}

func (m *Machine) decide(d Decision) { m.out = append(m.out, d) }

// begin starts the next turn's answer.
func (m *Machine) begin(k DecisionKind, text, reason string) {
	m.interrupt("something else is to be said")
	m.turn, m.told = m.turn+1, false
	m.agent = floor{doing: answering, since: m.now}
	m.pause = pause{heard: -1}
	m.decide(Decision{Kind: k, Turn: m.turn, Text: text, Reason: reason})
}

func (m *Machine) interrupt(reason string) {
	if m.agent.doing == idle {
		return
	}
	m.agent = floor{}
	m.quiet = m.now
	m.decide(Decision{Kind: Interrupt, Turn: m.turn, Reason: reason})
}

func (m *Machine) discard(reason string) {
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
	if !m.checked {
		m.quiet = m.now
	}
}

func (m *Machine) typed(text string) {
	if plain(text) == "" {
		return
	}
	m.discard("the caller typed")
	m.active()
	if !m.obey(text) {
		m.begin(Commit, text, "typed")
	}
	m.text.done(m.ear.at)
}

func (m *Machine) mute(on bool) {
	m.ear.muted = on
	if on {
		m.ear.voice, m.ear.run = false, 0
	}
	m.quiet, m.checked = m.now, false
}

func (m *Machine) active() { m.quiet, m.checked = m.now, false }

// obey carries out a text that is a command.
func (m *Machine) obey(text string) bool {
	c := command(text)
	if c == "" || m.gone {
		return false
	}
	m.discard("a command")
	m.text.done(m.ear.at)
	m.ear.spoke = m.ear.voice
	if c == "stop" {
		m.interrupt("told to stop")
		m.turn++
		m.agent, m.pause = floor{}, pause{heard: -1}
		m.decide(Decision{Kind: Obey, Turn: m.turn, Text: c, Reason: text})
		return true
	}
	m.gone = true
	m.begin(Obey, c, text)
	return true
}

// score feeds the voice hysteresis.
func (m *Machine) score(in Input) {
	switch m.ear.hear(m.now, in, m.c.Voice) {
	case onset:
		m.active()
		m.discard("the caller goes on")
		m.pause = pause{heard: -1}
		if m.agent.doing != idle && !m.agent.held {
			m.agent.held = true
			m.decide(Decision{Kind: Hold, Turn: m.turn, Reason: "a voice"})
		}
	case offset:
		m.quiet = m.now
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
}

// settle decides what follows from the state at m.now. It runs after every input, so that a deadline that
// has passed is never waited for.
func (m *Machine) settle() {
	if m.ear.expire(m.now) {
		m.pause.asked = false
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

// during: the agent has the floor.
func (m *Machine) during() {
	words := m.text.fresh()
	if command(words) == "stop" && m.settled() {
		m.obey(words)
		return
	}
	if m.weighty(words) {
		reason := "words"
		if m.agent.doing == answering {
			reason = "the caller goes on"
		}
		m.interrupt(reason)
		if m.ear.spoke = true; !m.ear.voice { // heard by the recognizer only, or later than the voice
			m.ear.last = max(m.ear.last, m.now-m.c.End.Ahead)
		}
		m.after()
		return
	}
	if m.agent.doing == answering && !m.agent.held && m.due(m.agent.since+m.c.Silence.Answer) {
		m.interrupt("no answer came")
		return
	}
	if m.ear.spoke {
		m.weigh(words)
	}
}

// weigh finds out whether the voice that is heard while the agent has the floor means anything.
func (m *Machine) weigh(words string) {
	if at, ok := m.ask(); ok && m.due(at) {
		m.flush()
	}
	if !m.pause.asked || m.pause.open && !m.due(m.pause.at+m.c.Interrupt.Text) {
		return
	}
	late := m.pause.open
	m.pause.open = false
	if m.ear.voice && !late { // no words yet: ask once more, then take it for noise
		m.pause.asked = false
		if m.pause.empty++; m.pause.empty < 2 {
			return
		}
	}
	switch {
	case late:
		m.resume("no text came")
	case words != "" && !noises[plain(words)]:
		m.resume("backchannel")
	default:
		m.resume("noise")
	}
	if m.ear.voice {
		return
	}
	m.ear.spoke = false
	if !late { // late words may still interrupt
		m.text.done(m.ear.at)
	}
}

func (m *Machine) resume(reason string) {
	if !m.agent.held {
		return
	}
	m.agent.held = false
	m.decide(Decision{Kind: Resume, Turn: m.turn, Back: m.c.Interrupt.Rewind, Reason: reason})
}

// weighty tells words that take the floor.
func (m *Machine) weighty(words string) bool {
	p := plain(words)
	if p == "" || backchannels[p] || noises[p] && command(words) == "" || command(words) == "stop" {
		return false
	}
	n := 1
	for _, r := range p {
		if r == ' ' {
			n++
		}
	}
	return n >= m.c.Interrupt.Words
}

// ask is when the recognizer is to be flushed next.
func (m *Machine) ask() (time.Duration, bool) {
	switch {
	case m.pause.asked || !m.ear.spoke:
		return 0, false
	case !m.ear.voice:
		return m.ear.last + m.c.End.Ahead, true
	case m.agent.doing != idle:
		return m.ear.begun + m.c.Interrupt.Ask<<min(m.pause.empty, 6), true
	}
	return 0, false
}

func (m *Machine) flush() {
	m.pause.asked, m.pause.open = true, true
	m.pause.at, m.pause.mark = m.now, m.ear.at
	m.decide(Decision{Kind: Flush, Turn: m.turn + 1})
}

// settled: what was said so far is known.
func (m *Machine) settled() bool { return m.pause.asked && !m.pause.open }

// after: the caller has the floor or has just left it.
func (m *Machine) after() {
	if m.ear.voice {
		return
	}
	if at, ok := m.ask(); ok && m.due(at) {
		m.flush()
	}
	if m.pause.open && m.due(m.pause.at+m.c.End.Text) {
		m.pause.open = false
	}
	if !m.settled() {
		return
	}
	words := m.words()
	if plain(words) == "" { // a noise
		m.ear.spoke = false
		m.text.done(m.ear.at)
		return
	}
	if words != m.pause.thought && command(words) == "" {
		m.discard("the text changed")
		m.pause.thought = words
		m.decide(Decision{Kind: Think, Turn: m.turn + 1, Text: words})
	}
	wait, reason := m.wait(words)
	if m.due(m.over(wait)) {
		if m.obey(words) {
			return
		}
		m.pause.thought = ""
		m.ear.spoke = false
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

// silent: nobody has the floor.
func (m *Machine) silent() {
	if m.ear.muted || m.gone {
		return
	}
	if lasts(m.c.Silence.GiveUp) && m.due(m.quiet+m.c.Silence.GiveUp) {
		m.gone = true
		m.begin(GiveUp, "", "nobody speaks")
		return
	}
	if !m.checked && lasts(m.c.Silence.CheckIn) && m.due(m.quiet+m.c.Silence.CheckIn) {
		m.checked = true // the silence goes on meanwhile
		m.begin(CheckIn, "", "nobody speaks")
	}
}

func lasts(d time.Duration) bool { return d > 0 }

func (m *Machine) due(at time.Duration) bool { return m.now >= at }

// LastVoice is when the caller's voice was last heard; what is waited for is counted from there. Zero: never.
func (m *Machine) LastVoice() time.Duration { return m.ear.last }

// Wake is when the machine wants a Tick if nothing happens before, and whether it wants one at all. It is
// later than the last Step.
func (m *Machine) Wake() (time.Duration, bool) {
	w := wake{}
	if m.ear.voice {
		w.at(m.ear.heard + stall)
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
	if m.pause.open && m.ear.spoke {
		w.at(m.pause.at + m.c.Interrupt.Text)
	}
	if m.agent.doing == answering && !m.agent.held {
		w.at(m.agent.since + m.c.Silence.Answer)
	}
}

func (m *Machine) wakeAfter(w *wake) {
	if m.pause.open {
		w.at(m.pause.at + m.c.End.Text)
	} else if m.settled() {
		d, _ := m.wait(m.words())
		w.at(m.over(d))
	}
}

func (m *Machine) wakeSilent(w *wake) {
	if !m.checked && lasts(m.c.Silence.CheckIn) {
		w.at(m.quiet + m.c.Silence.CheckIn)
	}
	if lasts(m.c.Silence.GiveUp) {
		w.at(m.quiet + m.c.Silence.GiveUp)
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
