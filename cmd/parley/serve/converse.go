package serve

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"parley/agent"
	"parley/media"
	"parley/media/line"
	"parley/media/rtc"
	"parley/web"
)

// uplinkDepth is how many packets of a caller may wait for their decoder: 5 s. The newest are kept.
const uplinkDepth = 250

// farewellTime is how long the last message may take to leave.
const farewellTime = 200 * time.Millisecond

// conversation is one caller's session with everything between the wire and the agent.
type conversation struct {
	engines *engines
	profile agent.Profile
	hello   web.Hello
	log     *slog.Logger
}

// run lives the call: it returns why the call or the conversation ended.
func (c conversation) run(ctx context.Context, call *rtc.Call) error {
	up, err := line.NewUp(line.UpOptions{Rate: media.ListenRate})
	if err != nil {
		return err
	}
	down, err := line.NewDown(line.DownOptions{Rate: media.SpeakRate, Send: call.Send})
	if err != nil {
		return err
	}
	tap := call.Up().Tap(uplinkDepth, media.DropOldest)
	defer tap.Close()
	ctx, end := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer call.Close() // ends its Run
	wg.Go(func() { end(call.Run(context.WithoutCancel(ctx))) })
	select {
	case <-call.Connected():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	model, free := c.engines.forCall()
	defer free()
	box := &web.Postbox{Post: call.Post, Open: call.Open}
	box.Put(web.Greet(c.hello))
	s := agent.Session{
		Recognizer: c.engines.recognizer, Model: model, Voice: c.engines.voice,
		Detector: c.engines.detector, Finisher: c.engines.finisher,
		In:      up.Frames(call.Now, tap),
		Out:     media.NewPlayout(media.SpeakRate, down.Write),
		Input:   c.commands(call),
		Profile: c.profile,
		Trace:   func(e agent.Event) { box.Put(web.Message(e)) },
		Now:     call.Now,
		Logger:  c.log,
	}
	err = s.Run(ctx)
	leave, done := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer done()
	if ctx.Err() == nil || errors.Is(err, web.ErrShutdown) || errors.Is(err, web.ErrDeleted) {
		box.Flush(leave)
	}
	u, d := up.Stats(), down.Stats()
	c.log.Info("call ended", "reason", err, "received", u, "sent", d, "tapDropped", tap.Dropped())
	return err
}

// commands are the caller's messages. One that cannot be read is answered with what is wrong with it.
func (c conversation) commands(call *rtc.Call) media.Source[agent.Input] {
	return func(ctx context.Context) iter.Seq[agent.Input] {
		return func(yield func(agent.Input) bool) {
			for msg := range call.Messages()(ctx) {
				in, err := web.ParseCommand(msg)
				if err != nil {
					call.Post(web.Complain(err))
					continue
				}
				if !yield(in) {
					return
				}
			}
		}
	}
}
