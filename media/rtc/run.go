package rtc

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// Run lives the call: it reads the peer's packets, reports and messages, watches the timers, and when the
// call is over closes the peer connection and waits for every goroutine. It returns why: ErrHangup,
// ErrNeverConnected, ErrVanished, ErrNoMedia, ErrNotReceived, ErrHostile or the cause of ctx. It returns
// within seconds of ctx's end, usually in milliseconds. Call it once.
func (c *Call) Run(ctx context.Context) error {
	if !c.signals.claimed.CompareAndSwap(false, true) {
		return ErrHangup
	}
	var readers sync.WaitGroup
	readers.Go(c.readSenderControls)
	err := c.watch(ctx, &readers)
	c.end(err)
	c.free(&readers)
	return err
}

// watch is the loop of Run. It starts the readers as the peer's tracks and channel come.
func (c *Call) watch(ctx context.Context, readers *sync.WaitGroup) error {
	w := watch{limits: c.limits}
	var since time.Duration // of the path's loss
	tick := time.NewTicker(w.limits.tick())
	defer tick.Stop()
	for {
		now := c.Now()
		event, err := w.step(now, c.vitals(now))
		if err != nil {
			return err
		}
		switch event {
		case unheard:
			c.log.Warn("no receiver reports: does the peer hear us?")
		case lost:
			since = last(&c.seen.heard)
			c.tell(Path{At: now, Since: since})
		case back:
			c.tell(Path{At: now, Up: true, Since: since})
		}
		if w.connected && c.signals.open.CompareAndSwap(false, true) {
			close(c.signals.connected)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.signals.ended:
			return c.signals.why
		case in := <-c.signals.tracks:
			readers.Go(func() { c.readPackets(in) })
			readers.Go(func() { c.readReceiverControls(in) })
		case o := <-c.channel.opened:
			readers.Go(func() { c.readMessages(o) })
		case <-c.signals.changed:
		case <-tick.C:
		}
	}
}

// tick is how often the timers are looked at: what they measure is seconds.
func (t Timeouts) tick() time.Duration {
	least := min(t.Connect, t.Vanish, t.NoMedia, t.NotReceived)
	return max(10*time.Millisecond, min(least/8, time.Second))
}

func (c *Call) vitals(now time.Duration) vitals {
	if c.talk.mute.Load() {
		c.seen.muted.Store(int64(now))
	}
	v := vitals{
		received: max(last(&c.seen.received), last(&c.seen.muted)), sent: last(&c.seen.sent),
		reported: last(&c.seen.reported), alive: last(&c.seen.alive),
	}
	switch c.pc.ConnectionState() {
	case webrtc.PeerConnectionStateConnected:
		v.peer = up
	case webrtc.PeerConnectionStateDisconnected:
		v.peer = down
	case webrtc.PeerConnectionStateFailed:
		v.peer = failed
	case webrtc.PeerConnectionStateClosed:
		v.peer = closed
	}
	return v
}

// free closes the peer connection, which ends the readers, and then the streams. A negotiation that goes on is let
// end, which it does because the call has, and none begins after it. Closing sends the peer a goodbye. Should pion
// hang, it is left behind with a line in the log rather than holding up the caller.
func (c *Call) free(readers *sync.WaitGroup) {
	c.signals.open.Store(false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.talk.turn <- struct{}{}
		if err := c.pc.GracefulClose(); err != nil {
			c.log.Debug("close peer connection", slog.Any("err", err))
		}
		readers.Wait()
	}()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-done:
		close(c.channel.inbox)
	case <-limit.C:
		c.log.Error("peer connection does not close: its goroutines are left behind")
	}
	c.up.Close()
	c.down.Close()
	c.controls.Close()
	close(c.signals.paths)
}
