package agent

import (
	"cmp"
	"time"

	"parley/agent/turn"
)

// core decides what a conversation says and does, and remembers it. It is pure: it knows what it is given and the moment of
// that, tells of every input before it acts on it, and has its acts done by others. One goroutine uses it.
type core struct {
	profile Profile
	tell    func(Event)             // gets what happens, in order
	do      func(act) time.Duration // does an act at once; of a cut, how much had been sent

	now   time.Duration
	seq   uint64
	cause uint64 // Seq of the input that is dealt with

	machine *turn.Machine
	history history
	answers answers
	player  player
	aloud   aloud
	view    view
	bill    Bill
	leave   error // the conversation is over: why
}

// view is what was told to whoever follows the conversation.
type view struct {
	state     string
	voice     time.Duration // when the caller was last heard
	final     time.Duration // when the last final text came
	partial   string
	leaving   int   // the turn after whose answer the conversation ends
	finishing bool  // the end-of-turn model has been asked
	sorry     bool  // no answer came: that is to be said
	why       error // of leaving; nil: goodbye was said
}

// act is one thing to be done. Which fields count depends on kind.
type act struct {
	kind  actKind
	reply int           // begin, release, cancel, cut
	turn  int           // finish, begin
	back  time.Duration // resume
	asked *Asked        // begin
	why   error         // cancel
}

type actKind uint8

const (
	hold    actKind = iota // pause the line
	resume                 // let it go on
	flush                  // ask the recognizer for what it has
	finish                 // ask the end-of-turn model
	begin                  // make an answer; it waits for its release before it sounds
	release                // let it sound
	cancel                 // give it up
	cut                    // give it up while it sounds: the line is silent from now on
)

// arrival is one thing that the core takes: an input of the turn machine, or another.
type arrival struct {
	step turn.Input
	echo *Echo  // of step: it may be the agent's own sound
	took *Taken // nil: step
	err  error  // of took
}

func newCore(p Profile) *core {
	p = p.WithDefaults()
	return &core{profile: p, machine: turn.New(p.Turn), history: history{limit: historyLimit}}
}

// take deals with an arrival.
func (c *core) take(now time.Duration, a arrival) {
	c.now, c.cause = now, 0
	if a.took == nil {
		echo := c.sift(&a.step, a.echo)
		c.stepped(a.step, echo)
		return
	}
	c.cause = c.emit(Event{Kind: Took, Took: a.took})
	switch t := a.took; t.Kind {
	case Begun:
		c.show("listening")
		if c.profile.Greeting != "-" {
			c.step(turn.Input{Kind: turn.Said, Text: c.profile.Greeting})
		}
	case Came:
		c.input(*t.Input)
	case Ended:
		c.ended(t, a.err)
		c.afford()
	case Spent:
		c.spent(t)
		c.afford()
	case Noticed, Moved:
		c.trouble(t, a.err)
	case Failed:
		c.failed(t, a.err)
	case Over:
		c.leave = a.err
	default:
		c.made(t)
	}
	if c.leave != nil {
		c.end()
	}
}

func (c *core) input(in Input) {
	switch in.Kind {
	case Typed:
		c.step(turn.Input{Kind: turn.Typed, Text: in.Text})
	case Mute:
		c.step(turn.Input{Kind: turn.Muted, On: in.On})
	case Key:
		c.step(turn.Input{Kind: turn.Key, Text: in.Text})
	case PathLost:
		c.step(turn.Input{Kind: turn.PathLost, At: in.At})
	case PathBack:
		c.step(turn.Input{Kind: turn.PathBack})
	case Played:
		c.player.lag = in.At
	case HangUp:
		c.leave = ErrHungUp
	}
}

// step lets the machine decide and acts on it.
func (c *core) step(in turn.Input) { c.stepped(in, nil) }

// stepped is step of a result that may be an echo.
func (c *core) stepped(in turn.Input, echo *Echo) {
	e := turn.Entry{Now: c.now, In: in, Out: c.machine.Step(c.now, in)}
	e.Wake, _ = c.machine.Wake()
	before := c.cause
	c.cause = c.emit(Event{Kind: Step, Step: &e, Echo: echo})
	c.note(in)
	for _, d := range e.Out {
		c.act(d)
	}
	c.show(c.answers.state())
	if c.view.sorry {
		c.view.sorry = false
		c.step(turn.Input{Kind: turn.Said, Text: c.profile.Sorry})
	}
	c.cause = before
}

// note keeps what the measures and the captions need of an input.
func (c *core) note(in turn.Input) {
	c.view.voice = min(c.view.voice, c.machine.LastVoice()) // what was heard later was a cough
	switch in.Kind {
	case turn.Score:
		c.view.voice = c.machine.LastVoice()
	case turn.Final:
		c.view.final = c.now
		c.caption(in.Text, false)
	case turn.Partial:
		c.caption(in.Text, false)
	case turn.Finished:
		c.view.finishing = false
	case turn.Began:
		c.began(in.Turn)
	}
}

