package whatif

import (
	"slices"
	"time"

	"parley/agent/turn"
)

// recorded is what a log tells of the world in which it was made.
type recorded struct {
	comes   []Moment
	texts   []reply // what the recognizer heard, in its order
	sounds  []reply
	answers []answer
	turns   []Turn
	ends    []time.Duration // of the turns: when the caller's voice was last heard before
	voices  []voiced
	end     time.Duration

	flushed, questioned time.Duration // since when an answer is waited for; negative: none is
}

// reply is a recorded answer of an engine and how long it took.
type reply struct {
	turn.Input
	took time.Duration // since it was asked; negative: nobody asked
}

// answer is a recorded answer of the agent.
type answer struct {
	turn int
	at   time.Duration // when it was wanted
	Playout
	sounded bool
	began   time.Duration
}

// voiced is when the caller's voice was last heard, as it was known at a moment.
type voiced struct{ now, last time.Duration }

// Where a log has no example.
const (
	textTakes   = 100 * time.Millisecond
	answerTakes = 500 * time.Millisecond
	answerLasts = 3 * time.Second
)

// read gathers it.
func read(was turn.Config, log []turn.Entry) *recorded {
	l := &recorded{flushed: -1, questioned: -1}
	m := turn.New(was)
	for _, e := range log {
		m.Step(e.Now, e.In)
		l.end = e.Now + 1
		voice := m.LastVoice()
		if len(l.voices) == 0 || voice != l.voices[len(l.voices)-1].last {
			l.voices = append(l.voices, voiced{e.Now, voice})
		}
		l.input(e)
		for _, d := range e.Out {
			l.decided(e.Now, d, voice)
		}
	}
	return l
}

// input takes what came: as what comes anyway, or as an answer to what was decided.
func (l *recorded) input(e turn.Entry) {
	switch e.In.Kind {
	case turn.Partial:
		l.texts = append(l.texts, reply{e.In, -1})
		l.comes = append(l.comes, Moment{e.Now, e.In})
	case turn.Final:
		r := reply{e.In, -1}
		if l.flushed >= 0 {
			r.took = e.Now - l.flushed
		} else {
			l.comes = append(l.comes, Moment{e.Now, e.In})
		}
		l.texts, l.flushed = append(l.texts, r), -1
	case turn.Finished:
		l.sounds = append(l.sounds, reply{e.In, max(0, e.Now-max(0, l.questioned))})
		l.questioned = -1
	case turn.Began, turn.Ended:
		l.heard(e)
	case turn.Tick:
	default:
		l.comes = append(l.comes, Moment{e.Now, e.In})
	}
}

func (l *recorded) decided(now time.Duration, d turn.Decision, voice time.Duration) {
	switch d.Kind {
	case turn.Flush:
		l.flushed = now
		if l.questioned < 0 {
			l.questioned = now
		}
	case turn.Commit, turn.Say, turn.CheckIn, turn.GiveUp, turn.Obey:
		l.answers = append(l.answers, answer{turn: d.Turn, at: now})
		if spoken(d) {
			l.turns = append(l.turns, Turn{Number: d.Turn, Was: now, Text: d.Text})
			l.ends = append(l.ends, voice)
		}
	}
}

// spoken tells the end of a turn that was said.
func spoken(d turn.Decision) bool { return d.Kind == turn.Commit && d.Reason != turn.Written }

// heard takes the sound of an answer.
func (l *recorded) heard(e turn.Entry) {
	for i := range l.answers {
		a := &l.answers[i]
		switch {
		case a.turn != e.In.Turn:
		case e.In.Kind == turn.Began && !a.sounded:
			a.sounded, a.began, a.First = true, e.Now, e.Now-a.at
		case e.In.Kind == turn.Ended && a.sounded:
			a.Long = e.Now - a.began
		case e.In.Kind == turn.Ended:
			a.First = e.Now - a.at
		}
	}
}

func (l *recorded) world() World {
	return World{Comes: l.comes, Text: l.text, Sound: l.sound, Answer: l.answer, End: l.end}
}

