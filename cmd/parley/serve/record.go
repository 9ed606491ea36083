package serve

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"parley/agent"
	"parley/agent/replay"
	"parley/agent/replay/cassette"
	"parley/agent/turn"
	"parley/agent/vad"
	"parley/llm"
	"parley/media/record"
)

// tape is the record of one conversation. A nil tape records nothing.
type tape struct {
	deck   *deck
	id     string
	writer *record.Writer
	notes  *replay.Notes
	taps   record.Taps
	sink   *cassette.Sink
	now    func() time.Duration

	mu     sync.Mutex
	rule   discretion
	pauses pauses
}

// run records until ctx ends, which is after the call's streams have.
func (t *tape) run(ctx context.Context, log *slog.Logger) {
	if t == nil {
		return
	}
	t.deck.mark(t.id, true)
	defer t.deck.mark(t.id, false)
	if err := t.writer.Run(ctx, t.now, t.taps); err != nil {
		log.Error("recording broken off", "err", err)
	}
}

// note keeps an event, and what it tells of mutes and of the end-of-turn model.
func (t *tape) note(e agent.Event) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Step != nil && e.Step.In.Kind == turn.Muted && t.rule.mode == waiting { // of the packets, which are kept already
		t.writer.Mute(e.At, e.Step.In.On)
	}
	was := t.rule.mode
	e, ok := t.rule.event(e)
	switch is := t.rule.mode; {
	case was == waiting && is == rolling:
		t.writer.Resume(e.At)
	case was == rolling && is == waiting:
		t.writer.PauseLog(e.At, "what comes late may be of the pause")
	}
	if ok {
		t.notes.Event(e)
	}
}

// heard keeps the voice detector's scores.
func (t *tape) heard(all []vad.Score) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rule.mode != rolling {
		return
	}
	t.notes.Scores(now, all)
}

// tick notes a moment at which sound was made of no packet.
func (t *tape) tick(now time.Duration) {
	if t != nil {
		t.writer.Tick(now)
	}
}

// said keeps a line of what engines were asked and answered.
func (t *tape) said(now time.Duration, line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rule.tape(line) {
		t.notes.Tape(now, line)
	}
}

// blob keeps what a voice said.
func (t *tape) blob(now time.Duration, content []byte) (name string, ok bool) {
	t.mu.Lock()
	keep := t.rule.mode == rolling
	t.mu.Unlock()
	if !keep {
		return "", false
	}
	return t.writer.Blob(now, content) // outside of the lock: it computes a hash
}

// withhold says whether what the model is told is not to be kept.
func (t *tape) withhold() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rule.went
}

// record has the tape hear what a conversation does.
func (t *tape) record(s *agent.Session) {
	if t == nil {
		return
	}
	s.Recognizer, s.Model, s.Voice = t.sink.Recognizer(s.Recognizer), t.model(s.Model), t.sink.Voice(s.Voice)
	s.Heard = t.heard
}

// model is m, recorded with discretion.
func (t *tape) model(m llm.Model) llm.Model {
	d := discreetModel{t, m, t.sink.Model(m)}
	if w, ok := m.(llm.Warmer); ok {
		return struct {
			llm.Model
			llm.Warmer
		}{d, w}
	}
	return d
}

// discreetModel is a model of which the record gets to know the requests only as long as there was no pause.
type discreetModel struct {
	tape            *tape
	inner, recorded llm.Model
}

func (d discreetModel) Generate(ctx context.Context, req llm.Request) iter.Seq2[llm.Delta, error] {
	if !d.tape.withhold() {
		return d.recorded.Generate(ctx, req)
	}
	shown := req
	shown.Messages = withheld(req.Messages)
	asked := llm.ModelFunc(func(ctx context.Context, _ llm.Request) iter.Seq2[llm.Delta, error] {
		return d.inner.Generate(ctx, req)
	})
	return d.tape.sink.Model(asked).Generate(ctx, shown)
}