// caption tells the caller's words. Words that turn out to be none are taken back by an empty final text.
func (c *core) caption(text string, final bool) {
	final = final || text == ""
	if text == c.view.partial && (text == "" || !final) {
		return
	}
	c.view.partial = text
	c.emit(Event{Kind: User, Turn: c.answers.turn + 1, Text: text, Final: final})
}

func (c *core) act(d turn.Decision) {
	switch d.Kind {
	case turn.Hold:
		c.player.line(c.now, false)
		if c.answers.state() == "speaking" {
			c.aloud.last = c.now
		}
		c.do(act{kind: hold})
	case turn.Resume:
		c.caption("", true)
		c.player.line(c.now, true)
		c.do(act{kind: resume, back: d.Back})
	case turn.Interrupt:
		c.interrupt(d)
	case turn.Flush:
		c.do(act{kind: flush})
		c.finish(d.Turn)
	case turn.Think:
		c.think(d)
	case turn.Discard:
		c.discard(ErrDiscarded)
	case turn.Commit:
		c.commit(d)
	case turn.Obey:
		c.obey(d)
	default:
		c.own(d)
	}
}

// own says what no model writes.
func (c *core) own(d turn.Decision) {
	switch d.Kind {
	case turn.Say:
		if d.Reason == turn.Unheard {
			d.Text = c.profile.Pardon
		}
		c.say(d.Turn, d.Text)
	case turn.CheckIn:
		c.say(d.Turn, c.profile.CheckIn)
	case turn.GiveUp:
		c.view.leaving = d.Turn
		c.say(d.Turn, c.profile.Goodbye)
	}
}

func (c *core) obey(d turn.Decision) {
	c.caption(d.Reason, true)
	c.answers.turn = d.Turn
	if d.Text == "goodbye" {
		c.view.leaving = d.Turn
		c.say(d.Turn, c.profile.Goodbye)
	}
}

// finish asks the end-of-turn model about the silence that was just flushed, one question at a time.
func (c *core) finish(next int) {
	if !c.view.finishing && c.answers.state() == "listening" {
		c.view.finishing = true
		c.do(act{kind: finish, turn: next})
	}
}

// ended takes what became of an answer.
func (c *core) ended(t *Taken, err error) {
	r := c.answers.end(t.Reply)
	if r == nil {
		return
	}
	c.billed(r)
	if r.discarded {
		return // a prepared answer that was thrown away leaves no trace but its cost
	}
	said := r.said(t.Long, t.Text == "" || t.Code != "tts") // a voice that failed has not said all that it was given
	said.Done = true
	if r.began && !r.interrupted {
		r.aloud = c.aloud.add(c.now, said.Heard, said.Heard, r.aloud)
	}
	c.history.answer(r.turn, said)
	c.emit(Event{Kind: Answer, Turn: r.turn, Said: &said})
	c.step(turn.Input{Kind: turn.Ended, Turn: r.turn})
	if r.turn == c.view.leaving {
		c.leave = cmp.Or(c.view.why, ErrGoodbye)
	}
	if t.Text == "" && !r.interrupted {
		c.answers.letter = cmp.Or(r.perLetter(), c.answers.letter)
	}
	if t.Text == "" || r.interrupted {
		return
	}
	c.trouble(t, err)
	if r.fixed == "" && said.Heard == "" && c.view.leaving == 0 {
		c.step(turn.Input{Kind: turn.Said, Text: c.profile.Sorry})
	}
}

// part says a last text, then the conversation ends for a reason.
func (c *core) part(why error, text string) {
	c.view.why = why
	c.step(turn.Input{Kind: turn.Said, Text: text})
	c.view.leaving = c.answers.turn
}

// failed takes that the audio has ended, or an engine's work for good. Without that engine nobody is understood any more: it is said,
// and then the conversation ends.
func (c *core) failed(t *Taken, err error) {
	if t.Code == "" {
		c.leave = err
		return
	}
	c.trouble(t, err)
	if c.view.leaving == 0 {
		c.part(err, c.profile.Deaf)
	}
}

// trouble tells that an engine failed.
func (c *core) trouble(t *Taken, err error) {
	text := plainly(t.Code, t.Class)
	switch t.Kind {
	case Moved:
		text = engineName(t.Code) + " failed. Another one goes on in its place."
	case Failed:
		text = engineName(t.Code) + " failed for good. The conversation ends."
	}
	c.emit(Event{Kind: Trouble, Code: t.Code, Text: text, Err: err})
}

// end tells that the conversation is over.
func (c *core) end() {
	e := Event{Kind: End, Text: c.leave.Error(), Err: c.leave}
	if c.bill.Requests > 0 {
		e.Bill = &c.bill
	}
	c.emit(e)
}

func (c *core) show(state string) {
	if state != c.view.state {
		c.view.state = state
		c.emit(Event{Kind: State, Text: state})
	}
}

// emit tells of an event and returns its number.
func (c *core) emit(e Event) uint64 {
	c.seq++
	e.Seq, e.At, e.Cause = c.seq, c.now, c.cause
	if e.Step != nil {
		e.Step.Seq = c.seq
	}
	c.tell(e)
	return c.seq
}
