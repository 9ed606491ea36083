package serve

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley/agent"
	"parley/internal/provider"
	"parley/media"
	"parley/web"
)

// farewellTime is how long the last message may take to leave.
const farewellTime = 200 * time.Millisecond

// conversation is one caller's session with everything between the wire and the agent.
type conversation struct {
	engines *engines
	profile agent.Profile
	hello   web.Hello
	deck    *deck
	account *account
	log     *slog.Logger
}

// run lives the call: it returns why the call or the conversation ended.
func (c conversation) run(ctx context.Context, session *web.Session) error {
	call := session.Call
	box := &web.Postbox{Post: call.Post, Open: call.Open}
	box.Put(web.Greet(c.hello))
	tape, err := c.deck.load(session.ID, call, c.profile, c.engines.record, func(msg []byte) { box.Put(msg) })
	if err != nil {
		return err
	}
	w, err := newWire(call, tape)
	if err != nil {
		return err
	}
	defer w.tap.Close()
	session.Report(w.counters)
	if tape != nil {
		session.Recorded(tape.recorder())
	}
	ctx, end := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer call.Close() // ends its Run
	rolling, stop := context.WithCancel(context.WithoutCancel(ctx))
	wg.Go(func() {
		defer stop() // when the call's streams have ended
		end(call.Run(context.WithoutCancel(ctx)))
	})
	wg.Go(func() { tape.run(rolling, c.log) })
	select {
	case <-call.Connected():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	talk, hush := context.WithCancel(ctx)
	defer hush()
	wg.Go(func() { w.follow(talk) })
	wg.Go(func() { w.command(talk) })
	wg.Go(func() { w.report(talk) })
	return c.talk(ctx, w, box)
}

// talk is the conversation on a call that is connected.
func (c conversation) talk(ctx context.Context, w *wire, box *web.Postbox) error {
	model, free := c.engines.forCall()
	defer free()
	out := media.NewPlayout(media.SpeakRate, w.down.Write)
	out.Early(w.down.Free)
	s := agent.Session{
		Recognizer: c.engines.recognizer, Model: model, Voice: c.engines.voice,
		Detector: c.engines.detector, Finisher: c.engines.finisher,
		In:      w.frames(),
		Out:     out,
		Input:   media.From(w.inputs),
		Profile: c.profile,
		Price:   c.engines.prices.of,
		Trace: func(e agent.Event) {
			w.tape.note(e)
			box.Put(web.Message(e))
		},
		Now:    w.call.Now,
		Logger: c.log,
	}
	w.tape.record(&s)
	err := s.Run(provider.Noting(ctx, c.account.take))
	if ctx.Err() == nil || errors.Is(err, web.ErrShutdown) || errors.Is(err, web.ErrDeleted) {
		leave, done := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
		defer done()
		box.Flush(leave)
	}
	return err
}
