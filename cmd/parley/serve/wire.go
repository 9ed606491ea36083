package serve

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"time"

	"parley/agent"
	"parley/media"
	"parley/media/line"
	"parley/media/rtc"
	"parley/web"
)

const (
	uplinkDepth = 250             // packets of a caller that may wait for their decoder: 5 s. The newest are kept
	inputDepth  = 16              // commands, keys and changes of the path that may wait for the conversation
	reportEvery = 2 * time.Second // counters are sent to the page
)

// wire is a call's audio both ways, and what comes beside it.
type wire struct {
	call   *rtc.Call
	tap    *media.Tap[media.Packet]
	up     *line.Up
	down   *line.Down
	inputs chan agent.Input
	tape   *tape // nil: none

	mu   sync.Mutex
	path pathState
}

// pathState is what is known of the path to the caller.
type pathState struct {
	ice, gap bool          // who says that it is lost: the connection, a gap in the audio
	since    time.Duration // since when
	told     bool          // the conversation takes it for lost
}

func newWire(call *rtc.Call, t *tape) (w *wire, err error) {
	audio := call.Audio()
	w = &wire{call: call, tap: call.Up().Tap(uplinkDepth, media.DropOldest), inputs: make(chan agent.Input, inputDepth), tape: t}
	defer func() {
		if err != nil {
			w.tap.Close()
		}
	}()
	w.up, err = line.NewUp(line.UpOptions{Rate: media.ListenRate, Codec: audio.Codec, Events: audio.Events, Tick: t.tick,
		Digit: func(_ time.Duration, key rune) {
			select {
			case w.inputs <- agent.Input{Kind: agent.Key, Text: string(key)}:
			default: // nobody types that fast
			}
		}})
	if err != nil {
		return nil, err
	}
	w.down, err = line.NewDown(line.DownOptions{Rate: media.SpeakRate, Codec: audio.Codec, Send: call.Send,
		Loss: func() float64 { return call.Stats().Loss }})
	return w, err
}

// follow tells the conversation when the path to the caller is lost and back.
func (w *wire) follow(ctx context.Context) {
	for p := range w.call.Paths()(ctx) {
		w.note(func(s *pathState) { s.ice, s.since = !p.Up, p.Since })
	}
}

// frames is the caller's audio. What is missing of it tells of a lost path before the connection does.
func (w *wire) frames() media.Source[media.Frame] {
	return media.Through(w.up.Frames(w.call.Now, w.tap), func(in iter.Seq[media.Frame]) iter.Seq[media.Frame] {
		return func(yield func(media.Frame) bool) {
			var g line.Outage
			for f := range in {
				w.note(func(s *pathState) {
					if changed, lost, since := g.Step(f, s.ice); changed {
						s.gap, s.since = lost, since
					}
				})
				if !yield(f) {
					return
				}
			}
		}
	})
}

// note has change what is known of the path, and tells the conversation when it is lost or back by both accounts: what was
// sent since then, less the round trip, did not arrive. If the conversation has no room for it now, the next frame tries again.
func (w *wire) note(change func(*pathState)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.path
	change(s)
	lost := s.ice || s.gap
	if lost == s.told {
		return
	}
	in := agent.Input{Kind: agent.PathBack}
	if lost {
		in = agent.Input{Kind: agent.PathLost, At: max(0, s.since-w.call.Stats().RTT)}
	}
	select {
	case w.inputs <- in:
		s.told = lost
	default:
	}
}

// command passes on the caller's messages. One that cannot be read is answered with what is wrong with it.
func (w *wire) command(ctx context.Context) {
	var lag lag
	for msg := range w.call.Messages()(ctx) {
		c, err := web.ParseCommand(msg)
		if err != nil {
			w.call.Post(web.Complain(err))
			continue
		}
		in, ok := c.Input()
		switch {
		case !ok:
			w.tape.allow(caller, c.On)
		case in.Kind != agent.Played:
			w.put(ctx, in)
		case lag.step(in.At + w.call.Stats().RTT/2):
			w.put(ctx, agent.Input{Kind: agent.Played, At: lag.told})
		}
	}
}

// lag is how far the caller's loudspeaker lags behind our line, as the conversation was last told. The caller tells of its own
// part several times a second; what changes by less than a frame is no news.
type lag struct {
	told  time.Duration
	known bool
}

func (l *lag) step(now time.Duration) (news bool) {
	if l.known && (now-l.told).Abs() < media.FrameDuration {
		return false
	}
	l.told, l.known = now, true
	return true
}

func (w *wire) put(ctx context.Context, in agent.Input) {
	select {
	case w.inputs <- in:
	case <-ctx.Done():
	}
}

// report sends the page the counters.
func (w *wire) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if b, err := json.Marshal(w.counters()); err == nil && w.call.Open() {
				w.call.Post(b)
			}
		case <-ctx.Done():
			return
		}
	}
}

// counters are the figures of the call so far.
func (w *wire) counters() web.Counters {
	s, u, d := w.call.Stats(), w.up.Stats(), w.down.Stats()
	c := web.Counters{
		Type: "counters", AtMS: w.call.Now().Milliseconds(), Codec: string(w.call.Audio().Codec), RTTMS: ms(s.RTT),
		Dropped: s.Dropped + w.tap.Dropped(),
		Up: web.UpCounters{
			Received: s.Received, Lost: u.Lost, Late: u.Late, Duplicated: u.Duplicated, Recovered: u.Recovered,
			ConcealedMS: (u.Concealed + u.Silenced).Milliseconds(), PausedMS: u.Paused.Milliseconds(), DepthMS: ms(u.Depth),
		},
		Down: web.DownCounters{Sent: d.Packets, Loss: s.Loss},
	}
	if all := u.Received + u.Lost; all > 0 {
		c.Up.Loss = float64(u.Lost) / float64(all)
	}
	return c
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
