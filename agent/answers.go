package agent

import (
	"slices"
	"time"

	"parley/agent/turn"
	"parley/llm"
	"parley/media"
)

// answers are those that are not over: at most one that was committed and one that is prepared, and such as were given up
// and have not yet said so.
type answers struct {
	turn     int // the newest turn that was committed
	count    int // how many were begun
	all      []*answer
	speaking *answer
	prepared *answer
	letter   time.Duration // how long a voice that does not tell its words sounds for one, by the last answer; 0: not known
}

// answer is one answer as the core knows it.
type answer struct {
	n           int // its number
	turn        int
	text        string // what it answers
	fixed       string // said without a model
	interrupted bool
	discarded   bool
	began       bool
	since       since
	shown       string        // heard text that was last told
	aloud       int           // words of it that were sent aloud
	ahead       time.Duration // when it was interrupted: sent, but not played
	bill        Bill

	made
}

// since is what an answer's latency is told from.
type since struct {
	voice        time.Duration // when the caller was last heard before it
	commit, text time.Duration
}

// state is what a person would say that the agent does.
func (a *answers) state() string {
	switch s := a.speaking; {
	case s == nil || s.interrupted:
		return "listening"
	case s.began:
		return "speaking"
	}
	return "thinking"
}

// find is the answer of a number, nil if it is over.
func (a *answers) find(n int) *answer {
	if i := slices.IndexFunc(a.all, func(r *answer) bool { return r.n == n }); i >= 0 {
		return a.all[i]
	}
	return nil
}

// end takes an answer out.
func (a *answers) end(n int) *answer {
	r := a.find(n)
	a.all = slices.DeleteFunc(a.all, func(o *answer) bool { return o == r })
	switch {
	case r == nil:
	case a.speaking == r:
		a.speaking = nil
	case a.prepared == r: // the call is over
		a.prepared = nil
	}
	return r
}

// discard gives the prepared answer up.
func (c *core) discard(why error) {
	if r := c.answers.prepared; r != nil {
		r.discarded = true
		c.answers.prepared = nil
		c.do(act{kind: cancel, reply: r.n, why: why})
	}
}

// start begins to make an answer; it waits for its release before it sounds.
func (c *core) start(r *answer, messages []llm.Message) *answer {
	c.answers.count++
	r.n, r.usual = c.answers.count, c.answers.letter
	c.answers.all = append(c.answers.all, r)
	asked := &Asked{Reply: r.n, Text: r.fixed, Messages: messages}
	c.emit(Event{Kind: Ask, Turn: r.turn, Asked: asked})
	c.do(act{kind: begin, reply: r.n, turn: r.turn, asked: asked})
	return r
}

// think prepares the answer to a turn that is not over yet. The history does not know of it.
func (c *core) think(d turn.Decision) {
	c.discard(ErrDiscarded)
	if c.answers.speaking != nil && !c.answers.speaking.interrupted {
		return
	}
	h := history{turns: slices.Clone(c.history.turns)}
	h.ask(d.Turn, d.Text)
	c.answers.prepared = c.start(&answer{turn: d.Turn, text: d.Text}, h.messages())
}

// commit lets an answer sound: the prepared one if it answers this text, else a new one.
func (c *core) commit(d turn.Decision) {
	if old := c.history.ask(d.Turn, d.Text); old != 0 { // its words stand in this turn now
		c.emit(Event{Kind: User, Turn: old, Final: true})
	}
	c.caption(c.history.asked(), true)
	c.history.trim()
	r := c.answers.prepared
	if r == nil || r.turn != d.Turn || r.text != d.Text {
		c.discard(ErrDiscarded)
		r = c.start(&answer{turn: d.Turn, text: d.Text}, c.history.messages())
	}
	r.since = since{voice: c.view.voice, commit: c.now, text: c.view.final}
	if d.Reason == turn.Written { // nothing was spoken
		r.since.voice, r.since.text = c.now, c.now
	}
	c.release(r)
}

// say speaks a text of the agent's own.
func (c *core) say(n int, text string) {
	c.discard(ErrDiscarded)
	c.history.ask(n, "")
	c.release(c.start(&answer{turn: n, fixed: text}, nil))
}

