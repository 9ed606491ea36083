package whatif

import (
	"cmp"
	"slices"
	"time"

	"parley/agent/turn"
)

// Moment is an input and when it is taken, on the session clock. One without a Kind is none.
type Moment struct {
	Now time.Duration
	In  turn.Input
}

// World is what is around a machine. A function that is nil gives nothing.
type World struct {
	Comes  []Moment                                                 // what comes whatever is decided, in its order
	Text   func(now time.Duration) Moment                           // the recognizer's answer to a flush at now
	Sound  func(now time.Duration) Moment                           // the end-of-turn model's; the number of the turn is filled in
	Answer func(d turn.Decision, now time.Duration) (Playout, bool) // how an answer sounds that is wanted at now
	Took   func(turn.Entry)                                         // is told of every step
	End    time.Duration                                            // nothing is taken from then on
}

// Playout is how an answer sounds.
type Playout struct {
	First time.Duration // from the decision to its first sound
	Long  time.Duration // of its sound
}

// Step is a step that decided something.
type Step struct {
	turn.Entry
	Voice time.Duration // when the caller's voice was last heard before
}

// Run holds the conversation and returns the steps that decided something.
func Run(c turn.Config, w World) []Step {
	r := run{world: w, m: turn.New(c)}
	r.goOn()
	return r.steps
}

// run is a conversation as it goes on.
type run struct {
	world World
	m     *turn.Machine
	now   time.Duration
	next  int      // of world.Comes
	due   []Moment // what was modeled and has not come yet, in its order
	steps []Step
	taken uint64

	asked     time.Duration // the recognizer was flushed then and has not answered; negative: it has
	finishing bool          // the end-of-turn model was asked
	floor     floor
}

// floor is the answer that the agent gives.
type floor struct {
	turn  int // 0: none
	began bool
	held  bool
	total time.Duration // of its sound
	left  time.Duration // of it, at since
	since time.Duration
}

// goOn runs to the end.
func (r *run) goOn() {
	for {
		next, ok := r.first()
		if at, wants := r.m.Wake(); wants && (!ok || at < next.Now) {
			next, ok = Moment{at, turn.Input{Kind: turn.Tick}}, true
		} else if ok {
			r.pop()
		}
		if !ok || next.Now >= r.world.End {
			return
		}
		for _, d := range r.step(next) {
			r.act(d)
		}
	}
}

// first is what comes next but for a tick.
func (r *run) first() (Moment, bool) {
	switch fixed := r.next < len(r.world.Comes); {
	case len(r.due) > 0 && (!fixed || r.due[0].Now < r.world.Comes[r.next].Now):
		return r.due[0], true
	case fixed:
		return r.world.Comes[r.next], true
	}
	return Moment{}, false
}

func (r *run) pop() {
	if r.next < len(r.world.Comes) && (len(r.due) == 0 || r.world.Comes[r.next].Now <= r.due[0].Now) {
		r.next++
		return
	}
	r.due = r.due[1:]
}

// step has the machine take an input.
func (r *run) step(next Moment) []turn.Decision {
	r.now = max(r.now, next.Now)
	out := r.m.Step(r.now, next.In)
	if r.taken++; len(out) > 0 || r.world.Took != nil {
		e := turn.Entry{Seq: r.taken, Now: r.now, In: next.In, Out: out}
		e.Wake, _ = r.m.Wake()
		if r.world.Took != nil {
			r.world.Took(e)
		}
		if len(out) > 0 {
			r.steps = append(r.steps, Step{e, r.m.LastVoice()})
		}
	}
	r.note(next.In)
	return out
}

// note follows what an input means for the world.
func (r *run) note(in turn.Input) {
	f := &r.floor
	switch in.Kind {
	case turn.Final:
		r.asked = -1
	case turn.Finished:
		r.finishing = false
	case turn.Began:
		if in.Turn == f.turn && !f.began {
			f.began, f.since, f.left = true, r.now, f.total
		}
	case turn.Ended:
		if in.Turn == f.turn {
			*f = floor{}
		}
	}
}

// act does what was decided.
func (r *run) act(d turn.Decision) {
	f := &r.floor
	switch d.Kind {
	case turn.Flush:
		r.asked = r.now
		r.askText(r.now)
		if !r.finishing && f.turn == 0 {
			r.finishing = true
			r.askSound(r.now, d.Turn)
		}
	case turn.Hold:
		if f.began && !f.held {
			f.left -= r.now - f.since
		}
		f.held = true
		r.drop(d.Turn)
	case turn.Resume:
		f.held = false
		f.left = min(f.total, f.left+d.Back)
		f.since = r.now
		r.sound()
	case turn.Interrupt:
		r.drop(d.Turn)
		*f = floor{}
	case turn.Think, turn.Discard:
	case turn.Obey:
		if d.Text == "goodbye" { // to the others nothing is said
			r.answer(d)
		}
	default:
		r.answer(d)
	}
}

func (r *run) askText(now time.Duration) {
	if r.world.Text != nil {
		r.push(r.world.Text(now))
	}
}

func (r *run) askSound(now time.Duration, of int) {
	if r.world.Sound != nil {
		m := r.world.Sound(now)
		m.In.Turn = of
		r.push(m)
	}
}

// answer begins what the agent says.
func (r *run) answer(d turn.Decision) {
	r.floor = floor{turn: d.Turn, since: r.now}
	if r.world.Answer == nil {
		return
	}
	p, ok := r.world.Answer(d, r.now)
	switch {
	case !ok:
	case p.Long <= 0:
		r.push(Moment{r.now + p.First, turn.Input{Kind: turn.Ended, Turn: d.Turn}})
	default:
		r.floor.total, r.floor.left = p.Long, p.Long
		r.floor.since = r.now + p.First
		r.sound()
	}
}

// sound makes the rest of the answer, from its floor's since on.
func (r *run) sound() {
	f := &r.floor
	if f.total == 0 {
		return
	}
	at := max(f.since, r.now)
	if !f.began {
		at = max(at, r.now+1)
		r.push(Moment{at, turn.Input{Kind: turn.Began, Turn: f.turn}})
	}
	r.push(Moment{at + f.left, turn.Input{Kind: turn.Ended, Turn: f.turn}})
}

// drop forgets what was to be heard of an answer.
func (r *run) drop(of int) {
	r.due = slices.DeleteFunc(r.due, func(m Moment) bool {
		return m.In.Turn == of && (m.In.Kind == turn.Began || m.In.Kind == turn.Ended)
	})
}

// push has something come. What is of one moment keeps its order.
func (r *run) push(m Moment) {
	if m.In.Kind == "" {
		return
	}
	m.Now = max(m.Now, r.now)
	i, _ := slices.BinarySearchFunc(r.due, m.Now, func(d Moment, now time.Duration) int {
		if d.Now <= now {
			return -1
		}
		return cmp.Compare(d.Now, now)
	})
	r.due = slices.Insert(r.due, i, m)
}
