package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/agent/echo"
	"parley/agent/turn"
	"parley/internal/provider"
	"parley/media"
)

// historyLimit is how much of a conversation a model is told, in characters: about 2,000 tokens.
const historyLimit = 8000

// loop is a running session: it gives the core what arrives and does what the core wants done. The fields below the line
// belong to the goroutine of run.
type loop struct {
	*Session
	profile  Profile
	log      *slog.Logger
	wg       *sync.WaitGroup
	arrivals chan arrival
	feed     *feed
	recent   recent
	echo     echo.Guard
	stage    stage // which reply has the playout

	// owned by run
	core    *core
	replies map[int]*reply // those that are not over, by their number
}

func newLoop(s *Session) *loop {
	l := &loop{Session: s, core: newCore(s.Profile), log: s.Logger, arrivals: make(chan arrival, 64), feed: newFeed(), replies: map[int]*reply{}}
	l.profile = l.core.profile
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.Now == nil {
		start := time.Now()
		l.Now = func() time.Duration { return time.Since(start) }
	}
	l.recent.most = 8 * media.ListenRate
	s.Out.Watch(func(f media.Frame, sent time.Duration) {
		l.echo.Sent(l.Now(), f)
		l.watch(sent)
	})
	return l
}

// run takes arrivals until the conversation is over. It is the sequencer: what it takes gets its number and its moment here.
func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer l.cancelAll()
	l.core.tell = l.tell
	l.core.do = func(a act) time.Duration { return l.do(ctx, a) }
	l.take(arrival{took: &Taken{Kind: Begun}})
	for l.core.leave == nil {
		if at, ok := l.core.machine.Wake(); ok {
			timer.Reset(at - l.Now())
		} else {
			timer.Stop()
		}
		select {
		case a := <-l.arrivals:
			l.take(a)
		case <-timer.C:
			l.take(arrival{step: turn.Input{Kind: turn.Tick}})
		case <-ctx.Done():
			why := context.Cause(ctx)
			l.take(arrival{took: &Taken{Kind: Over, Text: why.Error()}, err: why})
		}
	}
	return l.core.leave
}

func (l *loop) take(a arrival) {
	if a.took != nil && a.took.Kind == Ended {
		delete(l.replies, a.took.Reply)
	}
	l.core.take(l.Now(), a)
}

func (l *loop) cancelAll() {
	for _, r := range l.replies {
		r.cancel(context.Canceled)
	}
}

// do does what the core wants done. None of it waits for an engine.
func (l *loop) do(ctx context.Context, a act) time.Duration {
	switch a.kind {
	case hold:
		l.Out.Hold()
	case resume:
		l.Out.Resume(a.back)
	case flush:
		l.feed.flush()
	case finish:
		l.finish(ctx, a.turn)
	case begin:
		l.begin(ctx, a)
	case release:
		l.recent.clear()
		l.Out.Resume(0)
		close(l.replies[a.reply].commit)
	case cancel:
		l.cancel(a)
	case cut:
		l.cancel(a)
		return l.Out.Hold()
	}
	return 0
}

// cancel gives a reply up. One that is over already has nothing to give up.
func (l *loop) cancel(a act) {
	if r := l.replies[a.reply]; r != nil {
		r.cancel(a.why)
	}
}

// finish asks the end-of-turn model.
func (l *loop) finish(ctx context.Context, next int) {
	if l.Finisher == nil {
		return
	}
	pcm, end := l.recent.last()
	l.wg.Go(func() {
		p, err := l.Finisher.Finished(pcm)
		if err != nil {
			l.send(ctx, failure(Noticed, "vad", err))
			p = -1
		}
		l.send(ctx, arrival{step: turn.Input{Kind: turn.Finished, Turn: next, P: p, Start: end - media.Samples(len(pcm), media.ListenRate), At: end}})
	})
}

// failure is an engine's error as the core takes it.
func failure(kind TakenKind, code string, err error) arrival {
	return arrival{took: &Taken{Kind: kind, Code: code, Text: err.Error(), Class: provider.ClassName(err)}, err: err}
}

// engineName is what a person calls an engine.
func engineName(code string) string {
	return map[string]string{"stt": "The speech recognizer", "llm": "The language model", "tts": "The voice", "vad": "The voice detector"}[code]
}

// plainly says an engine's failure to the person in the call.
func plainly(code, class string) string {
	what := engineName(code)
	switch class {
	case "auth":
		return what + " does not accept our credentials."
	case "quota":
		return what + " has no quota left for us at the moment."
	case "truncated":
		return what + " stopped in the middle."
	}
	return what + " failed. The conversation goes on; please try again."
}

// hopeless tells an error that no second attempt mends.
func hopeless(err error) bool {
	return errors.Is(err, provider.ErrAuth) || errors.Is(err, provider.ErrBadRequest)
}

// tell passes an event on.
func (l *loop) tell(e Event) {
	switch {
	case e.Kind == Trouble:
		l.log.Warn("engine failed", "code", e.Code, "err", e.Err)
	case e.Step != nil:
		for _, d := range e.Step.Out {
			l.log.Debug("decided", "turn", d.Turn, "decision", string(d.Kind), "reason", d.Reason)
		}
	}
	if l.Trace != nil {
		l.Trace(e)
	}
}
