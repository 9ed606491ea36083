package serve

import (
	"context"
	"encoding/json"
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
}

func newWire(call *rtc.Call) (w *wire, err error) {
	audio := call.Audio()
	w = &wire{call: call, tap: call.Up().Tap(uplinkDepth, media.DropOldest), inputs: make(chan agent.Input, inputDepth)}
	defer func() {
		if err != nil {
			w.tap.Close()
		}
	}()
	w.up, err = line.NewUp(line.UpOptions{Rate: media.ListenRate, Codec: audio.Codec, Events: audio.Events,
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
		in := agent.Input{Kind: agent.PathBack}
		if !p.Up {
			in = agent.Input{Kind: agent.PathLost, At: p.Since - w.call.Stats().RTT}
		}
		w.put(ctx, in)
	}
}

// command passes on the caller's messages. One that cannot be read is answered with what is wrong with it.
func (w *wire) command(ctx context.Context) {
	for msg := range w.call.Messages()(ctx) {
		in, err := web.ParseCommand(msg)
		if err != nil {
			w.call.Post(web.Complain(err))
			continue
		}
		w.put(ctx, in)
	}
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
