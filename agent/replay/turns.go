package replay

import (
	"slices"
	"strings"
	"time"

	"parley/agent"
	"parley/agent/turn"
	"parley/tts"
)

// turns makes turns of a conversation's events. Taped is what its recognizer answered, if that was kept.
func turns(c *Conversation, taped []result) []Turn {
	d := digest{ear: newEar(c.Profile.Turn.WithDefaults().Voice), byN: map[int]*draft{}, voiced: map[int]sound{}, asked: map[int]int{}, answers: map[int]int{}}
	for i := range c.Events {
		d.take(&c.Events[i])
	}
	return d.finish(c, taped)
}

// digest follows a conversation.
type digest struct {
	ear     ear
	pending []Span   // of the caller's voice: of no turn yet
	results []result // of the recognizer since the last turn, one a start
	drafts  []*draft
	byN     map[int]*draft
	voiced  map[int]sound // by the number of the answer
	asked   map[int]int   // a turn's newest answer
	answers map[int]int   // an answer's turn
}

// sound is what the voice made of an answer.
type sound struct {
	long  time.Duration
	words []tts.Word
}

// draft is a turn as it is made.
type draft struct {
	Turn
	playback
	holding bool
	last    time.Duration // when something was told of its sound
	parts   []result      // that its words are of
}

// latest is the newest turn; before the first one that stands for it.
func (d *digest) latest() *draft {
	if len(d.drafts) == 0 {
		d.drafts = append(d.drafts, &draft{})
	}
	return d.drafts[len(d.drafts)-1]
}

func (d *digest) take(e *agent.Event) {
	switch e.Kind {
	case agent.Step:
		d.step(e.At, e.Step)
	case agent.Took:
		d.took(e.At, e.Took)
	case agent.Ask:
		d.asked[e.Turn] = e.Asked.Reply
		d.answers[e.Asked.Reply] = e.Turn
	case agent.Trouble:
		t := d.latest()
		t.Troubles = append(t.Troubles, Trouble{e.At, e.Code, e.Text})
	default:
		if t := d.byN[e.Turn]; t != nil {
			d.told(t, e)
		}
	}
}

// told takes what was told of a turn.
func (d *digest) told(t *draft, e *agent.Event) {
	switch {
	case e.Kind == agent.Answer:
		t.Answer = *e.Said
	case e.Kind == agent.Timing:
		t.Latency = e.Latency
	case e.Kind != agent.User || !e.Final:
	case e.Text != "":
		t.User = e.Text
	case t.User != "" && t != d.latest():
		d.unite(t)
	}
}

// unite makes a turn part of the newest.
func (d *digest) unite(old *draft) {
	t := d.latest()
	t.Voice = append(old.Voice, t.Voice...)
	t.Asides = append(old.Asides, t.Asides...)
	t.Holds = append(old.Holds, t.Holds...)
	t.Troubles = append(old.Troubles, t.Troubles...)
	t.parts = append(old.parts, t.parts...)
	d.drafts = slices.DeleteFunc(d.drafts, func(o *draft) bool { return o == old })
	delete(d.byN, old.N)
}

func (d *digest) took(now time.Duration, t *agent.Taken) {
	of := d.byN[d.answers[t.Reply]]
	if of != nil && d.asked[of.N] != t.Reply { // one that was thrown away
		of = nil
	}
	if t.Kind == agent.Sounded {
		s := d.voiced[t.Reply]
		if of != nil {
			of.made(now, s.long)
		}
		d.voiced[t.Reply] = sound{s.long + t.Long, append(s.words, t.Words...)}
	}
	if of == nil {
		return
	}
	of.last = now
	switch t.Kind {
	case agent.Heard:
		of.heard(now, t.Long)
	case agent.Cut, agent.Ended:
		of.end(now, t.Long)
	}
}

func (d *digest) step(now time.Duration, e *turn.Entry) {
	if s, ok := d.ear.hear(now, e.In); ok {
		d.voice(s)
	}
	switch e.In.Kind {
	case turn.Partial, turn.Final:
		d.result(result{Span{e.In.Start, e.In.At}, e.In.Text, nil})
	case turn.Began:
		if t := d.byN[e.In.Turn]; t != nil {
			t.begin(now)
			t.last = now
		}
	case turn.Ended:
		if t := d.byN[e.In.Turn]; t != nil {
			t.end(now, 0)
			t.release(now, "", "")
		}
	}
	for _, dec := range e.Out {
		d.decided(now, e.In, dec)
	}
}

func (d *digest) voice(s Span) {
	if s.To > s.From {
		d.pending = append(d.pending, s)
	}
}

// mostResults of the recognizer are held for the turn to come: more are of no speech.
const mostResults = 1000

