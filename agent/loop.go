package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/agent/turn"
	"parley/internal/provider"
	"parley/media"
)

// historyLimit is how much of a conversation a model is told, in characters: about 2,000 tokens.
const historyLimit = 8000

// loop is a running session. Its fields below the line belong to the goroutine of run.
type loop struct {
	*Session
	profile  Profile
	log      *slog.Logger
	wg       *sync.WaitGroup
	arrivals chan arrival
	feed     *feed
	recent   recent
	stage    stage // which reply has the playout

	// owned by run
	machine *turn.Machine
	history history
	replies replies
	view    view
}

// view is what was told to whoever follows the conversation.
type view struct {
	seq       uint64
	state     string
	voice     time.Duration // when the caller was last heard
	final     time.Duration // when the last final text came
	partial   string
	leaving   int   // the turn after whose answer the conversation ends
	leave     error // and why
	finishing bool
}

func newLoop(s *Session) *loop {
	l := &loop{Session: s, profile: s.Profile.withDefaults(), log: s.Logger, arrivals: make(chan arrival, 64), feed: newFeed()}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.Now == nil {
		start := time.Now()
		l.Now = func() time.Duration { return time.Since(start) }
	}
	l.machine = turn.New(l.profile.Turn)
	l.history.limit = historyLimit
	l.recent.most = 8 * media.ListenRate
	s.Out.Watch(l.watch)
	return l
}

// run takes arrivals until the conversation is over.
func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer l.replies.cancel(context.Canceled)
	l.show("listening")
	if l.profile.Greeting != "-" {
		l.step(ctx, turn.Input{Kind: turn.Said, Text: l.profile.Greeting})
	}
	for l.view.leave == nil {
		if at, ok := l.machine.Wake(); ok {
			timer.Reset(at - l.Now())
		} else {
			timer.Stop()
		}
		select {
		case a := <-l.arrivals:
			l.take(ctx, a)
		case <-timer.C:
			l.step(ctx, turn.Input{Kind: turn.Tick})
		case <-ctx.Done():
			l.view.leave = context.Cause(ctx)
		}
	}
	l.emit(Event{Kind: End, Text: l.view.leave.Error(), Err: l.view.leave})
	return l.view.leave
}

func (l *loop) take(ctx context.Context, a arrival) {
	switch {
	case a.fail != nil:
		l.view.leave = a.fail
	case a.note != nil:
		l.trouble(a.note.code, a.note.err)
	case a.ext != nil:
		l.input(ctx, *a.ext)
	case a.ended != nil:
		l.ended(ctx, *a.ended)
	case a.heard != 0:
		l.progress(a.heard)
	default:
		l.step(ctx, a.in)
	}
}

func (l *loop) input(ctx context.Context, in Input) {
	switch in.Kind {
	case Typed:
		l.step(ctx, turn.Input{Kind: turn.Typed, Text: in.Text})
	case Mute:
		l.step(ctx, turn.Input{Kind: turn.Muted, On: in.On})
	case Key:
		l.step(ctx, turn.Input{Kind: turn.Key, Text: in.Text})
	case PathLost:
		l.step(ctx, turn.Input{Kind: turn.PathLost, At: in.At})
	case PathBack:
		l.step(ctx, turn.Input{Kind: turn.PathBack})
	case HangUp:
		l.view.leave = ErrHungUp
	}
}

// step is the sequencer: it stamps an input, lets the machine decide, traces both and acts.
func (l *loop) step(ctx context.Context, in turn.Input) {
	now := l.Now()
	e := turn.Entry{Now: now, In: in, Out: l.machine.Step(now, in)}
	e.Wake, _ = l.machine.Wake()
	l.emit(Event{At: now, Kind: Step, Step: &e})
	l.note(now, in)
	for _, d := range e.Out {
		l.act(ctx, now, d)
	}
	l.show(l.replies.state())
}

// note keeps what the measures and the captions need of an input.
func (l *loop) note(now time.Duration, in turn.Input) {
	switch in.Kind {
	case turn.Score:
		l.view.voice = l.machine.LastVoice()
	case turn.Final:
		l.view.final = now
		l.caption(in.Text, false)
	case turn.Partial:
		l.caption(in.Text, false)
	case turn.Finished:
		l.view.finishing = false
	case turn.Began:
		l.began(now, in.Turn)
	}
}

// caption tells the caller's words. Words that turn out to be none are taken back by an empty final text.
func (l *loop) caption(text string, final bool) {
	final = final || text == ""
	if text == l.view.partial && (text == "" || !final) {
		return
	}
	l.view.partial = text
	l.emit(Event{Kind: User, Turn: l.replies.turn + 1, Text: text, Final: final})
}

