package agent

import (
	"context"
	"slices"
	"time"

	"parley/agent/turn"
	"parley/llm"
)

// replies are the answers that are not over: at most one that was committed and one that is prepared.
// They belong to the loop.
type replies struct {
	turn     int // the newest turn that was committed
	speaking *reply
	prepared *reply
}

// state is what a person would say that the agent does.
func (r *replies) state() string {
	switch s := r.speaking; {
	case s == nil || s.interrupted:
		return "listening"
	case s.began:
		return "speaking"
	}
	return "thinking"
}

// cancel ends what is spoken and what is prepared.
func (r *replies) cancel(why error) {
	r.discard(why)
	if r.speaking != nil {
		r.speaking.interrupted = true
		r.speaking.cancel(why)
	}
}

func (r *replies) discard(why error) {
	if r.prepared != nil {
		r.prepared.discarded = true
		r.prepared.cancel(why)
		r.prepared = nil
	}
}

// end notes that a reply is over and says whether its turn was ever committed.
func (r *replies) end(o *reply) bool {
	if r.speaking == o {
		r.speaking = nil
	}
	return !o.discarded
}

// start begins to make an answer; it waits for its commit before it sounds.
func (l *loop) start(call context.Context, r *reply, req llm.Request) {
	var ctx context.Context
	ctx, r.cancel = context.WithCancelCause(call)
	r.commit = make(chan struct{})
	l.wg.Go(func() {
		o := l.speak(ctx, r, req)
		r.cancel(nil)
		l.send(call, arrival{ended: &o})
	})
}

func (l *loop) request(h *history) llm.Request {
	return llm.Request{System: l.profile.Prompt, Messages: h.messages(), MaxTokens: l.profile.MaxTokens}
}

// think prepares the answer to a turn that is not over yet. The history does not know of it.
func (l *loop) think(ctx context.Context, d turn.Decision) {
	l.replies.discard(ErrDiscarded)
	if l.replies.speaking != nil && !l.replies.speaking.interrupted {
		return
	}
	h := history{turns: slices.Clone(l.history.turns)}
	h.ask(d.Turn, d.Text)
	r := &reply{turn: d.Turn, text: d.Text}
	l.replies.prepared = r
	l.start(ctx, r, l.request(&h))
}

// commit lets an answer sound: the prepared one if it answers this text, else a new one.
func (l *loop) commit(ctx context.Context, now time.Duration, d turn.Decision) {
	if old := l.history.ask(d.Turn, d.Text); old != 0 { // its words stand in this turn now
		l.emit(Event{Kind: User, Turn: old, Final: true})
	}
	l.caption(l.history.asked(), true)
	l.history.trim()
	r := l.replies.prepared
	if r == nil || r.turn != d.Turn || r.text != d.Text {
		l.replies.discard(ErrDiscarded)
		r = &reply{turn: d.Turn, text: d.Text}
		l.start(ctx, r, l.request(&l.history))
	}
	r.voice, r.asked = l.view.voice, Latency{Commit: now, Text: l.view.final}
	if d.Reason == turn.Written { // nothing was spoken
		r.voice, r.asked.Text = now, now
	}
	l.release(r)
}

// say speaks a text of the agent's own.
func (l *loop) say(ctx context.Context, n int, text string) {
	l.replies.discard(ErrDiscarded)
	l.history.ask(n, "")
	r := &reply{turn: n, fixed: text}
	l.start(ctx, r, llm.Request{})
	l.release(r)
}

func (l *loop) release(r *reply) {
	l.replies.prepared = nil
	if old := l.replies.speaking; old != nil && !old.interrupted {
		old.interrupted = true
		old.cancel(ErrBargeIn)
	}
	l.replies.speaking, l.replies.turn = r, r.turn
	l.view.partial = ""
	l.recent.clear()
	l.Out.Resume(0)
	close(r.commit)
}

// interrupt cancels what is spoken and notes at once what was heard of it: the line is held, so that is
// known before the reply itself has unwound.
func (l *loop) interrupt() {
	r := l.replies.speaking
	l.replies.cancel(ErrBargeIn)
	if r == nil {
		return
	}
	sent := time.Duration(0)
	if at := l.Out.Hold(); r.began {
		sent = at
	}
	l.history.answer(r.turn, r.said(sent, false))
}

// began tells how long an answer took.
func (l *loop) began(now time.Duration, n int) {
	r := l.replies.speaking
	if r == nil || r.turn != n || r.began {
		return
	}
	r.began = true
	if r.fixed != "" || r.voice == 0 {
		return
	}
	since := func(t time.Duration) time.Duration {
		if t == 0 {
			return 0
		}
		return t - r.voice
	}
	r.mu.Lock()
	lat := Latency{Commit: since(r.asked.Commit), Text: since(r.asked.Text), Token: since(r.times.Token),
		Phrase: since(r.times.Phrase), Audio: since(r.times.Audio), Sent: since(now)}
	r.mu.Unlock()
	l.emit(Event{At: now, Kind: Timing, Turn: n, Latency: &lat})
}

// progress tells the words that were heard meanwhile.
func (l *loop) progress(n int) {
	r := l.replies.speaking
	if r == nil || r.turn != n || r.interrupted {
		return
	}
	r.mu.Lock()
	sent := r.sentSoFar
	r.mu.Unlock()
	said := r.said(sent, false)
	if said.Heard == r.shown {
		return
	}
	r.shown = said.Heard
	l.emit(Event{Kind: Answer, Turn: n, Said: &said})
}