// place is where the caller's timeline is at now: where the last score ends.
func (l *recorded) place(now time.Duration) (at time.Duration) {
	for _, m := range l.comes {
		if m.Now > now {
			break
		}
		if m.In.Kind == turn.Score {
			at = m.In.At
		}
	}
	return at
}

// near is how much later than a flush a recorded result may end and still be of the same silence.
const near = 500 * time.Millisecond

func (l *recorded) text(now time.Duration) Moment {
	at := l.place(now)
	in := turn.Input{Kind: turn.Final, Start: at, At: at}
	found := -1
	for i, t := range l.texts {
		if t.At <= at || found < 0 && t.At <= at+near || found >= 0 && l.texts[found].At < at && t.At <= at+near {
			found = i
		}
		if t.At >= at {
			break
		}
	}
	if found >= 0 {
		in.Start, in.Text = min(at, l.texts[found].Start), l.texts[found].Text
	}
	took, best := textTakes, time.Duration(-1)
	for _, t := range l.texts {
		if d := (t.At - at).Abs(); t.took >= 0 && (best < 0 || d < best) {
			took, best = t.took, d
		}
	}
	return Moment{now + took, in}
}

func (l *recorded) sound(now time.Duration) Moment {
	at := l.place(now)
	var found *reply
	for i, s := range l.sounds {
		if found == nil || (s.At-at).Abs() < (found.At-at).Abs() {
			found = &l.sounds[i]
		}
	}
	if found == nil {
		return Moment{}
	}
	in := found.Input
	in.At = at
	return Moment{now + found.took, in}
}

func (l *recorded) answer(d turn.Decision, now time.Duration) (Playout, bool) {
	best := -1
	for i, a := range l.answers {
		if a.sounded && (best < 0 || (a.at-now).Abs() < (l.answers[best].at-now).Abs()) {
			best = i
		}
	}
	if best < 0 {
		return Playout{answerTakes, answerLasts}, true
	}
	p := l.answers[best].Playout
	if p.Long <= 0 {
		p.Long = answerLasts
	}
	return p, true
}

// goesOn is how soon a caller goes on who was cut off.
const goesOn = 1500 * time.Millisecond

// slack is what two ends of the same voice may differ by, and two moments that count as the same.
const slack = 20 * time.Millisecond

// silence is the end of the voice as the recording knew it at a moment, and whether the voice went on soon after.
func (l *recorded) silence(at time.Duration) (last time.Duration, goes bool) {
	for _, v := range l.voices {
		if v.now <= at {
			last = v.last
		} else if v.now <= at+goesOn && v.last > last+slack {
			return last, true
		}
	}
	return last, false
}

// judge sets what would have been decided beside what was.
func (l *recorded) judge(steps []Step, diverged time.Duration) []Turn {
	turns := slices.Clone(l.turns)
	done := make([]bool, len(turns))
	for _, s := range steps {
		if !slices.ContainsFunc(s.Out, spoken) {
			continue
		}
		last, goes := l.silence(s.Now)
		of := slices.IndexFunc(l.ends, func(end time.Duration) bool { return end+slack >= last })
		if of < 0 || done[of] {
			continue
		}
		t := &turns[of]
		whole := l.ends[of] <= last+slack
		switch {
		case !whole && goes:
			t.Verdict, t.Is = CutOff, s.Now
		case !whole: // the caller went on much later
			t.Verdict, t.Is = Earlier, s.Now
		case (s.Now - t.Was).Abs() <= slack:
			t.Verdict, t.Is, t.By = Same, s.Now, s.Now-t.Was
		case s.Now < t.Was:
			t.Verdict, t.Is, t.By = Earlier, s.Now, s.Now-t.Was
		default:
			t.Verdict, t.Is, t.By = Later, s.Now, s.Now-t.Was
		}
		done[of] = true
	}
	for i := range turns {
		if !done[i] {
			turns[i].Verdict = Joined
		}
		turns[i].Modeled = diverged >= 0 && max(turns[i].Was, turns[i].Is) >= diverged
	}
	return turns
}