func (c *core) release(r *answer) {
	c.answers.prepared = nil
	if old := c.answers.speaking; old != nil && !old.interrupted {
		old.interrupted, old.ahead = true, c.player.ahead(c.now)
		c.do(act{kind: cancel, reply: old.n, why: ErrBargeIn})
	}
	c.answers.speaking, c.answers.turn = r, r.turn
	c.view.partial = ""
	c.player.line(c.now, true)
	c.do(act{kind: release, reply: r.n})
}

// interrupt gives up what is spoken and notes at once what was heard of it: the line is held, so that is known before the
// answer itself has unwound.
func (c *core) interrupt(d turn.Decision) {
	c.discard(ErrBargeIn)
	r := c.answers.speaking
	if r == nil {
		return
	}
	r.interrupted, r.ahead = true, c.player.ahead(c.now)
	c.player.line(c.now, false)
	c.view.sorry = d.Reason == turn.NoAnswer && r.fixed == ""
	sent := c.do(act{kind: cut, reply: r.n, why: ErrBargeIn})
	if !r.began {
		sent = 0
	}
	c.emit(Event{Kind: Took, Took: &Taken{Kind: Cut, Reply: r.n, Long: sent}})
	c.history.answer(r.turn, r.said(sent, false))
}

// began tells how long an answer took.
func (c *core) began(n int) {
	r := c.answers.speaking
	if r == nil || r.turn != n || r.began {
		return
	}
	r.began = true
	r.aloud = c.aloud.add(c.now, "", r.upTo(aloudLead), r.aloud)
	if r.fixed != "" || r.since.voice == 0 {
		return
	}
	since := func(t time.Duration) time.Duration {
		if t == 0 {
			return 0
		}
		return t - r.since.voice
	}
	c.emit(Event{Kind: Timing, Turn: n, Measured: Measured{Latency: &Latency{Commit: since(r.since.commit), Text: since(r.since.text),
		Token: since(r.times.token), Phrase: since(r.times.phrase), Audio: since(r.times.audio), Sent: since(c.now)}}})
}

// made takes more of an answer.
func (c *core) made(t *Taken) {
	r := c.answers.find(t.Reply)
	if r == nil {
		return
	}
	first := func(at *time.Duration) {
		if *at == 0 {
			*at = c.now
		}
	}
	switch t.Kind {
	case Wrote:
		first(&r.times.token)
		r.generated += t.Text
	case Phrased:
		first(&r.times.phrase)
		r.phrases = append(r.phrases, phrase{t.Text, r.audio})
	case Sounded:
		first(&r.times.audio)
		r.audio += t.Long
		r.words = append(r.words, t.Words...)
	case Heard:
		c.heard(r, t.Long)
	}
}

// heard tells the words that were heard meanwhile.
func (c *core) heard(r *answer, sent time.Duration) {
	if r != c.answers.speaking || r.interrupted {
		return
	}
	r.aloud = c.aloud.add(c.now, r.upTo(sent), r.upTo(sent+aloudLead), r.aloud)
	said := r.said(sent, false)
	if said.Heard == r.shown {
		return
	}
	r.shown = said.Heard
	c.emit(Event{Kind: Answer, Turn: r.turn, Said: &said})
}

// said is the answer's three texts once sent of its sound has gone out.
func (r *answer) said(sent time.Duration, done bool) Said {
	sent = max(0, sent-r.ahead)
	s := Said{Generated: r.generated, Sent: r.sent(), Done: done, Interrupted: r.interrupted}
	s.Heard = s.Sent
	if !done || r.interrupted || r.audio == 0 || sent < r.audio-media.FrameDuration {
		s.Heard = r.upTo(sent)
	}
	return s
}

// player is what is known of the caller's player: it plays what was sent, a lag later.
type player struct {
	lag   time.Duration // as last reported; 0: not known
	on    bool          // the line sends
	since time.Duration // since when it does, or does not
	then  time.Duration // how far the player was behind at that moment
}

// ahead is how much of what was sent is not played yet. While the line is held the player catches up.
func (p *player) ahead(now time.Duration) time.Duration {
	if p.on {
		return max(0, min(p.lag, p.then+now-p.since))
	}
	return max(0, p.then-(now-p.since))
}

// line says that the line sends from now on, or does not.
func (p *player) line(now time.Duration, on bool) {
	if on != p.on {
		p.then, p.since, p.on = p.ahead(now), now, on
	}
}