// result notes what the recognizer heard. The same start replaces.
func (d *digest) result(r result) {
	i := slices.IndexFunc(d.results, func(o result) bool { return o.From == r.From })
	switch {
	case i >= 0:
		d.results[i] = r
	case len(d.results) < mostResults:
		d.results = append(d.results, r)
	default:
		d.results = append(d.results[1:], r)
	}
}

func (d *digest) decided(now time.Duration, in turn.Input, dec turn.Decision) {
	switch dec.Kind {
	case turn.Commit, turn.Obey, turn.Say, turn.CheckIn, turn.GiveUp:
		d.begin(now, in, dec)
		return
	case turn.Hold, turn.Resume, turn.Interrupt:
	default:
		return
	}
	t := d.byN[dec.Turn]
	if t == nil {
		return
	}
	t.last = now
	switch dec.Kind {
	case turn.Hold:
		t.hold(now)
		t.holding = true
		t.Holds = append(t.Holds, Hold{Span: Span{now, now}, Why: dec.Reason})
	case turn.Resume:
		t.resume(now, dec.Back)
		t.release(now, "resume", dec.Reason)
		if dec.Reason != "no text came" { // late words may still make it a turn
			d.aside()
		}
	case turn.Interrupt:
		t.end(now, 0)
		t.release(now, "interrupt", dec.Reason)
	}
}

// release ends the turn's hold, if it has one.
func (t *draft) release(now time.Duration, outcome, why string) {
	if t.holding {
		h := &t.Holds[len(t.Holds)-1]
		h.To, h.Outcome, h.Because = now, outcome, why
		t.holding = false
	}
}

// aside takes the voice so far for no turn's; but what goes on from a turn's voice without a break is of that.
func (d *digest) aside() {
	for _, s := range d.pending {
		t := d.latest()
		if n := len(t.Voice); n > 0 && t.Voice[n-1].To == s.From {
			t.Voice[n-1].To = s.To
			continue
		}
		t.Asides = append(t.Asides, s)
	}
	d.pending = nil
}

func (d *digest) begin(now time.Duration, in turn.Input, dec turn.Decision) {
	t := &draft{Turn: Turn{N: dec.Turn, Committed: now, Reason: dec.Reason}}
	switch dec.Kind {
	case turn.Commit:
		t.User = dec.Text
		d.claim(t, in.Kind == turn.Typed || dec.Reason == turn.Written && strings.HasPrefix(dec.Text, turn.KeysPressed))
	case turn.Obey:
		t.User, t.Reason = dec.Reason, "a command: "+dec.Text
		d.claim(t, in.Kind == turn.Typed)
	}
	d.drafts = append(d.drafts, t)
	d.byN[t.N] = t
}

// claim gives a turn the voice and the recognizer's results that its words are of. What comes before these was a noise.
func (d *digest) claim(t *draft, written bool) {
	if s, ok := d.ear.split(); ok {
		d.voice(s)
	}
	if written {
		d.aside()
		d.results = nil
		return
	}
	words := plain(t.User)
	for _, r := range d.results {
		if w := plain(r.text); len(w) > 0 && (within(words, w) || within(w, words)) {
			t.parts = append(t.parts, r)
		}
	}
	d.results = nil
	first := slices.IndexFunc(d.pending, func(s Span) bool {
		return slices.ContainsFunc(t.parts, func(r result) bool { return s.From < r.To && r.From < s.To })
	})
	if first > 0 {
		voice := d.pending[first:]
		d.pending = d.pending[:first:first]
		d.aside()
		d.pending = voice
	}
	t.Voice, d.pending = d.pending, nil
}

// within reports that the words of part stand in all, one after the other.
func within(all, part []string) bool {
	row := func(words []string) string { return " " + strings.Join(words, " ") + " " } // no word has a space
	return strings.Contains(row(all), row(part))
}

func (d *digest) finish(c *Conversation, taped []result) []Turn {
	if s, ok := d.ear.split(); ok {
		d.voice(s)
	}
	d.aside()
	words := map[said][]Word{}
	for _, r := range taped {
		words[r.key()] = r.words
	}
	var all []Turn
	for _, t := range d.drafts {
		end := dark(c, t.last)
		t.release(end, "", "")
		t.end(end, 0)
		t.Spoken, t.Sent = t.spoken(), t.sent()
		t.UserWords = t.userWords(words)
		t.Words = t.agentWords(d.voiced[d.asked[t.N]].words)
		all = append(all, t.Turn)
	}
	return all
}

// dark is when nothing more is known of what was last told of at a moment: where the log is not kept from then on, or where it ends.
func dark(c *Conversation, last time.Duration) time.Duration {
	end := c.Length
	for _, h := range c.Holes {
		if h.From >= last {
			end = min(end, h.From)
		}
	}
	return end
}