func (l *loop) act(ctx context.Context, now time.Duration, d turn.Decision) {
	l.log.Debug("decided", "turn", d.Turn, "decision", string(d.Kind), "reason", d.Reason)
	switch d.Kind {
	case turn.Hold:
		l.Out.Hold()
	case turn.Resume:
		l.caption("", true)
		l.Out.Resume(d.Back)
	case turn.Interrupt:
		l.interrupt()
	case turn.Flush:
		l.feed.flush()
		l.finish(ctx, d.Turn)
	case turn.Think:
		l.think(ctx, d)
	case turn.Discard:
		l.replies.discard(ErrDiscarded)
	case turn.Commit:
		l.commit(ctx, now, d)
	case turn.Obey:
		l.obey(ctx, d)
	default:
		l.own(ctx, d)
	}
}

// own says what no model writes.
func (l *loop) own(ctx context.Context, d turn.Decision) {
	switch d.Kind {
	case turn.Say:
		l.say(ctx, d.Turn, d.Text)
	case turn.CheckIn:
		l.say(ctx, d.Turn, l.profile.CheckIn)
	case turn.GiveUp:
		l.view.leaving = d.Turn
		l.say(ctx, d.Turn, l.profile.Goodbye)
	}
}

func (l *loop) obey(ctx context.Context, d turn.Decision) {
	l.caption(d.Reason, true)
	l.replies.turn = d.Turn
	if d.Text == "goodbye" {
		l.view.leaving = d.Turn
		l.say(ctx, d.Turn, l.profile.Goodbye)
	}
}

// finish asks the end-of-turn model about the silence that was just flushed, one question at a time.
func (l *loop) finish(ctx context.Context, next int) {
	if l.Finisher == nil || l.view.finishing || l.replies.state() != "listening" {
		return
	}
	l.view.finishing = true
	pcm := l.recent.last()
	l.wg.Go(func() {
		p, err := l.Finisher.Finished(pcm)
		if err != nil {
			l.send(ctx, arrival{note: &trouble{"vad", err}})
			p = -1
		}
		l.send(ctx, arrival{in: turn.Input{Kind: turn.Finished, Turn: next, P: p}})
	})
}

// ended takes what a reply did.
func (l *loop) ended(ctx context.Context, o outcome) {
	r := o.reply
	if !l.replies.end(r) {
		return // a prepared answer that was thrown away leaves no trace
	}
	said := r.said(o.sent, true)
	l.history.answer(r.turn, said)
	l.emit(Event{Kind: Answer, Turn: r.turn, Said: &said})
	l.step(ctx, turn.Input{Kind: turn.Ended, Turn: r.turn})
	if r.turn == l.view.leaving {
		l.view.leave = ErrGoodbye
	}
	if o.err == nil || r.interrupted || ctx.Err() != nil {
		return
	}
	l.trouble(o.code, o.err)
	if r.fixed == "" && said.Heard == "" && l.view.leaving == 0 {
		l.step(ctx, turn.Input{Kind: turn.Said, Text: l.profile.Sorry})
	}
}

func (l *loop) trouble(code string, err error) {
	l.log.Warn("engine failed", "code", code, "err", err)
	l.emit(Event{Kind: Trouble, Code: code, Text: plainly(code, err), Err: err})
}

// plainly says an engine's failure to the person in the call.
func plainly(code string, err error) string {
	what := map[string]string{"stt": "The speech recognizer", "llm": "The language model", "tts": "The voice", "vad": "The voice detector"}[code]
	switch {
	case errors.Is(err, provider.ErrAuth):
		return what + " does not accept our credentials."
	case errors.Is(err, provider.ErrQuota):
		return what + " has no quota left for us at the moment."
	case errors.Is(err, provider.ErrTruncated):
		return what + " stopped in the middle."
	}
	return what + " failed. The conversation goes on; please try again."
}

// hopeless tells an error that no second attempt mends.
func hopeless(err error) bool {
	return errors.Is(err, provider.ErrAuth) || errors.Is(err, provider.ErrBadRequest)
}

func (l *loop) show(state string) {
	if state != l.view.state {
		l.view.state = state
		l.emit(Event{Kind: State, Text: state})
	}
}

func (l *loop) emit(e Event) {
	if e.At == 0 {
		e.At = l.Now()
	}
	l.view.seq++
	e.Seq = l.view.seq
	if e.Step != nil {
		e.Step.Seq = e.Seq
	}
	if l.Trace != nil {
		l.Trace(e)
	}
}
